"""Generated documents: what is planted is there, and a number alone decides its text."""

import pyarrow as pa
import pytest

from benchmarks.dedup_scaling import PERIOD, Generator
from benchmarks.dedup_sets import similar_pairs

RUNS = [" ".join(f"run{i}word{j}" for j in range(40)) for i in range(5000)]


def jaccard(a: str, b: str) -> float:
    return sum(similar_pairs(pa.array([a, b]), 1e-9).jaccard.tolist())


@pytest.mark.parametrize(
    ("number", "low", "high"),
    [
        pytest.param(1, 1.0, 1.0, id="a copy of the period's first"),
        pytest.param(2, 0.8, 0.99, id="the first with words changed"),
        pytest.param(5, 0.0, 0.0, id="a text of its own"),
    ],
)
def test_documents_resemble_the_first_of_their_period_by_kind(number, low, high):
    generator = Generator(RUNS)
    assert low <= jaccard(generator.text(3 * PERIOD), generator.text(3 * PERIOD + number)) <= high


def test_documents_that_share_the_template_are_alike_but_no_duplicates():
    generator = Generator(RUNS)
    assert 0.1 < jaccard(generator.text(3), generator.text(PERIOD + 4)) < 0.5


def test_a_text_depends_on_its_number_alone():
    assert Generator(RUNS).text(47) == Generator(RUNS).text(47) != Generator(RUNS).text(67)
