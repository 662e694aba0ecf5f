"""Which figures and samples of a training are shown."""

from typing import Any

import pytest

from orchestration.training_metadata import MOST_FIGURES, chosen, sample_rows


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (("loss", "speed"), {"loss": 1.0, "speed": 5}),
        (("speed", "loss"), {"speed": 5, "loss": 1.0}),
        (("*/score", "loss"), {"a/score": 0.5, "b/score": 0.25, "loss": 1.0}),
        (("loss", "*"), {"loss": 1.0, "a/score": 0.5, "b/score": 0.25, "speed": 5, "device": "cpu"}),
        (("rows", "resumed_at", "absent"), {}),
    ],
    ids=["two", "in the order of the patterns", "a pattern", "each once", "no lists, nulls or unknown names"],
)
def test_figures_follow_the_patterns(patterns: tuple[str, ...], expected: dict[str, Any]) -> None:
    summary = {
        "a/score": 0.5,
        "loss": 1.0,
        "b/score": 0.25,
        "rows": [1],
        "speed": 5,
        "device": "cpu",
        "resumed_at": None,
    }
    assert list(chosen(summary, patterns).items()) == list(expected.items())


def test_no_more_figures_than_are_plotted() -> None:
    summary = {f"figure {i}": float(i) for i in range(MOST_FIGURES + 5)}
    assert list(chosen(summary, ("*",))) == list(summary)[:MOST_FIGURES]


def test_samples_are_those_of_the_newest_step() -> None:
    lines = [{"step": 1, "text": "a"}, {"step": 2, "text": "b"}, {"step": 2, "text": "c", "score": 1.0}]
    assert sample_rows(lines) == [["step", "text"], [2, "b"], [2, "c"]]
    assert sample_rows([]) == []
