import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import wasserstein_distance

from quality.pareto import (
    ALPHA_BOUNDS,
    fit_alpha,
    keep,
    keep_probability,
    score_distance,
    score_limits,
)

scores = arrays(np.float64, st.integers(1, 40), elements=st.floats(0, 1))


@pytest.mark.parametrize(
    ("score", "percent"),
    [(0.0, 0.195), (0.25, 0.65), (0.5, 2.6), (0.75, 13.4), (0.9, 42.0), (1.0, 100.0)],
    ids="score {0}".format,
)
def test_keep_probability_is_the_figure_computed_from_the_paper(score, percent):
    assert 100 * keep_probability(score, 9.0) == pytest.approx(percent, rel=0.02)


@pytest.mark.parametrize("alpha", [1.0, 3.0, 9.0])
@pytest.mark.parametrize("score", [0.0, 0.5, 0.8, 0.95])
def test_share_kept_is_that_of_numpys_pareto(score, alpha):
    n = 200_000
    ours = keep(np.full(n, score), np.random.default_rng(1).random(n), alpha).mean()
    theirs = (np.random.default_rng(0).pareto(alpha, n) > 1 - score).mean()
    error = 4 * np.sqrt(2 * theirs * (1 - theirs) / n) + 1e-9
    assert abs(ours - theirs) < error
    assert abs(ours - keep_probability(score, alpha)) < error


@given(st.floats(0, 1), st.floats(0, 1, exclude_max=True), st.floats(0.5, 20))
def test_kept_exactly_where_the_uniform_lies_above_one_minus_p(score, uniform, alpha):
    p = float(keep_probability(score, alpha))
    if abs(uniform - (1 - p)) > 1e-9:
        assert keep([score], [uniform], alpha)[0] == (uniform > 1 - p)


@given(st.floats(0, 1), st.floats(0, 1, exclude_max=True))
def test_kept_exactly_where_the_score_exceeds_its_limit(score, uniform):
    assert keep([score], [uniform])[0] == (score > score_limits([uniform])[0])


def test_draws_of_almost_one_are_finite():
    assert np.isfinite(score_limits([np.nextafter(1.0, 0.0), 0.0])).all()


@pytest.mark.parametrize("alpha", [0.0, -1.0, float("nan")])
def test_alpha_must_be_positive(alpha):
    with pytest.raises(ValueError, match="alpha must be above 0"):
        keep_probability([0.5], alpha)


@given(scores, scores, st.floats(0.1, 50))
def test_the_distance_is_scipys(crawled, curated, alpha):
    expected = wasserstein_distance(crawled, curated, keep_probability(crawled, alpha))
    assert score_distance(crawled, curated, alpha) == pytest.approx(expected, abs=1e-9)
    unfiltered = wasserstein_distance(crawled, curated)
    assert score_distance(crawled, curated, None) == pytest.approx(unfiltered, abs=1e-9)


@given(scores, scores)
def test_no_alpha_fits_better_than_the_fitted_one(crawled, curated):
    found = fit_alpha(crawled, curated)
    assert ALPHA_BOUNDS[0] <= found.alpha <= ALPHA_BOUNDS[1] * (1 + 1e-12)
    assert found.distance == pytest.approx(score_distance(crawled, curated, found.alpha), abs=1e-12)
    best = min(score_distance(crawled, curated, alpha) for alpha in np.geomspace(*ALPHA_BOUNDS, 1500))
    # The finer grid of the test may come nearer to the point, hardly to the distance.
    assert found.distance <= best + 1e-4
    assert found.distance_gpt3 == pytest.approx(score_distance(crawled, curated, 9.0), abs=1e-12)


@pytest.mark.parametrize("alpha", [1.0, 3.0, 9.0, 20.0])
def test_the_alpha_that_made_the_curated_scores_is_found_again(alpha):
    draw = np.random.default_rng(3)
    crawled = draw.beta(1, 2, 40_000)
    curated = crawled[keep(crawled, draw.random(len(crawled)), alpha)]
    found = fit_alpha(crawled, curated)
    assert found.alpha == pytest.approx(alpha, rel=0.12)
    assert found.at_bound is None
    assert found.distance < 0.02 < found.distance_unfiltered
    assert found.as_json()["method"] == "Wasserstein-1"


@pytest.mark.parametrize(
    ("curated", "at_bound"),
    [([1.0, 1.0], "upper"), ([0.0, 0.01], "lower")],
    ids=["better than all of the crawl", "worse than the crawl"],
)
def test_a_bound_is_said_to_be_one(curated, at_bound):
    crawled = np.linspace(0, 0.9, 50)
    found = fit_alpha(crawled, np.array(curated))
    assert found.at_bound == at_bound
    assert found.alpha == pytest.approx(ALPHA_BOUNDS[at_bound == "upper"])


def test_scores_that_no_alpha_moves_take_the_least():
    found = fit_alpha(np.full(5, 0.5), np.array([0.2, 0.9]))
    assert (found.alpha, found.at_bound) == (pytest.approx(ALPHA_BOUNDS[0]), "lower")


def test_a_fit_needs_both():
    with pytest.raises(ValueError, match="found 0 crawled, 1 curated scores"):
        fit_alpha(np.empty(0), np.ones(1))
