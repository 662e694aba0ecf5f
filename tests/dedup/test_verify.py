import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup.minhash import MinHashConfig, shingles, signature_matrix, signatures
from dedup.verify import estimate, margin, set_jaccard, shingle_sets, verify_pairs

CONFIG = MinHashConfig()
UNIGRAMS = MinHashConfig(ngram=1)


def indices(*rows: int) -> np.ndarray:
    return np.array(rows, dtype=np.int64)


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        pytest.param("a b c", "a b c", 1.0, id="equal"),
        pytest.param("a b c d", "c d e f", 2 / 6, id="overlap"),
        pytest.param("a a a b", "a b b", 1.0, id="sets, not multisets"),
        pytest.param("a", "b", 0.0, id="disjoint"),
        pytest.param("", "a", 0.0, id="one empty"),
        pytest.param("", "", 0.0, id="two empty documents share nothing"),
    ],
)
def test_jaccard_of_word_sets(left: str, right: str, expected: float) -> None:
    sets = shingle_sets(shingles(pa.array([left, right]), UNIGRAMS))
    assert set_jaccard(sets, indices(0), indices(1)).tolist() == pytest.approx([expected])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 12), max_size=25), min_size=2, max_size=6))
def test_jaccard_is_that_of_python_sets(documents: list[list[int]]) -> None:
    sets = shingle_sets(shingles(pa.array([" ".join(map(str, d)) for d in documents]), UNIGRAMS))
    left, right = (a.astype(np.int64) for a in np.triu_indices(len(documents), 1))
    expected = [
        len({*documents[a]} & {*documents[b]}) / max(len({*documents[a]} | {*documents[b]}), 1)
        for a, b in zip(left, right, strict=True)
    ]
    assert set_jaccard(sets, left, right).tolist() == pytest.approx(expected)


def test_the_estimate_is_the_share_of_equal_components() -> None:
    matrix = np.zeros((2, 112), dtype=np.uint32)
    matrix[1, :28] = 1
    assert estimate(matrix, indices(0), indices(1)).tolist() == [0.75]


def test_documents_without_words_are_not_similar_to_each_other() -> None:
    matrix = signature_matrix(signatures(pa.array(["", "!"]), CONFIG))
    assert estimate(matrix, indices(0), indices(1)).tolist() == [0.0]


class Reader:
    """Texts by row; remembers what it was asked for."""

    def __init__(self, texts: list[str]) -> None:
        self.texts = pa.array(texts)
        self.asked: list[list[int]] = []

    def __call__(self, rows: np.ndarray) -> pa.Array:
        self.asked.append(rows.tolist())
        return self.texts.take(pa.array(rows))


def words(first: int, last: int) -> str:
    return " ".join(f"w{i}" for i in range(first, last))


def verify(texts: list[str], pairs: list[tuple[int, int]], codes: list[int], threshold: float = 0.75):
    reader = Reader(texts)
    matrix = signature_matrix(signatures(pa.array(texts), UNIGRAMS))
    left, right = (np.array([pair[i] for pair in pairs], dtype=np.int64) for i in (0, 1))
    found = verify_pairs(left, right, matrix, np.array(codes, dtype=np.int64), reader, UNIGRAMS, threshold)
    return found, reader.asked


def test_a_pair_near_the_threshold_is_measured_and_no_other_is_read() -> None:
    texts = [words(0, 300), words(40, 340), words(1, 301), words(900, 1200), words(0, 300)]
    found, asked = verify(texts, [(0, 1), (0, 2), (0, 3), (0, 4)], [0, 1, 2, 3, 0])
    assert found.measured.tolist() == [True, False, False, True]
    assert found.jaccard[0] == 260 / 340
    assert found.jaccard[1] == pytest.approx(299 / 301, abs=0.05)
    assert found.jaccard[2:].tolist() == [0.0, 1.0]
    assert asked == [[0, 1]]


def test_no_text_is_read_where_all_pairs_are_clear() -> None:
    _, asked = verify([words(0, 300), words(500, 800)], [(0, 1)], [0, 1])
    assert asked == []


def test_copies_without_words_are_copies() -> None:
    found, asked = verify(["?!", "?!"], [(0, 1)], [0, 0])
    assert (found.jaccard.tolist(), asked) == ([1.0], [])


def test_no_pairs_are_no_work() -> None:
    found, asked = verify(["a"], [], [0])
    assert (len(found.jaccard), asked) == (0, [])


@pytest.mark.parametrize("threshold", [0.5, 0.75, 1.0])
def test_the_margin_is_three_standard_errors(threshold: float) -> None:
    draws = np.random.default_rng(1).binomial(112, threshold, 20000) / 112
    assert margin(threshold, 112) == pytest.approx(3 * draws.std(), rel=0.03, abs=1e-12)
