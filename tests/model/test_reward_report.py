"""Figures of a report against scipy and against counting."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from model.judgements import Judged, read_judgements
from model.reward_report import accuracy, calibration, flat, length_bias, report, wilson
from model.tokenizer import load_tokenizer
from tests.model.checkpoints import byte_tokenizer
from tests.model.dialogues import comparison_table, judgement


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    folder = tmp_path_factory.mktemp("tokenizer")
    byte_tokenizer(folder)
    rows = [
        judgement("q", {"long answer": 1, "short": 2, "mid size": 3}, use_case="chat"),
        judgement("r", {"x": 1, "yy": 2}, judge_kind="model", language="zh"),
        judgement("s", {"xxx": 1, "yyy": 2}, use_case="chat"),
    ]
    return read_judgements(comparison_table(rows), load_tokenizer(folder, "right"), 100, "drop")


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_is_scipys(case: tuple[int, int]) -> None:
    right, n = case
    expected = stats.binomtest(right, n).proportion_ci(method="wilson")
    assert wilson(right / n, n) == pytest.approx((expected.low, expected.high), abs=1e-9)


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_a_pair_a_prompt_gives_the_plain_interval(right: list[bool]) -> None:
    found = accuracy(np.array(right, float), np.arange(len(right)))
    expected = stats.binomtest(sum(right), len(right)).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)


@pytest.mark.parametrize("copies", [2, 36])
def test_pairs_that_repeat_each_other_add_no_certainty(copies: int) -> None:
    right = np.array([1, 1, 0, 1, 0, 1, 1.0])
    once = accuracy(right, np.arange(7))
    often = accuracy(np.repeat(right, copies), np.repeat(np.arange(7), copies))
    assert often[:3] == pytest.approx(once[:3])
    assert (often.pairs, often.prompts) == (7 * copies, 7)


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    draws = np.random.default_rng(0)
    hits = 0
    for _ in range(400):
        chance = draws.beta(4, 2, size=60)  # prompts differ in how hard they are; 2/3 on average
        right = (draws.random((60, 6)) < chance[:, None]).astype(float).ravel()
        found = accuracy(right, np.repeat(np.arange(60), 6))
        hits += found.low <= 2 / 3 <= found.high
    assert 0.91 <= hits / 400 <= 0.98


def test_accuracy_in_all_and_by_kind(judged: Judged) -> None:
    # long answer 3, short 1, mid size 2: two of three pairs right; x 0, yy 1: wrong; the third is a draw.
    found = report(judged, np.array([3, 1, 2, 0, 1, 5, 5], np.float32))
    assert (found["accuracy"], found["pairs"], found["prompts"]) == (2.5 / 5, 5, 3)
    by = {name: {key: row["accuracy"] for key, row in rows.items()} for name, rows in found["by"].items()}
    assert by == {
        "k": {"2": 0.25, "3": pytest.approx(2 / 3)},
        "judge_kind": {"human": pytest.approx(2.5 / 4), "model": 0.0},
        "use_case": {"chat": pytest.approx(2.5 / 4), "unknown": 0.0},
        "language": {"en": pytest.approx(2.5 / 4), "zh": 0.0},
    }
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    figures = flat(found, "validation")
    assert figures["validation/accuracy"] == 0.5
    assert figures["validation/length/judges_prefer_longer"] == pytest.approx(2 / 4)


def test_a_model_that_knows_its_chances_is_calibrated() -> None:
    draws = np.random.default_rng(0)
    margin = np.abs(draws.normal(0, 2, 20_000))
    signed = np.where(draws.random(20_000) < 1 / (1 + np.exp(-margin)), margin, -margin)
    honest, boastful = calibration(signed), calibration(3 * signed)
    assert honest["error"] < 0.02 < 0.08 < boastful["error"]
    assert sum(row["pairs"] for row in honest["bins"]) == 20_000
    for row in honest["bins"]:
        assert row["from"] <= row["confidence"] <= row["to"]
        assert row["accuracy"] == pytest.approx(row["confidence"], abs=0.05)


def test_no_margin_is_even_odds() -> None:
    assert calibration(np.zeros(3)) == {
        "error": 0.0,
        "bins": [{"from": 0.5, "to": 0.55, "pairs": 3, "confidence": 0.5, "accuracy": 0.5}],
    }


def test_correlations_are_scipys(judged: Judged) -> None:
    scores = np.array([3, 1, 2, 0, 1, 5, 4], np.float32)
    found = length_bias(judged, scores)
    lengths = judged.answer_tokens
    assert lengths.tolist() == [12, 6, 9, 2, 3, 4, 4]
    assert found["correlation"] == pytest.approx(stats.pearsonr(lengths, scores)[0])
    assert found["rank_correlation"] == pytest.approx(stats.spearmanr(lengths, scores)[0])
    centred = [3, -3, 0, -0.5, 0.5, 0, 0], [1, -1, 0, -0.5, 0.5, 0.5, -0.5]
    assert found["within_prompt"] == pytest.approx(stats.pearsonr(*centred)[0])
    # Longer is better in two of the four pairs of unequal length; the model prefers the longer in all four.
    assert found["judges_prefer_longer"] == 0.5
    assert found["model_prefers_longer"] == 1.0
    assert (found["accuracy_longer_is_better"], found["accuracy_shorter_is_better"]) == (1.0, 0.0)


def test_what_cannot_be_compared_is_none(judged: Judged) -> None:
    alike = judged.of_prompts(np.array([False, False, True]))
    found = length_bias(alike, np.array([1, 2], np.float32))
    assert set(found.values()) == {None}
    assert not any("length" in key for key in flat(report(alike, np.array([1, 2], np.float32)), "x"))
