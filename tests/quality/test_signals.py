from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quality.catalogue import SIGNALS, table
from quality.measures.gaps import MAX_RUN, find_gaps
from quality.signals import compute
from tests.quality import plain_signals as plain
from text.buffers import text_buffer
from text.words import segment

# Only symbols that spaCy would not join to words stand here, each beside a space.
PARTS = [
    "the",
    "of",
    "And",
    "one",
    "two2",
    "7",
    "two",
    " ",
    " ",
    "\n",
    "\n\n",
    " , ",
    ". ",
    "... ",
    " # ",
    '" ',
    "! ",
]
LETTERS = [
    "a",
    "B",
    "你",
    "好",
    "的",
    "，",
    "。",
    "、",
    " ",
    "\n",
    "é",
    "１",
    "가",
    "나",
    "ก",
    "็",
    "\u3000",
    "#",
    "-",
]

LINES = [
    "the one line of two.\n",
    "- that is it\n",
    "\n",
    " \n",
    "be with it ! That is all of it.\n",
    "...\n",
    "have\n",
]

texts_of_parts = st.lists(st.sampled_from(PARTS), max_size=60).map("".join)
texts_of_words = texts_of_parts | st.lists(st.sampled_from(LINES), max_size=12).map("".join)
texts_of_letters = st.lists(st.sampled_from(LETTERS), max_size=40).map("".join)


def one(text, language=None):
    """Signals of one text as a dict."""
    return compute(pa.array([text]), language).to_pylist()[0]


def assert_agrees(found, expected):
    assert {name: found[name] for name in expected} == pytest.approx(expected, nan_ok=True)


@settings(max_examples=120)
@given(texts_of_words)
def test_gopher_agrees_with_the_papers_sentences(text):
    assert_agrees(one(text), plain.gopher(text))


@settings(max_examples=120)
@given(texts_of_letters)
def test_gopher_agrees_on_characters_of_many_scripts(text):
    assert_agrees(one(text, "zh"), plain.gopher(text, "zh"))


@settings(max_examples=120)
@given(texts_of_words)
def test_the_other_rule_sets_agree_with_their_owners_sentences(text):
    found = one(text)
    assert_agrees(found, plain.gopher_datatrove(text) | plain.fineweb(text))
    assert_agrees(found, {f"c4_{name}": value for name, value in plain.c4(text).items()})
    datatrove = plain.c4(text, 3, (".", "?", "!", '"', "'"))
    assert_agrees(found, {f"c4_datatrove_{name}": value for name, value in datatrove.items()})


@given(st.lists(texts_of_words | texts_of_letters, max_size=6), st.integers(0, 5))
def test_a_text_does_not_depend_on_its_neighbours(texts, first):
    together = compute(pa.array(texts, pa.string()).slice(min(first, len(texts))), "en").to_pylist()
    assert together == [one(text, "en") for text in texts[first:]]


def test_slices_of_a_large_batch_are_put_together_in_order(monkeypatch):
    texts = [f"the page {i} of {'very ' * (i % 50)} many" for i in range(200)]
    whole = compute(texts, "en")
    monkeypatch.setattr("quality.signals._SLICE_BYTES", 700)
    assert compute(pa.chunked_array([texts[:90], [], texts[90:]]), "en").equals(whole)


def test_columns_are_those_of_the_catalogue():
    batch = compute(pa.array([], pa.string()))
    assert batch.schema.names == [signal.name for signal in SIGNALS]
    assert set(batch.schema.types) == {pa.float64()}
    assert len(set(batch.schema.names)) == len(SIGNALS)
    assert table().count("\n") == len(SIGNALS) + 2


@pytest.mark.parametrize("text", ["", " ", "\n\n \t\u3000\n"], ids=["empty", "blank", "white_space"])
def test_shares_of_nothing_are_null(text):
    found = one(text)
    counts = {name for name, value in found.items() if value is not None and "datatrove" not in name}
    assert found["gopher_word_count_v1"] == 0
    assert found["text_lines_v1"] == 0
    assert not {name for name in counts if "mean" in name or "line_fraction" in name or "punct" in name}


STOP_WORD_CASES = {
    "english_different_ones": ("en", "The cat and the dog and THE bird", 2),
    "unknown_language_as_the_owners_do": (None, "to be or not to be", 2),
    "undetermined": ("und", "to be or not to be", None),
    "no_list": ("eu", "to be or not to be", None),
    "english_words_do_not_count_in_chinese": ("zh", "to be with that", 0),
    "chinese_simplified": ("zh", "这是我们的书，他说。", 5),
    "chinese_traditional_counts_as_the_same": ("zh-TW", "這是这是", 2),
    "cantonese_by_the_chinese_list": ("yue", "這是", 2),
    "german": ("de", "Der Hund und die Katze sind nicht hier", 4),
    "russian": ("ru", "Он не был в городе, и я это знаю", 6),
    "korean_particles": ("ko", "나는 학교에 간다", 3),
    "japanese": ("ja", "私は本を読む", 2),
    "in_a_compound": ("en", "well-to-do", 1),
}


@pytest.mark.parametrize(("language", "text", "count"), STOP_WORD_CASES.values(), ids=STOP_WORD_CASES)
def test_stop_words(language, text, count):
    assert one(text, language)["gopher_stop_words_v1"] == count


