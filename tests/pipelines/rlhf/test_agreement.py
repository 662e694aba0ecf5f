from itertools import combinations
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.rlhf.agreement import Agreement, agreement, rating_alpha
from pipelines.rlhf.labelling.flags import FLAGS
from pipelines.rlhf.labelling.tables import LABEL_ANNOTATIONS, LABEL_RATINGS

SCHEMA = pa.schema(
    [
        ("prompt_id", pa.string()),
        ("completion_ids", pa.list_(pa.string())),
        ("ranks", pa.list_(pa.int32())),
        ("labeler_id", pa.string()),
        ("judge_kind", pa.string()),
        ("criteria", pa.string()),
    ]
)


def judgement(
    labeler: str | None, answers: str, ranks: list[int | None], kind: str = "human", prompt: str = "p"
) -> Any:
    ids = [prompt + answer for answer in answers]
    return dict(zip(SCHEMA.names, [prompt, ids, ranks, labeler, kind, "quality"], strict=True))


def table(*rows: Any) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=SCHEMA)


def humans(found: Agreement) -> dict[str, Any]:
    return found.agreement.to_pylist()[0]


@pytest.mark.parametrize(
    ("rows", "comparisons", "agreed", "decided"),
    [
        ([("x", [1, 2]), ("y", [1, 2])], 1, 1.0, 1.0),
        ([("x", [1, 2]), ("y", [2, 1])], 1, 0.0, 0.0),
        ([("x", [1, 2]), ("y", [1, 1])], 1, 0.5, None),
        ([("x", [1, 1]), ("y", [1, 1])], 1, 1.0, None),
        ([("x", [1, 2]), ("y", [1, 2]), ("z", [2, 1])], 3, 1 / 3, 1 / 3),
        ([("x", [1, 2]), ("y", [1, None])], 0, None, None),
        ([("x", [1, 2]), ("x", [2, 1]), ("y", [1, 2])], 0, None, None),
        ([("x", [1, 2]), ("x", [1, 2]), ("y", [1, 2])], 1, 1.0, 1.0),
        ([(None, [1, 2]), (None, [2, 1])], 1, 0.0, 0.0),
    ],
    ids=["same", "opposite", "tie against verdict", "both tie", "two against one", "not judged by one",
         "who says two things says nothing", "who says it twice says it once", "unnamed are different people"],
)  # fmt: skip
def test_pairwise(rows: Any, comparisons: int, agreed: float | None, decided: float | None) -> None:
    found = humans(agreement(table(*(judgement(name, "ab", ranks) for name, ranks in rows))))
    assert (found["comparisons"], found["agreement"], found["agreement_decided"]) == (
        comparisons,
        agreed if agreed is None else pytest.approx(agreed),
        decided if decided is None else pytest.approx(decided),
    )


def test_models_are_held_against_humans_apart() -> None:
    found = agreement(table(judgement("x", "ab", [1, 2]), judgement("rm", "ba", [1, 2], "model"))).agreement
    assert {row["judges"]: row["agreement"] for row in found.to_pylist()} == {
        "human-human": None,
        "human-model": 0.0,
        "model-model": None,
    }


def test_alpha_of_agreeing_and_of_opposed_judges() -> None:
    same = [judgement(name, "abc", [1, 2, 3]) for name in "xy"]
    opposed = [judgement("x", "abc", [1, 2, 3]), judgement("y", "abc", [3, 2, 1])]
    assert humans(agreement(table(*same)))["alpha"] == pytest.approx(1.0)
    # Three units of one verdict and its opposite, in both orders: 12 values, 6 of each.
    assert humans(agreement(table(*opposed)))["alpha"] == pytest.approx(1 - 12 / (72 / 11))


MIXED = table(
    judgement("x", "abc", [1, 2, 2]),
    judgement("y", "cab", [1, 1, 3]),
    judgement("y", "ab", [2, 1]),
    judgement("z", "bca", [1, None, 2]),
    judgement("x", "ab", [2, 1], prompt="q"),
    judgement("z", "ab", [2, 1], prompt="q"),
    judgement("rm", "ab", [1, 2], "model", prompt="q"),
    judgement(None, "bc", [1, 2]),
)


def test_the_labeler_report_adds_up_by_hand() -> None:
    rows = {row["labeler_id"]: row for row in agreement(MIXED).labelers.to_pylist()}
    assert sorted(rows) == ["rm", "x", "y", "z"]
    x, y = rows["x"], rows["y"]
    assert (x["judgements"], x["prompts"], x["pairs"], x["ties_share"]) == (2, 2, 4, 0.25)
    assert (y["pairs"], y["contradicted_self"], y["ties_share"]) == (4, 1, 0.25)
    # x with y on ac: half, on bc: half; with z on ab: 0, on q: 1; with the unnamed on bc: half.
    assert (x["comparisons"], x["agreement"]) == (5, pytest.approx(2.5 / 5))
    assert (x["agreement_decided"], rows["rm"]["comparisons"]) == (0.5, 0)


