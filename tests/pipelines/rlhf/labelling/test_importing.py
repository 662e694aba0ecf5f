import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.rlhf.bad_row import BadRow
from pipelines.rlhf.labelling.export import ExportConfig, label_tasks, projects
from pipelines.rlhf.labelling.flags import FLAGS
from pipelines.rlhf.labelling.importing import Imported, LabelSourceConfig, import_annotations
from pipelines.rlhf.schemas import RAW_DEMONSTRATIONS, RAW_JUDGEMENTS
from tests.pipelines.rlhf.labelled import (
    annotation,
    candidate,
    candidate_table,
    exported,
    flags,
    own_answer,
    ranking,
    rating,
)

FACTS = {"licence": "MIT", "use_case": "brainstorming", "user_id": "api:u1", "user_id_kind": "given"}
TASKS = label_tasks(
    candidate_table(candidate(1, "Name a colour.", ["Red.", "Blue.", "Green."], **FACTS)), ExportConfig()
)
(SENT,) = projects(TASKS, ExportConfig())[0].tasks
IDS = dict(zip(TASKS["completions"][0].as_py(), TASKS["completion_ids"][0].as_py(), strict=True))
RED, BLUE, GREEN = IDS["Red."], IDS["Blue."], IDS["Green."]
PLACE = {item["body"]: place for place, item in enumerate(SENT["data"]["completions"])}
SOURCE = LabelSourceConfig(name="crowd", files=["export.json"], licence="CC-BY-4.0")


def read(*annotations: Any, task: Any = None, source: LabelSourceConfig = SOURCE) -> Imported:
    rows = [("export.json#1", exported(12, task or SENT, *annotations))]
    return import_annotations(rows, TASKS, source)


def test_a_ranking_with_a_tie_becomes_dense_ranks_of_the_answers_as_sent() -> None:
    imported = read(annotation(1001, ranking({"1": [GREEN], "3": [BLUE, RED], "_": []})))
    (row,) = imported.tables["labelled_judgements"].to_pylist()
    assert (row["completions"], row["ranks"]) == (["Red.", "Blue.", "Green."], [2, 2, 1])
    assert (row["labeler_id"], row["judge_kind"], row["partial"]) == ("crowd:7", "human", False)
    assert (row["licence"], row["use_case"], row["user_id"]) == ("MIT", "brainstorming", "api:u1")
    assert row["messages"] == [{"role": "user", "content": "Name a colour."}]
    assert imported.dead == []


@pytest.mark.parametrize(
    "buckets",
    [{"1": [BLUE], "2": [RED], "_": [GREEN]}, {"1": [BLUE], "2": [RED]}],
    ids=["left in the first column", "nowhere"],
)
def test_what_was_not_moved_is_not_judged(buckets: dict[str, list[str]]) -> None:
    (row,) = read(annotation(1, ranking(buckets))).tables["labelled_judgements"].to_pylist()
    assert (row["ranks"], row["partial"]) == ([2, 1, None], True)


@pytest.mark.parametrize(
    ("by", "labeler"),
    [(7, "crowd:7"), ({"id": 9, "email": "a@b.c", "first_name": "A"}, "crowd:9"), (None, None)],
    ids=["number", "object: its number alone", "removed annotator"],
)
def test_labelers(by: Any, labeler: str | None) -> None:
    (row,) = (
        read(annotation(1, ranking({"1": [RED], "2": [BLUE]}), by=by))
        .tables["labelled_judgements"]
        .to_pylist()
    )
    assert row["labeler_id"] == labeler


def test_several_labelers_a_task_and_one_who_gave_up() -> None:
    imported = read(
        annotation(1, ranking({"1": [RED], "2": [BLUE]}), by=1),
        annotation(2, ranking({"1": [BLUE], "2": [RED]}), by=2),
        annotation(3, by=3, was_cancelled=True),
    )
    rows = imported.tables["labelled_judgements"].to_pylist()
    assert sorted((row["labeler_id"], tuple(row["ranks"])) for row in rows) == [
        ("crowd:1", (1, 2, None)),
        ("crowd:2", (2, 1, None)),
    ]
    assert imported.counts["cancelled"] == 1
    assert imported.dead == []


