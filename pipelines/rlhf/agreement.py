"""How far judges agree, and what each labeler did.

Two judges are compared on a pair of answers (same prompt, same criteria) that both ranked. They agree fully where
both say the same; where one says a tie and the other does not, they agree half. A judge who says two things of one
pair says nothing of it, which is counted. An unnamed judge is nobody else's. InstructGPT's labelers agree on
72.6 ± 1.5 %, held-out ones on 77.3 ± 1.3 % (section 3.4).
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.rlhf.duplicates import codes
from pipelines.rlhf.krippendorff import alpha
from pipelines.rlhf.votes import JudgedPairs, count_votes
from pipelines.schemas import DatasetSchema

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

PAPER_AGREEMENT = 0.726


def _column(name: str, kind: pa.DataType, meaning: str, nullable: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable, {"meaning": meaning})


_AGREED = _column("agreement", pa.float64(), "mean agreement, a tie against a verdict half; 0..1", True)
_DECIDED = _column(
    "agreement_decided", pa.float64(), "the same over comparisons where neither says a tie", True
)

AGREEMENT = DatasetSchema(
    "agreement",
    1,
    pa.schema(
        [
            _column("judges", pa.string(), "human-human, human-model or model-model"),
            _column("pairs", pa.int64(), "pairs of answers that two such judges ranked"),
            _column("comparisons", pa.int64(), "two judges' verdicts on one pair"),
            _AGREED,
            _DECIDED,
            _column(
                "alpha",
                pa.float64(),
                "Krippendorff's nominal alpha of the verdicts (better, tie, worse); null for human-model",
                True,
            ),
        ]
    ),
)

LABELERS = DatasetSchema(
    "labelers",
    1,
    pa.schema(
        [
            _column("labeler_id", pa.string(), "who judged"),
            _column("judge_kind", pa.string(), "human or model"),
            _column("judgements", pa.int64(), "rankings"),
            _column("prompts", pa.int64(), "different prompts among them"),
            _column("pairs", pa.int64(), "pairs of answers ranked, each once a ranking"),
            _column("ties_share", pa.float64(), "share of these that are ties", True),
            _column("contradicted_self", pa.int64(), "pairs of which two things were said"),
            _column("comparisons", pa.int64(), "pairs held against another labeler of the same kind"),
            _AGREED,
            _DECIDED,
            _column("demonstrations", pa.int64(), "answers written", True),
            _column("median_seconds", pa.float64(), "time of an annotation, null where not told", True),
            _column("mean_rating", pa.float64(), "mean of the ratings given, 1 to 7", True),
        ]
    ),
)

CONFLICTS = DatasetSchema(
    "conflicts",
    1,
    pa.schema(
        [
            _column("prompt_id", pa.string(), "the prompt"),
            _column("criteria", pa.string(), "what was judged", True),
            _column("one_id", pa.string(), "completion_id of one answer"),
            _column("other_id", pa.string(), "completion_id of the other, which sorts behind it"),
            _column("for_one", pa.int64(), "votes that the one is better"),
            _column("for_other", pa.int64(), "votes that the other is better"),
            _column("ties", pa.int64(), "votes that they tie"),
        ]
    ),
)


class Agreement(NamedTuple):
    """Tables AGREEMENT, LABELERS and CONFLICTS: pairs of answers on which votes differ, by their ids."""

    agreement: pa.Table
    labelers: pa.Table
    conflicts: pa.Table


class _Verdicts(NamedTuple):
    """One row a judge and pair: the verdict (1, 0, -1), or nothing said where `twofold`."""

    pair: Ints
    labeler: Ints
    verdict: Ints
    human: npt.NDArray[np.bool_]
    twofold: npt.NDArray[np.bool_]


class _Met(NamedTuple):
    """One row two judges on one pair: their rows among the verdicts, and how far they agree."""

    one: Ints
    other: Ints
    agreement: Floats
    decided: npt.NDArray[np.bool_]


def agreement(
    judgements: pa.Table, annotations: pa.Table | None = None, ratings: pa.Table | None = None
) -> Agreement:
    """The report on a table with the columns of COMPARISONS prompt_id, completion_ids, ranks, labeler_id,
    judge_kind and criteria, and on LABEL_ANNOTATIONS and LABEL_RATINGS of the same labelers where given.
    """
    judges = _judges(judgements)
    pairs = count_votes(judgements).pairs
    verdicts = _verdicts(pairs, judges, np.asarray(pc.equal(judgements["judge_kind"], "human")))
    met = _met(verdicts)
    return Agreement(
        _agreement_table(verdicts, met),
        _labeler_table(judgements, judges, pairs, verdicts, met, annotations, ratings),
        _conflict_table(judgements, judges, pairs),
    )


def rating_alpha(ratings: pa.Table) -> float | None:
    """Krippendorff's ordinal alpha of the ratings of LABEL_RATINGS; None where no answer was rated twice."""
    rated = ratings.filter(pc.is_valid(ratings["rating"]))
    return alpha(codes(rated["completion_id"]), np.asarray(rated["rating"]).astype(np.int64), "ordinal")


