import pytest

from model.schedule import ramp, warmup_cosine, whole_multiple


@pytest.mark.parametrize(
    ("done", "expected"),
    [(0, 0.0), (50, 0.5), (100, 1.0), (550, 0.55), (1000, 0.1), (5000, 0.1)],
    ids=["start", "half_of_warm_up", "peak", "half_of_cosine", "end", "flat_after"],
)
def test_rate(done: float, expected: float) -> None:
    assert warmup_cosine(done, 100, 1000, 1.0, 0.1) == pytest.approx(expected)


def test_rate_of_fine_tuning_begins_at_the_peak() -> None:
    assert warmup_cosine(0, 0, 16, 2.0, 0.1) == 2.0


def test_gpt3_small_reaches_its_tenth_after_260_billion_tokens() -> None:
    assert warmup_cosine(260e9, 375e6, 260e9, 6e-4, 0.1) == pytest.approx(6e-5)
    assert warmup_cosine(375e6, 375e6, 260e9, 6e-4, 0.1) == pytest.approx(6e-4)


@pytest.mark.parametrize(
    ("done", "over", "expected"),
    [(0, 0, 256), (0, 1000, 16), (500, 1000, 136), (1000, 1000, 256), (9000, 1000, 256)],
    ids=["no_ramp", "first", "half_way", "full", "after"],
)
def test_ramp(done: float, over: float, expected: float) -> None:
    assert ramp(done, 16, 256, over) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(3, 16), (24.1, 32), (23.9, 16), (256, 256)],
    ids=["at_least_one", "up", "down", "same"],
)
def test_batches_are_whole_micro_batches(value: float, expected: int) -> None:
    assert whole_multiple(value, 16) == expected
