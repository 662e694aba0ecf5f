import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quality.classifiers.fasttext_words import fasttext_hashes, fold, lines
from tests.text_forms import FORMS
from text.words import segment

ANY = st.lists(st.text(st.characters(codec="utf-8"), max_size=40), max_size=6)


def folded_words(folded):
    return [
        bytes(folded.data[first:stop]).decode()
        for first, stop in zip(folded.places[:-1], folded.places[1:], strict=True)
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The  Cat's\nmat.", "the cat s mat "),
        ("历史上的河", "历 史 上 的 河 "),
        ("GPT-3在2020年", "gpt 3 在 2020 年 "),
        ("ÅNGSTRÖM Ωmega ДОМ", "ångström ωmega дом "),
        ("Ⱥble", "ⱥble "),
        ("... !?", ""),
        ("", ""),
        ("a\x00b\x0bc\u3000d", "a b c d "),
        ("__label__curated </s>", "label curated s "),
    ],
    ids=[
        "letter case, signs, lines",
        "Chinese characters",
        "digits and scripts",
        "other scripts",
        "a letter whose small form is longer",
        "signs alone",
        "empty",
        "control characters and wide blanks",
        "what fastText would read as its own marks",
    ],
)
def test_a_line_is_its_folded_words(text, expected):
    assert lines([text]).to_pylist() == [expected]


@given(ANY)
def test_words_are_those_of_the_segmenter_in_lower_case(texts):
    folded = fold(texts)
    expected = []
    for text, (first, stop) in zip(
        texts, zip(folded.words.offsets[:-1], folded.words.offsets[1:], strict=True), strict=True
    ):
        raw = text.encode()
        for word in range(first, stop):
            word_text = raw[folded.words.starts[word] : folded.words.ends[word]].decode()
            expected.append("".join(c.lower()[0] for c in word_text))
    assert folded_words(folded) == expected


@given(ANY)
def test_a_folded_word_is_one_word_with_the_same_hash(texts):
    folded = fold(texts)
    again = segment(pa.array(folded_words(folded), pa.string()))
    assert (np.diff(again.offsets) == 1).all()
    np.testing.assert_array_equal(again.hashes, folded.words.hashes)


@given(ANY)
def test_lines_are_the_words_with_blanks(texts):
    folded = fold(texts)
    words = folded_words(folded)
    expected = [
        "".join(f"{word} " for word in words[first:stop])
        for first, stop in zip(folded.words.offsets[:-1], folded.words.offsets[1:], strict=True)
    ]
    assert lines(texts).to_pylist() == expected


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=9), max_size=5))
def test_hashes_are_fnv_over_signed_bytes(words):
    raw = [word.encode() for word in words]
    places = np.cumsum([0, *map(len, raw)]).astype(np.int64)
    found = fasttext_hashes(np.frombuffer(b"".join(raw), np.uint8), places)
    for word, value in zip(raw, found.tolist(), strict=True):
        h = 2166136261
        for byte in word:
            signed = byte - 256 if byte > 127 else byte
            h = ((h ^ (signed & 0xFFFFFFFF)) * 16777619) & 0xFFFFFFFF
        signed_hash = h - (1 << 32) if h >= 1 << 31 else h
        assert value == signed_hash & 0xFFFFFFFFFFFFFFFF


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_texts_has_the_same_lines(form):
    values = ["Die ÄPFEL", "", "三 apples"]
    assert lines(FORMS[form](values)).to_pylist() == ["die äpfel ", "", "三 apples "]
