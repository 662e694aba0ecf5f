from collections import defaultdict
from itertools import combinations
from typing import Any

import networkx as nx
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.rlhf.votes import count_votes, majority_cycles

SCHEMA = pa.schema(
    [
        ("prompt_id", pa.string()),
        ("completion_ids", pa.list_(pa.string())),
        ("ranks", pa.list_(pa.int32())),
        ("labeler_id", pa.string()),
        ("criteria", pa.string()),
    ]
)


@st.composite
def _judgements(draw: Any) -> list[dict[str, Any]]:
    rows = []
    for _ in range(draw(st.integers(0, 6))):
        prompt = draw(st.sampled_from("pq"))
        answers = draw(st.lists(st.sampled_from("abcd"), min_size=2, max_size=5))
        ranks = draw(st.lists(st.sampled_from([None, 1, 2, 5]), min_size=len(answers), max_size=len(answers)))
        rows.append(
            {
                "prompt_id": prompt,
                "completion_ids": [prompt + answer for answer in answers],
                "ranks": ranks,
                "labeler_id": draw(st.sampled_from(["x", "y", "z", None])),
                "criteria": draw(st.sampled_from([None, "kind"])),
            }
        )
    return rows


def _verdicts(row: dict[str, Any]) -> list[tuple[int, int, str, str, int]]:
    """(place, later place, smaller answer, larger answer, who is better: -1 the smaller, 1 the larger, 0 a tie)."""
    found = []
    for i, j in combinations(range(len(row["ranks"])), 2):
        (a, b), (r, s) = (
            (row["completion_ids"][i], row["completion_ids"][j]),
            (row["ranks"][i], row["ranks"][j]),
        )
        if a != b and r is not None and s is not None:
            sign = (r > s) - (r < s)
            found.append((i, j, min(a, b), max(a, b), sign if a < b else -sign))
    return found


def _shares(rows: list[dict[str, Any]]) -> list[list[float]]:
    votes: dict[Any, set[Any]] = defaultdict(set)
    for number, row in enumerate(rows):
        for *_, low, high, sign in _verdicts(row):
            votes[row["criteria"], low, high].add((row["labeler_id"] or number, sign))
    shares = []
    for row in rows:
        on = [(votes[row["criteria"], low, high], sign) for *_, low, high, sign in _verdicts(row)]
        shares.append([sum(said == sign for _, said in cast) / len(cast) for cast, sign in on])
    return shares


@given(_judgements())
def test_pairs_and_shares_are_those_of_counting_one_by_one(rows: list[dict[str, Any]]) -> None:
    votes = count_votes(pa.Table.from_pylist(rows, schema=SCHEMA))
    expected = _shares(rows)
    start, found = 0, []
    for number, row in enumerate(rows):
        levels = sorted({rank for rank in row["ranks"] if rank is not None})
        for (i, j, *_), share in zip(_verdicts(row), expected[number], strict=True):
            steps = levels.index(row["ranks"][j]) - levels.index(row["ranks"][i])
            found.append((number, start + i, start + j, steps, pytest.approx(share)))
        start += len(row["ranks"])
    pairs = votes.pairs
    assert list(zip(pairs.judgement, pairs.left, pairs.right, pairs.steps, pairs.share, strict=True)) == found
    assert votes.agreement.tolist() == [pytest.approx(sum(s) / len(s)) if s else 1.0 for s in expected]


@given(_judgements())
def test_cycles_are_the_strong_components_of_majorities(rows: list[dict[str, Any]]) -> None:
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    balance: dict[Any, int] = defaultdict(int)
    for row in rows:
        for *_, low, high, sign in _verdicts(row):
            balance[row["prompt_id"], row["criteria"], low, high] += sign
    graph = nx.DiGraph()
    for (prompt, criteria, low, high), sign in balance.items():
        if sign:
            better, worse = (high, low) if sign > 0 else (low, high)
            graph.add_edge((prompt, criteria, better), (prompt, criteria, worse))
    expected = []
    for component in nx.strongly_connected_components(graph):
        if len(component) > 1:
            (prompt, criteria, _), *_ = component
            expected.append((prompt, criteria or "", sorted(node[2] for node in component)))
    found = majority_cycles(table, count_votes(table).pairs).to_pylist()
    assert [(row["prompt_id"], row["criteria"] or "", row["completion_ids"]) for row in found] == sorted(
        expected
    )


def test_a_circle_of_three_judges_is_found() -> None:
    rows = [
        {"prompt_id": "p", "completion_ids": list(pair), "ranks": [1, 2], "labeler_id": "x", "criteria": None}
        for pair in ("ab", "bc", "ca")
    ]
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    assert majority_cycles(table, count_votes(table).pairs)["completion_ids"].to_pylist() == [["a", "b", "c"]]
