import doctest

import numpy as np
import pyarrow as pa
import pytest

from dedup import bands, near
from dedup.config import DedupConfig, Preference, Removal
from dedup.minhash import MinHashConfig, shingles
from dedup.near import near_duplicates
from dedup.presets import GPT3_DEDUP, GPT3_MINHASH
from dedup.verify import set_jaccard, shingle_sets
from tests.text_forms import FORMS

LITERAL = GPT3_DEDUP.model_copy(update={"across": None})


def words(first: int, last: int) -> str:
    return " ".join(f"w{i}" for i in range(first, last))


@pytest.mark.parametrize("module", [near, bands], ids=lambda module: module.__name__)
def test_examples_in_docstrings(module) -> None:
    found = doctest.testmod(module)
    assert (found.failed, found.attempted > 0) == (0, True)


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        pytest.param([Preference(by="n_words")], [2, 2, 2], id="words are counted"),
        pytest.param([Preference(by="score")], [1, 1, 1], id="a figure that is given"),
        pytest.param([Preference(by="nobody_knows")], [0, 0, 0], id="none: the first row"),
    ],
)
def test_the_survivor_by_figures(order: list[Preference], expected: list[int]) -> None:
    texts = pa.array([words(0, 100), words(0, 101), words(0, 102)])
    config = DedupConfig(survivor_order=order)
    found = near_duplicates(texts, MinHashConfig(), config, {"score": np.array([0.1, 0.9, 0.5])})
    assert found.survivor.tolist() == expected


@pytest.mark.parametrize(
    "rules",
    [{"scope": "source"}, {"within": []}, {"across": [Removal(keep=["a"], remove=["b"])]}],
    ids=lambda rules: next(iter(rules)),
)
def test_rules_about_sources_are_refused(rules: dict) -> None:
    with pytest.raises(ValueError, match="no sources"):
        near_duplicates(pa.array(["a"]), MinHashConfig(), DedupConfig(**rules))


@pytest.mark.parametrize("texts", [pa.array([], pa.string()), pa.chunked_array([["a b"], ["a  b"]])], ids=len)
def test_any_arrow_column(texts) -> None:
    assert near_duplicates(texts, MinHashConfig(), DedupConfig()).survivor.tolist() == [0] * len(texts)


@pytest.mark.parametrize("seed", range(3))
def test_literal_mode_keeps_what_brute_force_keeps(seed: int) -> None:
    rng = np.random.default_rng(seed)
    # A vocabulary as small as this makes every pair a candidate of ten tables on single words.
    vocabulary = 120
    texts = [
        " ".join(f"w{w}" for w in rng.choice(vocabulary, rng.integers(30, 90), False)) for _ in range(60)
    ]
    for copied in range(0, 60, 4):
        texts.append(texts[copied] + f" w{rng.integers(vocabulary)} x{copied}")
    found = near_duplicates(pa.array(texts), GPT3_MINHASH, LITERAL)
    left, right = (side.astype(np.int64) for side in np.triu_indices(len(texts), 1))
    sets = shingle_sets(shingles(pa.array(texts), GPT3_MINHASH))
    similarity = np.eye(len(texts))
    similarity[left, right] = similarity[right, left] = set_jaccard(sets, left, right)
    stays = set()
    for row in sorted(range(len(texts)), key=lambda i: (-len(texts[i].split()), i)):
        if all(similarity[row, other] < LITERAL.threshold for other in stays):
            stays.add(row)
    assert set(found.survivor.tolist()) == stays
    assert len(stays) < len(texts)


def test_the_literal_preset_is_the_paper_s() -> None:
    shape = (GPT3_MINHASH.num_perm, GPT3_MINHASH.bands, GPT3_MINHASH.rows, GPT3_MINHASH.ngram)
    assert shape == (10, 10, 1, 1)
    assert GPT3_DEDUP.within is None
    assert GPT3_DEDUP.across == [Removal(keep=["webtext"], remove=["crawl"])]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_texts_has_the_same_survivors(form: str) -> None:
    values = [words(0, 100), words(200, 300), words(0, 101), "", words(0, 100)]
    found = near_duplicates(FORMS[form](values), MinHashConfig(), DedupConfig())
    expected = near_duplicates(pa.array(values), MinHashConfig(), DedupConfig())
    assert found.survivor.tolist() == expected.survivor.tolist() == [2, 1, 2, 3, 2]
