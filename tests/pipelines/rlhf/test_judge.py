from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.rlhf import judge_features
from pipelines.rlhf.judge import FEATURES, JudgeConfig, judge, judge_by_scores
from pipelines.rlhf.schemas import RAW_JUDGEMENTS
from tests.pipelines.rlhf.labelled import candidate, candidate_table

PROSE = "The cat sat on the mat and looked out of the window."


@pytest.mark.parametrize(
    ("answer", "parses"),
    [
        ("def f(x):\n    return x", 1),
        ("Here:\n```python\nx = 1\n```\nDone", 1),
        ("def f(x):\n    return (x", 0),
        ("Certainly", 0),
        ("x = '\\d'", 1),
        ("x = '\0'", 0),
        ("(" * 5000, 0),
    ],
    ids=["function", "fenced", "cut", "one word is no program", "invalid escape", "null byte", "too deep"],
)
def test_python_parses(answer: str, parses: float) -> None:
    assert judge_features.python_parses(pa.array([answer])).tolist() == [parses]


@pytest.mark.parametrize(
    ("answer", "why", "ends"),
    [
        ("Yes", "stop", 1),
        ("Yes.", "length", 0),
        ("Yes.", None, 1),
        ("Yes, and", None, 0),
        ("好。\n", None, 1),
    ],
    ids=["ended itself", "ran out", "full stop", "in the middle", "Chinese full stop"],
)
def test_ends_well(answer: str, why: str | None, ends: float) -> None:
    assert judge_features.ends_well(pa.array([answer]), pa.array([why], pa.string())).tolist() == [ends]


def test_repetition_and_length() -> None:
    answers = pa.array(
        ["a b c d e f g h", "a b c d a b c d a b c d", "x" * 300, "so so so so", "so so so so so"]
    )
    assert judge_features.not_repetitive(answers).tolist() == [1.0, pytest.approx(4 / 9), 0.0, 1.0, 0.5]
    texts = pa.array(["", "a", "a b", "a b c d", "a b c d e f g h"])
    assert judge_features.length_fits(texts, np.ones(5), 2, 4).tolist() == [0, 0.5, 1, 1, 0.5]
    assert judge_features.length_fits(texts, np.full(5, 0.5), 2, 4).tolist() == [0, 0.25, 0.5, 1, 0.5]


@given(st.lists(st.sampled_from("abcd"), max_size=8), st.lists(st.sampled_from("abcd"), max_size=8))
def test_overlap_is_that_of_bags_of_words(one: list[str], other: list[str]) -> None:
    common = sum((Counter(one) & Counter(other)).values())
    found = judge_features.overlap(pa.array([" ".join(one)]), pa.array([" ".join(other)]))
    assert found[0] == pytest.approx(2 * common / max(len(one) + len(other), 1))


def ranks(
    asked: str, answers: list[str], reference: str | None = None, **facts: Any
) -> dict[str, int | None]:
    table = candidate_table(candidate(1, asked, answers, **facts))
    known = (
        pa.table({"record_id": table["record_id"], "reference": pa.array([reference])}) if reference else None
    )
    (row,) = judge(table, JudgeConfig(), known).judgements.to_pylist()
    return dict(zip(row["completions"], row["ranks"], strict=True))


GOOD, CUT = "def add(a, b):\n    return a + b", "def add(a, b"


def test_for_code_what_parses_is_better() -> None:
    assert ranks("Write a Python function.", [CUT, GOOD]) == {GOOD: 1, CUT: 2}


def test_where_no_code_is_asked_for_parsing_does_not_count() -> None:
    found = judge(candidate_table(candidate(1, "Tell a story.", [PROSE, GOOD])), JudgeConfig()).scores
    assert found["python_parses"].null_count == 2


def test_nearer_to_the_reference_is_better() -> None:
    near, far = "Paris is the capital of France.", "I do not know what it could be."
    assert ranks("Capital?", [far, near], reference="The capital is Paris.") == {near: 1, far: 2}


