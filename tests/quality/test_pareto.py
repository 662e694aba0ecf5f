import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quality.pareto import keep, keep_probability, score_limits


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
