"""The n-gram model against a plain one of dictionaries, and what must hold of any."""

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from quality.language_models.counts import FALLBACK, discounts_of
from quality.language_models.ngram_model import NgramConfig, NgramModel, NgramModelError
from tests.quality.plain_ngrams import PlainModel, words_of

ENGLISH = [
    "The mill stands by the river. The river turns the wheel, and the wheel turns the stone.",
    "The miller grinds the corn of the village; the village eats the bread of the mill.",
    "By the river stands the old mill, and by the mill the miller's house.",
    "A stone, a wheel, a river: the mill is as old as the village by the river.",
    "The wheel is old. The stone is old. The miller is old, and the corn is new.",
    "Grind the corn, said the miller, and the wheel turned the stone by the river.",
]
CHINESE = [
    "磨坊在河边，河水推动水车。",
    "水车推动石磨，石磨磨面。",
    "河边的磨坊磨面，村里的人吃面。",
    "河水很大，水车很快。",
]
UNKNOWN = "zzz"


def fitted(texts, **config):
    return NgramModel.fit(texts, NgramConfig(**config))


def logs(model, text):
    return model.word_logs([text]).logs.tolist()


word = st.sampled_from(["a", "b", "c", "dd", "e1", "水"])
document = st.lists(word, max_size=12).map(" ".join)
corpus = st.lists(document, min_size=1, max_size=12).filter(lambda texts: any(words_of(t) for t in texts))


@settings(deadline=None, max_examples=60)
@given(corpus, corpus, st.integers(2, 5), st.integers(1, 3))
@example(ENGLISH, [*ENGLISH, "the mill zzz the river", "zzz", ""], 3, 1)
@example(ENGLISH, ["The stone said corn", *ENGLISH], 4, 2)
@example(CHINESE, ["石磨在河边", "水 zzz 车", *CHINESE], 5, 1)
@example(["a"], ["a a a"], 5, 1)
def test_every_probability_is_that_of_the_plain_model(texts, asked, order, min_count):
    plain = PlainModel(texts, order, min_count)
    model = fitted(texts, order=order, min_count=min_count)
    found = model.word_logs(asked)
    expected = [log for text in asked for log in plain.logs(text)]
    assert found.logs.tolist() == pytest.approx(expected, abs=2e-6)
    unknown = [sum(word not in plain.vocabulary for word in words_of(text)) for text in asked]
    assert found.unknown.tolist() == unknown
    assert model.card["ngrams"][0] == len(plain.vocabulary) - 1
    assert model.card["words"] == sum(len(words_of(text)) for text in texts)


@settings(deadline=None, max_examples=40)
@given(corpus, st.lists(word | st.just(UNKNOWN), max_size=5), st.integers(2, 5), st.integers(1, 3))
@example(ENGLISH, ["the"], 3, 2)
@example(ENGLISH, ["stands", "by", "the"], 4, 1)
@example(CHINESE, ["水", "车"], 3, 1)
@example(ENGLISH, [], 3, 1)
def test_behind_any_context_probabilities_sum_to_one(texts, context, order, min_count):
    model = fitted(texts, order=order, min_count=min_count)
    vocabulary = sorted({word for text in texts for word in words_of(text)})
    said = [" ".join([*context, word]) for word in [*vocabulary, UNKNOWN]]
    ahead = [logs(model, text)[len(context)] for text in said]
    end = logs(model, " ".join(context))[-1]
    assert math.fsum(10.0**log for log in [*ahead, end]) == pytest.approx(1, abs=1e-6)


def test_perplexity_is_of_words_and_end():
    model, plain = fitted(ENGLISH), PlainModel(ENGLISH, 3, 2)
    texts = ["The old mill.", "corn zzz", "", "...", "The mill\n\nby the river"]
    expected = [10 ** (-sum(plain.logs(t)) / len(plain.logs(t))) if words_of(t) else math.nan for t in texts]
    assert model.perplexity(texts).tolist() == pytest.approx(expected, rel=1e-5, nan_ok=True)
    assert model.log10_likelihood(texts)[0] == pytest.approx(sum(plain.logs(texts[0])), rel=1e-5)
    assert model.perplexity(pa.array([], pa.string())).tolist() == []


