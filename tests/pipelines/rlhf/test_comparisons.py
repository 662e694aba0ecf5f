from itertools import combinations
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from pipelines.rlhf.comparisons import ComparisonConfig, Comparisons, build, contradicted, identified
from pipelines.rlhf.lengths import measure
from pipelines.rlhf.normalise import prompt_ids
from pipelines.rlhf.rank_table import rank_table
from tests.pipelines.rlhf.rule_tables import chat_tokenizer, judgement, judgements

WEIGHT, DROP, KEEP = (ComparisonConfig(on_conflict=rule) for rule in ("weight", "drop", "keep"))  # type: ignore[arg-type]


def _identified(*rows: dict[str, Any]) -> pa.Table:
    raw = judgements(*rows)
    table = identified(raw.append_column("prompt_id", prompt_ids(raw["messages"])))
    same = pa.array(["train"] * len(rows), pa.string())
    return table.append_column("split", same).append_column("split_group", table["prompt_id"])


def _build(*rows: dict[str, Any], config: ComparisonConfig = WEIGHT) -> Comparisons:
    table = _identified(*rows)
    return build(table, measure(table["messages"], table["completions"], chat_tokenizer()), config)


def _texts(pairs: pa.Table) -> list[tuple[str, str, float]]:
    return sorted(
        (row["chosen"][0]["content"], row["rejected"][0]["content"], row["margin"])
        for row in pairs.to_pylist()
    )


def test_nine_answers_with_ties_and_one_that_was_not_judged() -> None:
    ranks = [1, 3, 3, 2, None, 5, 9, 9, 1]
    answers = [f"answer {i}" for i in range(9)]
    made = _build(judgement(0, "p", answers, ranks))
    level = {rank: place for place, rank in enumerate(sorted({r for r in ranks if r is not None}))}
    expected = []
    for i, j in combinations(range(9), 2):
        a, b = ranks[i], ranks[j]
        if a is not None and b is not None and a != b:
            better, worse = (i, j) if a < b else (j, i)
            expected.append((answers[better], answers[worse], float(abs(level[a] - level[b]))))
    assert _texts(made.pairs) == sorted(expected)
    assert len(expected) == 28 - 3
    row = made.comparisons.to_pylist()[0]
    assert (row["ranks"], row["partial"], row["completions"]) == (ranks, True, answers)
    assert [len(ids) for ids in (row["completion_ids"], row["n_completion_tokens"])] == [9, 9]


def test_a_star_of_pairs_stays_a_star() -> None:
    made = _build(*(judgement(i, "p", ["hub", f"tip {i}"], [1, 2]) for i in range(3)))
    assert made.comparisons.num_rows == 3
    assert [pair[:2] for pair in _texts(made.pairs)] == [("hub", f"tip {i}") for i in range(3)]


def test_a_tie_is_a_row_without_a_pair() -> None:
    made = _build(judgement(0, "p", ["a", "b"], [1, 1]))
    assert (made.comparisons.num_rows, made.pairs.num_rows) == (1, 0)


def test_equal_answers_make_no_pair() -> None:
    made = _build(judgement(0, "p", ["a", " a", "b"], [1, 2, 3]))
    assert [pair[:2] for pair in _texts(made.pairs)] == [(" a", "b"), ("a", "b")]


TWO_TO_ONE = [
    judgement(0, "p", ["a", "b"], [1, 2], "x"),
    judgement(1, "p", ["b", "a"], [2, 1], "y"),
    judgement(2, "p", ["a", "b"], [2, 1], "z"),
]


@pytest.mark.parametrize(
    ("config", "weights"),
    [
        pytest.param(WEIGHT, {"x": 2 / 3, "y": 2 / 3, "z": 1 / 3}, id="weight: the share that agrees"),
        pytest.param(KEEP, {"x": 1, "y": 1, "z": 1}, id="keep: all as they are"),
    ],
)
def test_contradicting_judges(config: ComparisonConfig, weights: dict[str, float]) -> None:
    made = _build(*TWO_TO_ONE, config=config)
    found = dict(zip(*(made.comparisons[name].to_pylist() for name in ("labeler_id", "weight")), strict=True))
    assert found == {name: pytest.approx(weight) for name, weight in weights.items()}
    by_judgement = dict(
        zip(*(made.pairs[name].to_pylist() for name in ("judgement_id", "weight")), strict=True)
    )
    assert by_judgement == dict(
        zip(*(made.comparisons[name].to_pylist() for name in ("judgement_id", "weight")), strict=True)
    )


def test_drop_takes_what_no_majority_shares() -> None:
    even = [judgement(i, "q", ["a", "b"], [1 + i % 2, 2 - i % 2], f"l{i}") for i in range(3, 5)]
    table = _identified(*TWO_TO_ONE, *even)
    drops = contradicted(table, DROP)
    assert table["labeler_id"].take(pa.array(drops.rows)).to_pylist() == ["z", "l3", "l4"]
    assert drops.figure.tolist() == [pytest.approx(1 / 3), 0.5, 0.5]
    assert len(contradicted(table, WEIGHT).rows) == 0


def test_other_criteria_are_no_contradiction() -> None:
    made = _build(
        judgement(0, "p", ["a", "b"], [1, 2], criteria="helpful"),
        judgement(1, "p", ["a", "b"], [2, 1], criteria="harmless"),
    )
    assert made.comparisons["weight"].to_pylist() == [1, 1]


def test_pairs_and_rank_table_by_sql() -> None:
    rows = [
        judgement(0, "p", ["a", "b", "c"], [1, 2, 2], "x"),
        judgement(1, "p", ["a", "b"], [2, 1], "y", "model"),
        judgement(2, "q", ["a", "b", "c"], [None, 4, 2], "x"),
        judgement(3, "r", ["a", "b", "c"], [3, 1, 2], "x"),
    ]
    made = _build(*rows, config=KEEP)
    comparisons, pairs = made.comparisons, made.pairs  # noqa: F841  (DuckDB reads them by name)
    expanded = """
        with answers as (
            select judgement_id, prompt_id, unnest(completions) text, unnest(ranks) as r, split from comparisons
        )
        select a.judgement_id, a.prompt_id, a.text, b.text, a.split
        from answers a join answers b using (judgement_id) where a.r < b.r order by all
    """
    by_sql = duckdb.sql(expanded).fetchall()
    mine = "select judgement_id, prompt_id, chosen[1].content, rejected[1].content, split from pairs order by all"
    assert duckdb.sql(mine).fetchall() == by_sql
    counted = duckdb.sql("""
        select len(completions), judge_kind, case when partial then 'partial' else 'complete' end,
            count(*), count(distinct prompt_id),
            count(*) filter (where len(list_distinct(ranks)) < len(list_filter(ranks, lambda x: x is not null))),
            sum((select count(*) from pairs p where p.judgement_id = c.judgement_id))
        from comparisons c group by 1, 2, 3 order by 1, 2, 3
    """).fetchall()
    assert [tuple(row.values()) for row in rank_table(made.comparisons).to_pylist()] == counted