def test_annotations_give_time_demonstrations_and_ratings() -> None:
    about = {"annotation_id": "n", "task_key": "t", "prompt_id": "p"}
    did = [("x", 3.0, True), ("x", 9.0, False), ("x", None, False), ("w", None, True)]
    annotations = [
        about | {"labeler_id": name, "seconds": seconds, "ranked": 2, "rated": 0, "demonstrated": wrote}
        for name, seconds, wrote in did
    ]
    flags = dict.fromkeys(FLAGS, False)
    ratings = [
        about | flags | {"labeler_id": "x", "completion_id": "pa", "rating": stars} for stars in (2, 7, None)
    ]
    found = agreement(
        MIXED,
        pa.Table.from_pylist(annotations, LABEL_ANNOTATIONS.schema),
        pa.Table.from_pylist(ratings, LABEL_RATINGS.schema),
    ).labelers
    rows = {row["labeler_id"]: row for row in found.to_pylist()}
    assert (rows["x"]["median_seconds"], rows["x"]["demonstrations"], rows["x"]["mean_rating"]) == (
        6.0,
        1,
        4.5,
    )
    assert (rows["w"]["demonstrations"], rows["w"]["judgements"], rows["w"]["median_seconds"]) == (1, 0, None)
    assert rows["y"]["demonstrations"] is None


def test_rating_alpha_is_ordinal() -> None:
    about = dict.fromkeys(("annotation_id", "task_key", "prompt_id"), "n") | dict.fromkeys(FLAGS, False)
    near, far = [(1, 2), (4, 4), (7, 7)], [(1, 7), (4, 4), (7, 7)]
    found = [
        rating_alpha(
            pa.Table.from_pylist(
                [
                    about | {"labeler_id": name, "completion_id": str(unit), "rating": stars}
                    for unit, pair in enumerate(pairs)
                    for name, stars in zip("xy", pair, strict=True)
                ],
                LABEL_RATINGS.schema,
            )
        )
        for pairs in (near, far)
    ]
    assert found[0] > found[1]


VERDICTS = """
    create temp table verdicts as
    with items as (select row_number() over () as j, * from 'judgements.parquet'),
         flat as (select j, prompt_id, criteria, judge_kind, coalesce(labeler_id, 'unnamed ' || j) as judge,
                         unnest(completion_ids) as id, unnest(ranks) as rank from items)
    select a.prompt_id, a.criteria, a.judge, a.judge_kind, a.id as one, b.id as other, sign(b.rank - a.rank) as v
    from flat a join flat b on a.j = b.j and a.id < b.id and a.rank is not null and b.rank is not null
"""


def test_sql_finds_the_same_agreement_and_conflicts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pq.write_table(MIXED, "judgements.parquet")
    found = agreement(MIXED)
    with duckdb.connect() as sql:
        sql.execute(VERDICTS)
        said = """(select prompt_id, criteria, judge, judge_kind, one, other, any_value(v) as v from verdicts
                   group by all having count(distinct v) = 1)"""
        met = sql.sql(f"""
            select count(*), avg(1 - abs(a.v - b.v) / 2), avg(1 - abs(a.v - b.v) / 2) filter (a.v <> 0 and b.v <> 0)
            from {said} a join {said} b using (prompt_id, criteria, one, other, judge_kind)
            where a.judge < b.judge and judge_kind = 'human'""").fetchall()[0]
        conflicts = sql.sql("""
            select prompt_id, criteria, one, other, count(distinct judge) filter (v > 0) as a,
                   count(distinct judge) filter (v < 0) as b, count(distinct judge) filter (v = 0) as t
            from verdicts group by all having (a > 0)::int + (b > 0)::int + (t > 0)::int > 1
            order by all""").fetchall()
    ours = humans(found)
    assert met == (
        ours["comparisons"],
        pytest.approx(ours["agreement"]),
        pytest.approx(ours["agreement_decided"]),
    )
    assert conflicts == [tuple(row.values()) for row in found.conflicts.to_pylist()]
    assert len(conflicts) == 4


def test_nothing_judged() -> None:
    found = agreement(table())
    assert [row["comparisons"] for row in found.agreement.to_pylist()] == [0, 0, 0]
    assert (found.labelers.num_rows, found.conflicts.num_rows) == (0, 0)


def test_the_order_of_rows_does_not_matter() -> None:
    rows = MIXED.to_pylist()
    for first, second in combinations(range(3), 2):
        rows[first], rows[second] = rows[second], rows[first]
        found = agreement(pa.Table.from_pylist(rows, SCHEMA))
        assert found.labelers.equals(agreement(MIXED).labelers)
        assert found.conflicts.equals(agreement(MIXED).conflicts)
