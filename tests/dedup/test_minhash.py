from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from datasketch import MinHash, MinHashLSH
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from dedup.minhash import (
    EMPTY,
    MinHashConfig,
    count_distinct,
    shingle_ints,
    shingles,
    signature_array,
    signature_matrix,
    signatures,
)
from tests.text_forms import FORMS

TEXTS = pa.array(
    [
        "The quick brown fox jumps over the lazy dog and runs away",
        "two words",
        "",
        "!!! ... ???",
        "一只敏捷的棕色狐狸跳过了懒狗",
        "a a a a a a a a a a",
    ]
)
SEEDS = [0, 1, 42, 2**32 - 1]


def datasketch_signature(ints: np.ndarray, config: MinHashConfig) -> np.ndarray:
    sketch = MinHash(num_perm=config.num_perm, seed=config.seed, scheme="affine32", hashfunc=int)
    if len(ints):
        sketch.update_batch([int(i) for i in ints])
    return sketch.hashvalues.astype(np.uint32)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("num_perm", [112, 128])
def test_signatures_are_those_of_datasketch_bit_for_bit(seed: int, num_perm: int) -> None:
    config = MinHashConfig(seed=seed, num_perm=num_perm)
    grams = shingles(TEXTS, config)
    found = signature_matrix(signatures(TEXTS, config))
    for document in range(len(TEXTS)):
        ints = shingle_ints(grams.hashes[grams.offsets[document] : grams.offsets[document + 1]])
        np.testing.assert_array_equal(found[document], datasketch_signature(ints, config))


def test_a_datasketch_index_filled_with_our_signatures_answers() -> None:
    words = [f"word{i}" for i in range(300)]
    near = [*words[:290], "other", *words[291:]]
    texts = pa.array([" ".join(words), " ".join(near), " ".join(reversed(words))])
    config = MinHashConfig()
    matrix = signature_matrix(signatures(texts, config))
    sketches = [
        MinHash(num_perm=112, seed=config.seed, scheme="affine32", hashvalues=row.astype(np.uint64))
        for row in matrix
    ]
    index = MinHashLSH(num_perm=112, params=(14, 8))
    index.insert("first", sketches[0])
    index.insert("reversed", sketches[2])
    assert index.query(sketches[1]) == ["first"]


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        pytest.param("good morning", "good morning", True, id="equal two-word texts"),
        pytest.param("good morning", "good evening", False, id="different two-word texts"),
        pytest.param("morning", "morning morning", False, id="one word against two"),
        pytest.param("Good,  MORNING!", "good morning", True, id="case and punctuation are not words"),
    ],
)
def test_short_documents_have_the_one_shingle_they_can_fill(left: str, right: str, same: bool) -> None:
    first, second = signature_matrix(signatures(pa.array([left, right]), MinHashConfig()))
    assert (first == second).mean() == pytest.approx(1.0 if same else 0.0)


@pytest.mark.parametrize("text", ["", "  \n", "?!"])
def test_a_document_without_words_keeps_the_empty_signature(text: str) -> None:
    assert (signature_matrix(signatures(pa.array([text]), MinHashConfig())) == EMPTY).all()


def test_no_documents_give_an_empty_column() -> None:
    found = signatures(pa.array([], pa.string()), MinHashConfig())
    assert (len(found), found.type) == (0, pa.list_(pa.uint32(), 112))


def test_a_null_text_is_refused_with_its_row() -> None:
    with pytest.raises(ValueError, match="row 1"):
        signatures(pa.array(["a", None]), MinHashConfig())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        pytest.param(
            {"bands": 20}, "bands \\* rows = 20 \\* 8 = 160 exceeds num_perm = 112", id="bands do not fit"
        ),
        pytest.param({"rows": 0}, "rows", id="no rows"),
        pytest.param({"seed": 2**32}, "seed", id="seed past 32 bits"),
        pytest.param({"permutations": 112}, "permutations", id="unknown key"),
    ],
)
def test_a_wrong_config_is_refused(values: dict[str, int], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        MinHashConfig(**values)


def test_bands_may_leave_components_over() -> None:
    assert MinHashConfig(num_perm=128).bands * MinHashConfig(num_perm=128).rows == 112


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=40), max_size=8))
def test_distinct_shingles_are_counted_as_a_set_counts_them(documents: list[list[str]]) -> None:
    grams = shingles(pa.array([" ".join(words) for words in documents], pa.string()), MinHashConfig(ngram=2))
    expected = [len({*pairwise(d)} or {*d}) for d in documents]
    assert count_distinct(grams).tolist() == expected


def test_estimates_scatter_as_theory_says() -> None:
    rng = np.random.default_rng(7)
    config = MinHashConfig(ngram=1)
    errors = []
    for _ in range(300):
        words = rng.choice(10**9, 350, replace=False)
        pair = pa.array([" ".join(map(str, words[:300])), " ".join(map(str, words[50:]))])
        first, second = signature_matrix(signatures(pair, config))
        errors.append((first == second).mean() - 250 / 350)
    deviation = np.sqrt(250 / 350 * 100 / 350 / config.num_perm)
    assert abs(np.mean(errors)) < 4 * deviation / np.sqrt(300)
    assert np.std(errors) == pytest.approx(deviation, rel=0.2)


@pytest.mark.parametrize("cut", [slice(0, 3), slice(2, 5), slice(3, 3)])
def test_a_slice_of_a_column_gives_its_own_rows(cut: slice) -> None:
    matrix = signature_matrix(signatures(TEXTS, MinHashConfig()))
    array = signature_array(matrix)[cut]
    np.testing.assert_array_equal(signature_matrix(array), matrix[cut])


def test_a_column_of_another_type_is_refused() -> None:
    with pytest.raises(ValueError, match="fixed_size_list<uint32>"):
        signature_matrix(pa.array([[1, 2]]))


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_texts_has_the_same_signatures(form: str) -> None:
    made = FORMS[form](TEXTS.to_pylist())
    assert signatures(made, MinHashConfig()).equals(signatures(TEXTS, MinHashConfig()))