@pytest.mark.parametrize(
    ("step", "best"), [(0.02, [1, 1]), (0.0001, [1, 2])], ids=["below the step", "above it"]
)
def test_a_difference_below_the_step_is_a_tie(step: float, best: list[int]) -> None:
    reference = " ".join(str(i) for i in range(100))
    changed = reference.replace("99", "word")
    table = candidate_table(candidate(1, "Say something.", [reference, changed]))
    known = pa.table({"record_id": table["record_id"], "reference": [reference]})
    judged = judge(table, JudgeConfig(step=step, repetition_power=0, ends_well=0), known)
    first, second = judged.scores["score"].to_pylist()
    assert 0 < abs(first - second) < 0.02
    assert sorted(judged.judgements["ranks"][0].as_py()) == best


def test_verdicts_are_marked_as_a_models() -> None:
    table = candidate_table(candidate(1, "Write a Python function.", [CUT, GOOD], licence="MIT"))
    judged = judge(table, JudgeConfig(overlap=0))
    (row,) = judged.judgements.to_pylist()
    assert (row["judge_kind"], row["labeler_id"], row["licence"]) == ("model", "judge:features-v2", "MIT")
    assert row["criteria"] == "python_parses 2, ends_well 1, length_fits 1; times not_repetitive to the 2"
    assert row["origin"] == "samples#1#features-v2"
    RAW_JUDGEMENTS.check(judged.judgements.schema, "judged")


PADDED = GOOD + "\n    return a + b" * 6
OTHER = "def scale(values, by):\n    return [value * by for value in values]"


def test_padding_with_ones_own_lines_loses_to_an_honest_answer() -> None:
    found = ranks("Write a Python function.", [PADDED, OTHER, GOOD], reference=GOOD)
    assert found == {GOOD: 1, OTHER: 2, PADDED: 3}
    short = "Yes, it does."
    assert ranks("Does it?", ["yes " * 12, short]) == {short: 1, "yes " * 12: 2}


def test_the_score_is_the_weighted_mean_of_what_applies_less_what_repeats() -> None:
    table = candidate_table(
        candidate(1, "Write a Python function.", [CUT, PADDED], finish_reasons=["length", None]),
        candidate(2, "Tell a story.", [PROSE, GOOD], finish_reasons=["stop", None]),
    )
    config = JudgeConfig()
    for row in judge(table, config).scores.to_pylist():
        applied = {name: row[name] for name in FEATURES if row[name] is not None}
        weights = {name: getattr(config, name) for name in applied}
        expected = sum(weights[name] * value for name, value in applied.items()) / sum(weights.values())
        assert row["score"] == pytest.approx(expected * row["not_repetitive"] ** 2)


def test_given_scores_rank_and_what_has_none_is_not_judged() -> None:
    table = candidate_table(candidate(1, "Which?", ["a", "b", "c", "d"]))
    ids = table["completion_ids"][0].as_py()
    scores = pa.table({"completion_id": [ids[2], ids[0], ids[1]], "score": [-1.5, 3.0, -1.5]})
    (row,) = judge_by_scores(table, scores, "rm-1").judgements.to_pylist()
    assert (row["ranks"], row["partial"]) == ([1, 2, 2, None], True)
    assert (row["labeler_id"], row["criteria"], row["judge_kind"]) == ("judge:rm-1", "reward", "model")


def test_a_candidate_with_one_score_is_not_judged() -> None:
    table = candidate_table(candidate(1, "Which?", ["a", "b"]))
    scores = pa.table({"completion_id": table["completion_ids"][0].as_py()[:1], "score": [1.0]})
    judged = judge_by_scores(table, scores, "rm-1")
    assert (judged.judgements.num_rows, judged.unranked) == (0, 1)


@pytest.mark.parametrize(
    ("ids", "values", "told"),
    [
        (["a", "b"], [1.0, float("nan")], "row 1: score is nan"),
        (["a", "a"], [1.0, 2.0], "a has several scores"),
    ],
    ids=["no number", "two scores"],
)
def test_wrong_scores(ids: list[str], values: list[float], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        judge_by_scores(candidate_table(), pa.table({"completion_id": ids, "score": values}), "rm-1")


def test_nothing_to_judge() -> None:
    judged = judge(candidate_table(), JudgeConfig())
    assert (judged.judgements.num_rows, judged.scores.num_rows, judged.unranked) == (0, 0, 0)