def test_each_text_has_its_own_language():
    texts = ["the of and", "的是在", "the of and", "the of and"]
    found = compute(texts, pa.array(["en", "zh", None, "de"]))["gopher_stop_words_v1"].to_pylist()
    assert found == [3, 3, None, 0]


def test_languages_must_be_as_many_as_the_texts():
    with pytest.raises(ValueError, match="2 languages for 1 texts"):
        compute(["text"], ["en", "de"])


def test_datatrove_counts_stop_words_in_lower_case_only():
    assert one("The OF and")["gopher_datatrove_stop_words_v1"] == 1


def test_dialects_differ_threefold_on_one_page():
    sentence = "our shop sells the finest garden chairs in town"
    page = f"{sentence}. {' '.join(f'word{i}' for i in range(40))}. {sentence}."
    found = one(page)
    assert (
        found["gopher_dup_5gram_char_fraction_v1"]
        > 2 * found["gopher_datatrove_dup_5gram_char_fraction_v1"]
        > 0
    )


def test_an_all_unique_short_text_has_no_repetition_but_for_datatrove():
    found = one("every word here stands alone just this once")
    assert found["gopher_top_2gram_char_fraction_v1"] == 0
    assert found["gopher_datatrove_top_2gram_char_fraction_v1"] == pytest.approx(10 / 43)


def test_blank_lines_are_no_lines():
    found = one("one line.\n\n \n\nanother line.\n\n\n")
    assert found["text_lines_v1"] == 2
    assert found["gopher_dup_line_fraction_v1"] == 0
    assert found["gopher_datatrove_dup_line_fraction_v1"] == 0


CHINESE_LINES = {
    "full_stop": ("今天我们去公园玩。", 1),
    "behind_a_quotation": ("他说：“今天我们去公园。”", 1),
    "corner_bracket": ("「今天我們去公園！」", 1),
    "ellipsis": ("今天我们去公园……", 1),
    "comma": ("今天我们去公园，", 0),
    "title": ("公园介绍", 0),
}


@pytest.mark.parametrize(("text", "ratio"), CHINESE_LINES.values(), ids=CHINESE_LINES)
def test_ends_of_chinese_lines(text, ratio):
    found = one(text, "zh")
    assert found["fineweb_line_punct_ratio_v1"] == ratio == plain.ends_with_terminal(text)
    assert found["c4_kept_lines_v1"] == ratio


def test_a_chinese_line_of_eleven_characters_is_not_short():
    texts = ["一二三四五六七八九十", "一二三四五六七八九十一"]
    assert compute(texts, "zh")["fineweb_short_line_ratio_v1"].to_pylist() == [1, 0]
    assert compute(texts, "en")["fineweb_short_line_ratio_v1"].to_pylist() == [1, 1]


MILLION = 1_000_000
HOSTILE = {
    "one_character": "a" * MILLION,
    "one_symbol": "!" * MILLION,
    "dots": "." * MILLION,
    "mixed_symbols": "!?" * (MILLION // 2),
    "line_feeds": "\n" * MILLION,
    "lines": "x\n" * (MILLION // 2),
    "one_word": "a " * (MILLION // 2),
    "two_words": "a b " * (MILLION // 4),
    "nulls": "\0" * MILLION,
    "nulls_between": "a\0" * (MILLION // 2),
    "right_to_left": "שלום עולם. " * (MILLION // 20),
    "emoji": "👩‍👩‍👧‍👦" * (MILLION // 25),
    "chinese": "的" * (MILLION // 3),
    "address": "http://a" + "/b" * (MILLION // 2),
    "citations": "[1]" * (MILLION // 3),
    "closers": "。" + "”" * (MILLION // 3),
    "apostrophes": "a'" * (MILLION // 2),
    "phrases": "use cookies " * (MILLION // 12),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_texts(text):
    for language in ("en", "zh"):
        figures = compute(pa.array([text]), language)
        values = np.array([column[0].as_py() or 0.0 for column in figures.columns])
        assert np.isfinite(values).all()
        assert (values >= 0).all()


def test_a_run_of_one_symbol_is_cut():
    data = text_buffer(pa.array(["!" * 5000 + "\n" * 3000]))
    gaps = find_gaps(data, segment(pa.array(["!" * 5000 + "\n" * 3000])))
    assert np.count_nonzero(gaps.codes == ord("!")) == MAX_RUN
    assert one("\n" * 3000 + "a")["fineweb_list_ratio_v1"] == 3000


def test_a_line_with_a_word_of_more_than_a_thousand_characters():
    found = compute([f"this is a line with {'x' * n} in it." for n in (1000, 1001)])
    assert found["c4_long_word_lines_v1"].to_pylist() == [0, 1]
    assert found["c4_kept_lines_v1"].to_pylist() == [1, 0]


def test_malformed_bytes_are_symbols():
    found = one(b"ab \xff\xfe cd\xed\xa0\x80 e")
    assert found["gopher_word_count_v1"] == 3


def test_the_page_shows_the_catalogue():
    assert table() in (Path(__file__).parents[2] / "docs" / "signals.md").read_text()