def test_ratings_and_flags_go_by_the_place_shown() -> None:
    said = annotation(
        1,
        rating(PLACE["Blue."], 6),
        flags(PLACE["Red."], FLAGS["hallucination"], FLAGS["harmful_advice"]),
        flags(PLACE["Green."]),
    )
    rows = {row["completion_id"]: row for row in read(said).tables["label_ratings"].to_pylist()}
    assert rows.keys() == {BLUE, RED}
    assert (rows[BLUE]["rating"], [name for name in FLAGS if rows[BLUE][name]]) == (6, [])
    assert (rows[RED]["rating"], [name for name in FLAGS if rows[RED][name]]) == (
        None,
        ["hallucination", "harmful_advice"],
    )


@pytest.mark.parametrize(
    ("licence", "known"), [("CC-BY-4.0", "MIT AND CC-BY-4.0"), ("MIT", "MIT"), (None, "MIT")]
)
def test_an_answer_of_the_labelers_own_is_under_both_licences(licence: str | None, known: str) -> None:
    imported = read(
        annotation(1, own_answer("Teal.\r\n")), source=SOURCE.model_copy(update={"licence": licence})
    )
    (row,) = imported.tables["labelled_demonstrations"].to_pylist()
    assert [turn["content"] for turn in row["messages"]] == ["Name a colour.", "Teal."]
    assert (row["kind"], row["licence"]) == ("demonstration", known)
    assert imported.tables["labelled_judgements"].num_rows == 0


def test_annotations_tell_time_and_what_was_done() -> None:
    (row,) = (
        read(annotation(1, ranking({"1": [RED, BLUE]}), rating(0, 3), own_answer("Teal.")))
        .tables["label_annotations"]
        .to_pylist()
    )
    assert (row["seconds"], row["ranked"], row["rated"], row["demonstrated"]) == (4.25, 2, 1, True)


def test_of_one_annotation_in_two_exports_the_last_updated_is_read() -> None:
    old = annotation(5, ranking({"1": [RED], "2": [BLUE]}), updated_at="2025-01-01T00:00:00.000000Z")
    new = annotation(5, ranking({"1": [BLUE], "2": [RED]}), updated_at="2025-02-01T00:00:00.000000Z")
    rows = [("b.json#1", exported(12, SENT, new)), ("a.json#1", exported(12, SENT, old))]
    for order in (rows, rows[::-1]):
        imported = import_annotations(order, TASKS, SOURCE)
        (row,) = imported.tables["labelled_judgements"].to_pylist()
        assert (row["ranks"], imported.counts["older_copies"]) == ([2, 1, None], 1)


WRONG = {
    "bucket that is none": (ranking({"4": [RED]}), "unknown_bucket", "has bucket '4'; expected 1 to 3"),
    "bucket without a number": (ranking({"best": [RED]}), "unknown_bucket", "'best'"),
    "id that was not sent": (ranking({"1": ["x"], "2": [RED]}), "unknown_completion", "'x'; expected"),
    "in two buckets": (ranking({"1": [RED], "2": [RED, BLUE]}), "ranked_twice", "is in '1' as well"),
    "one ranked": (ranking({"1": [RED]}), "single_rank", "at least two"),
    "buckets as a list": (
        {**ranking({}), "value": {"ranker": [RED]}}, "wrong_type", "expected an object of buckets, found a list",
    ),
    "items as a text": (ranking({"1": "x"}) | {"value": {"ranker": {"1": RED}}}, "wrong_type", "expected a list"),
    "rating 0": (rating(0, 0), "wrong_rating", "is 0; expected 1 to 7"),
    "rating 8": (rating(0, 8), "wrong_rating", "is 8"),
    "rating 3.5": (rating(0, 3.5), "wrong_rating", "is 3.5"),
    "rating as a text": (rating(0, "3"), "wrong_type", "expected a number, found a text"),
    "rating of an answer that is not there": (rating(3, 2), "unknown_control", "'likert_3'; known: rank"),
    "flag that is none": (flags(0, "Boring"), "unknown_flag", "is 'Boring'; expected Fails to follow"),
    "two texts": (own_answer("a", "b"), "wrong_demonstration", "has 2 texts"),
    "empty text": (own_answer(" "), "wrong_demonstration", "one that is not empty"),
    "another type": (rating(0, 3) | {"type": "number"}, "wrong_control", "expected 'rating', found 'number'"),
    "another object": (rating(0, 3) | {"to_name": "completion_1"}, "wrong_control", "'completion_0'"),
    "no value": ({"from_name": "rank", "to_name": "completions", "type": "ranker"}, "missing_field", "value"),
}  # fmt: skip