def _judges(judgements: pa.Table) -> Ints:
    """A number per named judge, numbers of their own behind these for unnamed ones."""
    found = codes(judgements["labeler_id"]).copy()
    unnamed = np.flatnonzero(found < 0)
    found[unnamed] = found.max(initial=-1) + 1 + np.arange(len(unnamed))
    return found


def _verdicts(pairs: JudgedPairs, judges: Ints, human: npt.NDArray[np.bool_]) -> _Verdicts:
    judge = judges[pairs.judgement]
    keys = np.stack([pairs.pair, judge], 1)
    _, first, row = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    row = row.reshape(-1)
    low, high = np.full(len(first), 2, np.int64), np.full(len(first), -2, np.int64)
    np.minimum.at(low, row, pairs.verdict)
    np.maximum.at(high, row, pairs.verdict)
    return _Verdicts(pairs.pair[first], judge[first], low, human[pairs.judgement[first]], low != high)


def _met(verdicts: _Verdicts) -> _Met:
    """All two judges of each pair, of those who said one thing."""
    rows = np.flatnonzero(~verdicts.twofold)
    rows = rows[np.argsort(verdicts.pair[rows], kind="stable")]
    starts = np.flatnonzero(np.diff(verdicts.pair[rows], prepend=-1))
    ends = np.append(starts[1:], len(rows))
    ones, others = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    sizes = ends - starts
    for size in np.unique(sizes[sizes > 1]).tolist():
        i, j = np.triu_indices(size, 1)
        at = starts[sizes == size]
        ones.append((at[:, None] + i).reshape(-1))
        others.append((at[:, None] + j).reshape(-1))
    one, other = rows[np.concatenate(ones)], rows[np.concatenate(others)]
    a, b = verdicts.verdict[one], verdicts.verdict[other]
    return _Met(one, other, 1 - np.abs(a - b) / 2, (a != 0) & (b != 0))


def _mean(values: npt.NDArray[np.floating]) -> float | None:
    return float(values.mean()) if len(values) else None


def _agreement_table(verdicts: _Verdicts, met: _Met) -> pa.Table:
    humans = verdicts.human[met.one].astype(np.int64) + verdicts.human[met.other]
    rows = []
    for name, number in (("human-human", 2), ("human-model", 1), ("model-model", 0)):
        of = humans == number
        kind = (verdicts.human == (number == 2)) & ~verdicts.twofold
        rows.append(
            {
                "judges": name,
                "pairs": len(np.unique(verdicts.pair[met.one[of]])),
                "comparisons": int(of.sum()),
                "agreement": _mean(met.agreement[of]),
                "agreement_decided": _mean(met.agreement[of & met.decided]),
                "alpha": None
                if number == 1
                else alpha(verdicts.pair[kind], verdicts.verdict[kind], "nominal", symmetric=True),
            }
        )
    return pa.Table.from_pylist(rows, schema=AGREEMENT.schema)


