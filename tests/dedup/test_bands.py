import pytest
from datasketch.lsh import _optimal_param
from pydantic import ValidationError

from dedup.bands import CURVE_POINTS, hit_curve, hit_probability, optimal_bands
from dedup.minhash import BandTarget, MinHashConfig


@pytest.mark.parametrize(
    ("jaccard", "expected"),
    [(0.0, 0.0), (0.5, 0.0533), (0.7, 0.5646), (0.75, 0.7715), (0.8, 0.9235), (0.9, 0.9996), (1.0, 1.0)],
)
def test_hit_probability_of_14_bands_of_8(jaccard: float, expected: float) -> None:
    assert hit_probability(jaccard, 14, 8) == pytest.approx(expected, abs=2e-4)


def test_the_curve_runs_from_a_half_to_95_hundredths() -> None:
    assert CURVE_POINTS == (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
    assert hit_curve(20, 5) == [(jaccard, 1 - (1 - jaccard**5) ** 20) for jaccard in CURVE_POINTS]


@pytest.mark.parametrize("num_perm", [1, 2, 10, 64, 112, 128])
@pytest.mark.parametrize("threshold", [0.05, 0.3, 0.5, 0.75, 0.9, 0.99])
def test_bands_are_those_that_datasketch_chooses(num_perm: int, threshold: float) -> None:
    assert optimal_bands(threshold, num_perm) == _optimal_param(threshold, num_perm, 0.5, 0.5)


@pytest.mark.parametrize("weights", [(0.1, 0.9), (0.9, 0.1), (1.0, 0.0), (0.01, 0.99)], ids=str)
def test_weights_are_those_of_datasketch(weights: tuple[float, float]) -> None:
    assert optimal_bands(0.7, 96, *weights) == _optimal_param(0.7, 96, *weights)


def test_where_only_misses_count_every_permutation_is_a_band() -> None:
    # datasketch answers 32 x 1 here: the areas of more bands lie below its rounding.
    assert optimal_bands(0.7, 96, 0.0, 1.0) == (96, 1)


def test_of_equal_errors_the_first_wins() -> None:
    assert optimal_bands(0.5, 2) == (1, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param((0.0, 128), "threshold is 0.0", id="threshold of nothing"),
        pytest.param((1.1, 128), "threshold is 1.1", id="threshold past one"),
        pytest.param((0.7, 0), "num_perm is 0", id="no permutations"),
        pytest.param((0.7, 128, -0.1, 1.0), "weights of false", id="negative weight"),
        pytest.param((0.7, 128, 0.0, 0.0), "weights of false", id="no weight"),
    ],
)
def test_what_has_no_optimum_is_refused(arguments: tuple[float, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        optimal_bands(*arguments)


def test_a_target_sets_bands_and_rows_of_the_config() -> None:
    config = MinHashConfig(num_perm=128, target=BandTarget(threshold=0.7))
    assert (config.bands, config.rows) == (14, 9)
    assert MinHashConfig.model_validate(config.model_dump(mode="json")) == config


def test_bands_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"bands \* rows = 14 \* 9 = 126 exceeds num_perm = 112"):
        MinHashConfig(rows=9)


def test_a_target_frees_from_bands_that_do_not_fit() -> None:
    config = MinHashConfig(num_perm=10, target=BandTarget(threshold=0.5))
    assert config.bands * config.rows <= 10


def test_a_target_without_any_weight_is_refused() -> None:
    with pytest.raises(ValidationError, match="both 0"):
        BandTarget(false_positive_weight=0, false_negative_weight=0)