def test_an_annotation_that_is_wrong_in_one_result_is_not_used_at_all() -> None:
    wrong = annotation(1001, own_answer("Teal."), rating(0, 8))
    imported = read(wrong, annotation(2, ranking({"1": [RED], "2": [BLUE]})))
    assert [letter.record for letter in imported.dead] == ["export.json#1 task 12 annotation 1001"]
    rows = {name: table.num_rows for name, table in imported.tables.items()}
    assert rows == {
        "labelled_judgements": 1,
        "labelled_demonstrations": 0,
        "label_annotations": 1,
        "label_ratings": 0,
    }


@pytest.mark.parametrize(("result", "reason", "told"), WRONG.values(), ids=WRONG)
def test_the_reason_says_what_was_expected(result: dict[str, Any], reason: str, told: str) -> None:
    (letter,) = read(annotation(1, result)).dead
    assert (letter.reason, told in letter.detail) == (reason, True)


EDITED = {**SENT, "data": {**SENT["data"], "completions": SENT["data"]["completions"][::-1]}}
STRANGE = {**SENT, "data": {**SENT["data"], "task_key": "0" * 32}}
DEAD = {
    "nothing said": (
        exported(12, SENT, annotation(1)),
        "empty_annotation",
        "export.json#1 task 12 annotation 1",
    ),
    "same control twice": (
        exported(12, SENT, annotation(1, rating(0, 1), rating(0, 2))),
        "repeated_control",
        "n 1",
    ),
    "no id": (exported(12, SENT, {"completed_by": 1, "result": []}), "missing_field", "annotations[0]"),
    "answers in another order": (
        exported(12, EDITED, annotation(1)),
        "changed_task",
        "export.json#1 task 12",
    ),
    "task of somebody else": (exported(12, STRANGE, annotation(1)), "unknown_task", "export.json#1 task 12"),
    "JSON-MIN": ({"id": 3, "rank": {"1": []}}, "missing_field", "export.json#1 task 3"),
    "no object": ([1], "wrong_type", "export.json#1 task None"),
    "unreadable": (BadRow("broken_json", "line 1"), "broken_json", "export.json#1"),
}


@pytest.mark.parametrize(("value", "reason", "record"), DEAD.values(), ids=DEAD)
def test_dead_letters(value: Any, reason: str, record: str) -> None:
    imported = import_annotations([("export.json#1", value)], TASKS, SOURCE)
    (letter,) = imported.dead
    assert letter.reason == reason
    assert letter.record.startswith("export.json#1")
    assert letter.record.endswith(record)
    assert all(table.num_rows == 0 for table in imported.tables.values())


@given(st.data())
def test_ranks_come_back_whatever_the_order_shown(data: st.DataObject) -> None:
    answers = data.draw(st.lists(st.text("ab 中", min_size=1), min_size=2, max_size=9))
    asked = candidate_table(candidate(1, "Which?", answers))
    seed = data.draw(st.integers(0, 3))
    tasks = label_tasks(asked, ExportConfig(seed=seed))
    if not tasks.num_rows:
        return
    ids = tasks["completion_ids"][0].as_py()
    buckets = data.draw(
        st.lists(st.sampled_from([None, *range(1, len(ids) + 1)]), min_size=len(ids), max_size=len(ids))
    )
    if sum(bucket is not None for bucket in buckets) < 2:
        return
    placed: dict[str, list[str]] = {}
    for name, bucket in random.Random(seed).sample(list(zip(ids, buckets, strict=True)), len(ids)):
        placed.setdefault("_" if bucket is None else str(bucket), []).append(name)
    (task,) = projects(tasks, ExportConfig(seed=seed))[0].tasks
    imported = import_annotations([("x#1", exported(1, task, annotation(1, ranking(placed))))], tasks, SOURCE)
    (row,) = imported.tables["labelled_judgements"].to_pylist()
    levels = sorted({bucket for bucket in buckets if bucket is not None})
    assert row["ranks"] == [None if bucket is None else levels.index(bucket) + 1 for bucket in buckets]
    assert row["completions"] == tasks["completions"][0].as_py()


def test_tables_are_raw_rows() -> None:
    imported = read(annotation(1, ranking({"1": [RED], "2": [BLUE]}), own_answer("Teal.")))
    RAW_JUDGEMENTS.check(imported.tables["labelled_judgements"].schema, "judgements")
    RAW_DEMONSTRATIONS.check(imported.tables["labelled_demonstrations"].schema, "demonstrations")