def _labeler_table(
    judgements: pa.Table,
    judges: Ints,
    pairs: JudgedPairs,
    verdicts: _Verdicts,
    met: _Met,
    annotations: pa.Table | None,
    ratings: pa.Table | None,
) -> pa.Table:
    prompts = codes(judgements["prompt_id"])
    names, kinds = judgements["labeler_id"].to_pylist(), judgements["judge_kind"].to_pylist()
    same = verdicts.human[met.one] == verdicts.human[met.other]
    ends = np.concatenate([verdicts.labeler[met.one[same]], verdicts.labeler[met.other[same]]])
    agreed, decided = np.tile(met.agreement[same], 2), np.tile(met.decided[same], 2)
    rows: dict[str, dict[str, object]] = {}
    _, first = np.unique(judges, return_index=True)
    for row in first.tolist():
        name, judge = names[row], judges[row]
        if name is None:
            continue
        judged, compared = judges[pairs.judgement] == judge, ends == judge
        rows[name] = {
            "labeler_id": name,
            "judge_kind": kinds[row],
            "judgements": int((judges == judge).sum()),
            "prompts": len(np.unique(prompts[judges == judge])),
            "pairs": int(judged.sum()),
            "ties_share": _mean((pairs.steps[judged] == 0).astype(np.float64)),
            "contradicted_self": int(verdicts.twofold[verdicts.labeler == judge].sum()),
            "comparisons": int(compared.sum()),
            "agreement": _mean(agreed[compared]),
            "agreement_decided": _mean(agreed[compared & decided]),
        }
    _add_annotations(rows, annotations, ratings)
    return pa.Table.from_pylist([rows[name] for name in sorted(rows)], schema=LABELERS.schema)


def _add_annotations(
    rows: dict[str, dict[str, object]], annotations: pa.Table | None, ratings: pa.Table | None
) -> None:
    """What annotations tell of each labeler, also of one who ranked nothing."""
    if annotations is not None:
        for name, group in _by_labeler(annotations).items():
            row = rows.setdefault(name, _nothing_ranked(name))
            seconds = group["seconds"].drop_null().to_numpy()
            row["demonstrations"] = int(np.asarray(group["demonstrated"]).sum())
            row["median_seconds"] = float(np.median(seconds)) if len(seconds) else None
    if ratings is not None:
        for name, group in _by_labeler(ratings).items():
            row = rows.setdefault(name, _nothing_ranked(name))
            row["mean_rating"] = _mean(group["rating"].drop_null().to_numpy())


def _nothing_ranked(name: str) -> dict[str, object]:
    counts: dict[str, object] = dict.fromkeys(
        ("judgements", "prompts", "pairs", "contradicted_self", "comparisons"), 0
    )
    return counts | {"labeler_id": name, "judge_kind": "human"}


def _by_labeler(table: pa.Table) -> dict[str, pa.Table]:
    labelers = pc.unique(table["labeler_id"].drop_null()).to_pylist()
    return {name: table.filter(pc.equal(table["labeler_id"], name)) for name in labelers}


def _conflict_table(judgements: pa.Table, judges: Ints, pairs: JudgedPairs) -> pa.Table:
    """Pairs with votes for more than one verdict; a judge who says two things has a vote for each."""
    ids = judgements["completion_ids"].combine_chunks().flatten()
    votes = np.unique(np.stack([pairs.pair, judges[pairs.judgement], pairs.verdict], 1), axis=0)
    n = int(pairs.pair.max(initial=-1)) + 1
    counts = np.zeros((n, 3), np.int64)
    np.add.at(counts, (votes[:, 0], 1 - votes[:, 2]), 1)  # low better, tie, high better
    _, first = np.unique(pairs.pair, return_index=True)
    _, where = np.unique(codes(pa.chunked_array([ids])), return_index=True)
    rows = []
    for pair in np.flatnonzero((counts > 0).sum(axis=1) > 1).tolist():
        at = int(first[pair])
        low, high = (ids[int(where[answer[at]])].as_py() for answer in (pairs.low, pairs.high))
        of = {low: int(counts[pair, 0]), high: int(counts[pair, 2])}
        one, other = sorted((low, high))
        row = int(pairs.judgement[at])
        rows.append(
            {
                "prompt_id": judgements["prompt_id"][row].as_py(),
                "criteria": judgements["criteria"][row].as_py(),
                "one_id": one,
                "other_id": other,
                "for_one": of[one],
                "for_other": of[other],
                "ties": int(counts[pair, 1]),
            }
        )
    rows.sort(key=lambda row: (row["prompt_id"], row["criteria"] or "", row["one_id"], row["other_id"]))
    return pa.Table.from_pylist(rows, schema=CONFLICTS.schema)
