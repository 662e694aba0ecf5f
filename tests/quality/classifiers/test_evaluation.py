import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from quality.classifiers.evaluation import (
    REFERENCES,
    at_keep_rate,
    best_threshold,
    by_source,
    confusion,
    evaluate,
)
from quality.pareto import keep_probability

scores = arrays(
    np.float64, st.integers(1, 30), elements=st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.55, 0.9, 1.0])
)


@given(scores, scores)
def test_figures_equal_their_definitions(positive, negative):
    figures = evaluate(positive, negative, alpha=9.0)
    pairs = positive[:, None] - negative[None, :]
    assert figures["roc_auc"] == pytest.approx((pairs > 0).mean() + 0.5 * (pairs == 0).mean())
    assert figures["brier"] == pytest.approx(((1 - positive) ** 2).mean() / 2 + (negative**2).mean() / 2)
    recall, false_rate = (positive >= 0.5).mean(), (negative >= 0.5).mean()
    assert figures["at_half"]["recall"] == pytest.approx(recall)
    if recall + false_rate:
        assert figures["at_half"]["precision"] == pytest.approx(recall / (recall + false_rate))
    else:
        assert figures["at_half"]["precision"] is None
    assert figures["pareto_keep"]["negative"] == pytest.approx(keep_probability(negative).mean())
    assert sum(row["n"] for row in figures["calibration"]) == len(positive) + len(negative)


@given(scores, scores)
def test_threshold_has_the_largest_difference_of_rates(positive, negative):
    def difference(limit):
        return (positive >= limit).mean() - (negative >= limit).mean()

    chosen = best_threshold(positive, negative)
    best = max(difference(limit) for limit in np.concatenate([positive, negative]))
    assert difference(chosen) == pytest.approx(best)


@given(scores, scores, st.integers(2, 5))
def test_no_figure_but_the_counts_depends_on_the_class_ratio(positive, negative, times):
    def ratio_free(figures):
        table = [{k: v for k, v in row.items() if k != "n"} for row in figures.pop("calibration")]
        del figures["n_positive"], figures["n_negative"], figures["confusion"]
        return json.loads(json.dumps([figures, table]), parse_float=lambda text: round(float(text), 9))

    once = evaluate(positive, negative, 9.0)
    repeated = evaluate(positive, np.tile(negative, times), 9.0)
    assert ratio_free(once) == ratio_free(repeated)


def test_calibration_table_by_hand():
    figures = evaluate(np.array([0.95, 1.0, 0.31]), np.array([0.32, 0.0, 0.05, 0.33]), 9.0)
    rows = {row["from"]: row for row in figures["calibration"] if row["n"]}
    assert {place: row["n"] for place, row in rows.items()} == {0.0: 2, 0.3: 3, 0.9: 2}
    assert rows[0.9]["observed_share"] == 1.0
    assert rows[0.9]["mean_score"] == pytest.approx(0.975)
    # One of 3 positives weighs 1/6, two of 4 negatives 1/8 each.
    assert rows[0.3]["observed_share"] == pytest.approx((1 / 6) / (1 / 6 + 2 / 8))
    assert figures["calibration"][5] == {
        "from": 0.5,
        "to": 0.6,
        "n": 0,
        "mean_score": None,
        "observed_share": None,
    }


def test_both_classes_are_needed():
    with pytest.raises(ValueError, match="found 0 positive, 2 negative"):
        evaluate(np.array([]), np.array([0.1, 0.2]), 9.0)


@given(scores, scores, st.floats(0, 1))
def test_a_keep_rate_is_the_lowest_limit_that_the_crawl_allows(positive, negative, rate):
    told = at_keep_rate(positive, negative, rate)
    candidates = sorted({*positive.tolist(), *negative.tolist()})
    allowed = [limit for limit in candidates if (negative >= limit).mean() <= rate + 1e-12]
    assert told["limit"] == (allowed[0] if allowed else None)
    if allowed:
        recall, false_rate = (positive >= allowed[0]).mean(), (negative >= allowed[0]).mean()
        assert told["recall"] == pytest.approx(recall)
        assert told["precision"] == (
            pytest.approx(recall / (recall + false_rate)) if recall + false_rate else None
        )
    else:
        assert (told["precision"], told["recall"]) == (None, 0.0)


def test_keep_rates_hold_that_of_the_pareto_keep():
    draw = np.random.default_rng(0)
    positive, negative = draw.beta(5, 2, 300), draw.beta(2, 5, 400)
    figures = evaluate(positive, negative, 9.0)
    kept = figures["pareto_keep"]
    assert round(kept["negative"], 6) in [row["rate"] for row in figures["at_keep_rates"]]
    assert kept["precision"] == pytest.approx(kept["positive"] / (kept["positive"] + kept["negative"]))
    precisions = [row["precision"] for row in figures["at_keep_rates"]]
    assert precisions == sorted(precisions, reverse=True)


def test_confusion_counts_documents():
    told = confusion(np.array([0.5, 0.9, 0.1]), np.array([0.49, 0.5, 0.0, 0.2]), 0.5)
    assert told == {
        "limit": 0.5,
        "true_positive": 2,
        "false_negative": 1,
        "false_positive": 1,
        "true_negative": 3,
    }


def test_sources_are_told_apart():
    rows = by_source(np.array([0.9, 0.1, 0.6, 0.7]), ["b", "b", "a", "b"], 0.8, 9.0)
    assert [row["source"] for row in rows] == ["a", "b"]
    assert rows[1] == {
        "source": "b",
        "n": 3,
        "mean_score": pytest.approx(1.7 / 3),
        "median_score": 0.7,
        "at_half": pytest.approx(2 / 3),
        "at_threshold": pytest.approx(1 / 3),
        "pareto_keep": pytest.approx(keep_probability([0.9, 0.1, 0.7]).mean()),
    }


def test_the_papers_keep_rate_is_one_in_eighty():
    assert REFERENCES[0].who == "GPT-3"
    assert REFERENCES[0].kept == pytest.approx(0.0127, abs=5e-5)
