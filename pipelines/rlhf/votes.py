"""What judgements say of pairs of answers, and where judges contradict each other.

A judgement says of each two answers that it ranked which is better, or that they tie; of an answer that it did
not rank it says nothing, and nothing is concluded for it. Verdicts on one pair by different judges (same prompt,
same criteria) are votes; a judge who says the same twice has one.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from pipelines.rlhf.duplicates import codes

Ints = npt.NDArray[np.int64]

CYCLES = pa.schema(
    [
        pa.field("prompt_id", pa.string(), False),
        pa.field("criteria", pa.string()),
        pa.field(
            "completion_ids", pa.list_(pa.string()), False
        ),  # answers of which each beats another in turn
    ]
)


class JudgedPairs(NamedTuple):
    """Pairs of different answers that one judgement ranked, in the order of judgements and places.

    `left` and `right` are places in the flattened lists of answers; `steps` is by how many ranks the left answer
    is better (negative: worse, 0: a tie), ranks counted without gaps; `share` of the votes on the pair agree.
    `pair` numbers the distinct pairs, of answers `low` and `high`; `verdict` is 1 where low is better, -1 where
    high is, 0 for a tie.
    """

    judgement: Ints
    left: Ints
    right: Ints
    steps: Ints
    share: npt.NDArray[np.float64]
    pair: Ints
    low: Ints
    high: Ints
    verdict: Ints


class Votes(NamedTuple):
    """The pairs, and for each judgement the mean share of votes that agree with it, 1 where nobody differs."""

    pairs: JudgedPairs
    agreement: npt.NDArray[np.float64]


def count_votes(judgements: pa.Table) -> Votes:
    """Votes of a table with completion_ids, ranks, labeler_id and criteria (pipelines.rlhf.schemas.COMPARISONS)."""
    answers = codes(pa.chunked_array([judgements["completion_ids"].combine_chunks().flatten()]))
    lists = judgements["ranks"].combine_chunks()
    sizes = np.asarray(pc.list_value_length(lists)).astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    ranks = _dense_ranks(lists.flatten(), np.repeat(np.arange(len(sizes)), sizes))
    judgement, left, right = _all_pairs(offsets)
    judged = (ranks[left] >= 0) & (ranks[right] >= 0) & (answers[left] != answers[right])
    judgement, left, right = judgement[judged], left[judged], right[judged]
    steps = ranks[right] - ranks[left]
    swapped = answers[left] > answers[right]
    low = np.where(swapped, answers[right], answers[left])
    high = np.where(swapped, answers[left], answers[right])
    verdict = np.sign(np.where(swapped, -steps, steps))
    pair = _numbers(codes(judgements["criteria"])[judgement], low, high)
    share = _shares(pair, verdict, _labelers(judgements["labeler_id"])[judgement])
    n = judgements.num_rows
    counts = np.bincount(judgement, minlength=n)
    sums = np.bincount(judgement, weights=share, minlength=n)
    agreement = np.where(counts > 0, sums / np.maximum(counts, 1), 1.0)
    found = JudgedPairs(judgement, left, right, steps, share, pair, low, high, verdict)
    return Votes(found, agreement)


def majority_cycles(judgements: pa.Table, pairs: JudgedPairs) -> pa.Table:
    """Sets of answers to one prompt that beat each other in a circle by majority, as CYCLES by prompt_id.

    An answer beats another if more votes are for it than for the other; ties are no votes. What the majority
    says is not changed: a circle is told, not broken.
    """
    distinct, first = np.unique(pairs.pair, return_index=True)
    balance = np.bincount(pairs.pair, weights=pairs.verdict, minlength=len(distinct))
    low, high = pairs.low[first], pairs.high[first]
    criteria = codes(judgements["criteria"])[pairs.judgement[first]]
    nodes, node = np.unique(
        np.concatenate([np.stack([criteria, low], 1), np.stack([criteria, high], 1)]),
        axis=0,
        return_inverse=True,
    )
    node = node.reshape(-1)
    lows, highs = node[: len(distinct)], node[len(distinct) :]
    better, worse = np.where(balance > 0, lows, highs), np.where(balance > 0, highs, lows)
    decided = balance != 0
    graph = coo_matrix((np.ones(decided.sum()), (better[decided], worse[decided])), shape=(len(nodes),) * 2)
    _, circle = connected_components(graph, directed=True, connection="strong")
    return _cycle_table(judgements, pairs, circle, node, first)


def _cycle_table(judgements: pa.Table, pairs: JudgedPairs, circle: Ints, node: Ints, first: Ints) -> pa.Table:
    sizes = np.bincount(circle)
    ids = judgements["completion_ids"].combine_chunks().flatten()
    _, where = np.unique(codes(pa.chunked_array([ids])), return_index=True)
    answer = np.concatenate([pairs.low[first], pairs.high[first]])
    judged = np.tile(pairs.judgement[first], 2)
    members: dict[int, set[str]] = {}
    about: dict[int, tuple[str, str | None]] = {}
    for place in np.flatnonzero(sizes[circle[node]] > 1).tolist():
        number, row = int(circle[node[place]]), int(judged[place])
        about[number] = judgements["prompt_id"][row].as_py(), judgements["criteria"][row].as_py()
        members.setdefault(number, set()).add(ids[int(where[answer[place]])].as_py())
    found = [
        {"prompt_id": about[number][0], "criteria": about[number][1], "completion_ids": sorted(answers)}
        for number, answers in members.items()
    ]
    found.sort(key=lambda row: (row["prompt_id"], row["criteria"] or "", row["completion_ids"]))
    return pa.Table.from_pylist(found, schema=CYCLES)


def _all_pairs(offsets: Ints) -> tuple[Ints, Ints, Ints]:
    """(list, place, later place) of every two items of each list, ordered so."""
    sizes = np.diff(offsets)
    lists, lefts, rights = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for size in np.unique(sizes).tolist():
        i, j = np.triu_indices(size, 1)
        rows = np.flatnonzero(sizes == size)
        lists.append(np.repeat(rows, len(i)))
        lefts.append((offsets[rows][:, None] + i).reshape(-1))
        rights.append((offsets[rows][:, None] + j).reshape(-1))
    judgement, left, right = (np.concatenate(parts) for parts in (lists, lefts, rights))
    order = np.lexsort([right, left])
    return judgement[order], left[order], right[order]


def _dense_ranks(ranks: pa.Array, owner: Ints) -> Ints:
    """Ranks of each list from 0 without gaps, -1 where there is none."""
    known = np.asarray(pc.is_valid(ranks))
    given = np.asarray(pc.fill_null(ranks, 0)).astype(np.int64)
    rows = np.flatnonzero(known)
    order = rows[np.lexsort([given[rows], owner[rows]])]
    opens = np.ones(len(order), np.bool_)
    opens[1:] = owner[order][1:] != owner[order][:-1]
    rises = np.zeros(len(order), np.int64)
    rises[1:] = (given[order][1:] != given[order][:-1]) & ~opens[1:]
    level = np.cumsum(rises)
    dense = np.full(len(ranks), -1, np.int64)
    dense[order] = level - level[np.flatnonzero(opens)][np.cumsum(opens) - 1] if len(order) else level
    return dense


def _labelers(labelers: pa.ChunkedArray) -> Ints:
    """A number per labeler; nobody knows that two unnamed ones are the same, so each is one of its own."""
    found = codes(labelers)
    unnamed = np.flatnonzero(found < 0)
    found = found.copy()
    found[unnamed] = found.max(initial=-1) + 1 + np.arange(len(unnamed))
    return found


def _shares(pair: Ints, verdict: Ints, labeler: Ints) -> npt.NDArray[np.float64]:
    """Of the different (labeler, verdict) on each pair the share that has this row's verdict."""
    said = _numbers(pair, verdict)
    by_labeler = _numbers(said, labeler)
    _, first = np.unique(by_labeler, return_index=True)
    for_verdict = np.bincount(said[first], minlength=len(said))
    on_pair = np.bincount(pair[first], minlength=len(pair))
    return for_verdict[said] / on_pair[pair]


def _numbers(*columns: Ints) -> Ints:
    """A number from 0 per distinct combination of the columns' values."""
    if not len(columns[0]):
        return np.empty(0, np.int64)
    _, inverse = np.unique(np.stack(columns, 1), axis=0, return_inverse=True)
    return inverse.reshape(-1).astype(np.int64)