def test_case_and_punctuation_are_no_matter_but_order_is():
    model = fitted(ENGLISH)
    one, same, shuffled = model.perplexity(
        ["The old mill by the river", "THE OLD - MILL, BY\nTHE RIVER!", "river by mill the old the"]
    )
    assert one == same < shuffled


@settings(deadline=None, max_examples=25)
@given(st.permutations([*ENGLISH, *CHINESE, ENGLISH[0], ""]), st.integers(1, 9), st.integers(2, 4))
def test_neither_order_nor_chunks_of_the_texts_matter(texts, cut, order):
    expected = fitted([*ENGLISH, *CHINESE, ENGLISH[0], ""], order=order)
    model = fitted(pa.chunked_array([texts[:cut], texts[cut:]], pa.string()), order=order)
    assert model.card == expected.card
    assert model.to_bytes() == expected.to_bytes()


@pytest.mark.parametrize(
    ("counts", "discounts"),
    [
        pytest.param([1] * 10 + [2] * 4 + [3] * 2 + [4], (5 / 9, 7 / 6, 17 / 9), id="by counts of counts"),
        pytest.param([1] * 10 + [2] * 4 + [3] * 2 + [5] * 9, FALLBACK, id="none seen four times"),
        pytest.param([1] * 2 + [2] + [3] * 9 + [4], FALLBACK, id="more threes than twos"),
        pytest.param([], FALLBACK, id="no n-grams"),
    ],
)
def test_discounts(counts, discounts):
    assert discounts_of(np.array(counts, np.int64)) == pytest.approx(discounts)


def test_rare_ngrams_of_the_highest_order_alone_are_left_out():
    sizes = [fitted(ENGLISH, order=3, min_count=n).card["ngrams"] for n in (1, 2, 3)]
    assert sizes[0][:2] == sizes[1][:2] == sizes[2][:2]
    assert sizes[0][2] > sizes[1][2] > sizes[2][2]


def test_bytes_and_card_make_the_same_model():
    model = fitted(ENGLISH, order=4)
    again = NgramModel.from_bytes(model.to_bytes(), model.card, "here")
    assert again.word_logs(ENGLISH).logs.tolist() == model.word_logs(ENGLISH).logs.tolist()
    assert again.digest == model.digest != fitted(ENGLISH).digest


@pytest.mark.parametrize(
    ("data", "card", "message"),
    [
        pytest.param(b"{}", {}, "here: not a safetensors file", id="no safetensors"),
        pytest.param(None, {"format": "x"}, "here: 'format' is 'x'", id="another format"),
        pytest.param(
            None, {"format_version": 9}, "'format_version' is 9, known is only 1", id="another version"
        ),
        pytest.param(
            None, {"digest": "0"}, "here: not the model that its card describes", id="another model"
        ),
    ],
)
def test_what_is_no_model_of_ours(data, card, message):
    model = fitted(ENGLISH)
    with pytest.raises(NgramModelError, match=message):
        NgramModel.from_bytes(data or model.to_bytes(), model.card | card, "here")


def test_nothing_to_train_on():
    with pytest.raises(ValueError, match="no text to train an n-gram model on has a word"):
        fitted(["", "..."])


@pytest.mark.parametrize(
    "text",
    [
        "x" * 2_000_000,
        "\n" * 1_000_000,
        "水" * 500_000,
        "a " * 500_000,
        "a\n" * 500_000,
        "\x00\u202e😀" * 100_000,
    ],
    ids=["one word", "blank lines", "one character", "one word again and again", "lines", "signs"],
)
def test_hostile_texts_are_scored_and_trained_on(text):
    perplexity = fitted(ENGLISH).perplexity([text])[0]
    assert math.isnan(perplexity) or 1 < perplexity < 1e12
    own = fitted([text, *ENGLISH]).perplexity([text])[0]
    assert math.isnan(own) == math.isnan(perplexity)
    assert math.isnan(own) or own <= perplexity
