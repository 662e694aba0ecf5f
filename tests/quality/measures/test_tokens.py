import numpy as np
import pyarrow as pa
import pytest

from quality.measures.gaps import count_symbols, describe, find_gaps
from quality.measures.tokens import ALPHABETIC, OPENS_CHUNK, SYMBOL, cut
from text.buffers import text_buffer
from text.words import segment


def taken_apart(text):
    buffer, words = text_buffer(pa.array([text])), segment(pa.array([text]))
    gaps = find_gaps(buffer, words)
    tokens, lines = cut(buffer.offsets, words, describe(buffer, words), gaps)
    return tokens, lines, count_symbols(gaps)[0].tolist()


# As spaCy's English tokenizer has them (but don't, which it cuts as do + n't), with a bar between tokens.
TOKENS = {
    "punctuation_at_the_end": "Hello|, |world|!",
    "contraction": "don|'t",
    "possessive_curly": "dog|’s",
    "decimal": "3.14",
    "thousands": "10,000",
    "comma_between_letters": "a|,|b",
    "time": "10:30",
    "colon_before_a_letter": "re|:|view",
    "hyphen": "well|-|known",
    "hyphen_between_numbers": "3|-|4",
    "hyphen_of_a_mixed_word": "covid-19",
    "underscore": "a_b",
    "ampersand": "AT&T",
    "bare_address": "example.com/a/b",
    "address": "https://www.a.com/b-c?d=1",
    "mail": "a@b.com",
    "slash": "and|/|or",
    "no_space_behind_a_sentence": "end|.|Then",
    "initials": "J.| Smith",
    "abbreviation": "U.S.",
    "dots": "wait|...|what",
    "two_dashes": "a|--|b",
    "brackets": "(|a|)",
    "each_exclamation_mark": "so|!|!|!",
    "chinese": "你|好|，|世|界",
}


@pytest.mark.parametrize("shown", TOKENS.values(), ids=TOKENS)
def test_tokens(shown):
    expected = [len(part.strip()) for part in shown.split("|")]
    assert taken_apart(shown.replace("|", ""))[0].sizes.tolist() == expected


CHUNKS = {
    "white_space_words": ("two words, here", 3),
    "a_symbol_by_itself": ("a - b", 3),
    "chinese_characters": ("你好，世界。", 4),
    "latin_behind_chinese": ("中文abc", 3),
    "symbol_between_chinese_and_latin": ("中，abc", 2),
    "korean_words": ("나는 학교에 간다", 3),
    "ideographic_space": ("a\u3000b", 2),
    "no_break_space": ("a\xa0b", 2),
}


@pytest.mark.parametrize(("text", "n"), CHUNKS.values(), ids=CHUNKS)
def test_chunks(text, n):
    assert np.count_nonzero(taken_apart(text)[0].flags & OPENS_CHUNK) == n


def test_flags_tell_letters_and_symbols():
    flags = taken_apart("a1 22 ! ٣")[0].flags
    assert (flags & ALPHABETIC != 0).tolist() == [True, False, False, False]
    assert (flags & SYMBOL != 0).tolist() == [False, False, True, False]


def test_lines_lose_white_space_and_paragraphs_begin_behind_blank_ones():
    text = " one \n\ttwo.\n \u3000\nthree é"
    _, lines, _ = taken_apart(text)
    raw = text.encode()
    shown = [raw[a:b].decode() for a, b in zip(lines.starts, lines.ends, strict=True)]
    assert shown == ["one", "two.", "three é"]
    assert lines.opens_paragraph.tolist() == [True, False, True]
    assert lines.words.tolist() == [0, 1, 2]
    assert lines.tokens.tolist() == [0, 1, 3]


SYMBOLS = {
    "three_dots": ("a...", [0, 1, 0, 0]),
    "seven_dots": (".......", [0, 2, 0, 0]),
    "dots_apart": (". . .", [0, 0, 0, 0]),
    "ellipsis_twice": ("……", [0, 2, 0, 0]),
    "hashes_in_an_address": ("http://a#b#c", [2, 0, 0, 0]),
    "brackets_and_lines": ("{\n{}\n", [0, 0, 2, 2]),
}


@pytest.mark.parametrize(("text", "counts"), SYMBOLS.values(), ids=SYMBOLS)
def test_symbols(text, counts):
    assert taken_apart(text)[2] == counts


def test_equal_runs_have_equal_hashes_and_longer_ones_others():
    hashes = taken_apart("-- a -- b ---")[0].hashes
    assert hashes[0] == hashes[2] != hashes[4]
