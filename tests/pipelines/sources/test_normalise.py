"""One form for all text, and long texts in pieces of like length."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.sources.normalise import normalise, split_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a\r\nb\rc\nd", "a\nb\nc\nd", id="newlines-of-all-systems"),
        pytest.param("a\x0cb\x0bc\x85d\u2028e\u2029f", "a\nb\nc\nd\ne\nf", id="page-and-line-separators"),
        pytest.param("a\0b\x07c\x7fd\x9fe", "abcde", id="control-characters"),
        pytest.param("a\tb", "a\tb", id="tab-stays"),
        pytest.param("\ufeffa", "a", id="byte-order-mark"),
        pytest.param("a\ud800b", "a\ufffdb", id="lone-surrogate"),
        pytest.param("a \t\u3000\nb", "a\nb", id="white-space-before-newline"),
        pytest.param("a\n\n\n\nb", "a\n\nb", id="one-blank-line-stays"),
        pytest.param("a\n \n \n \nb", "a\n\nb", id="blank-lines-of-spaces"),
        pytest.param(" \n\0 \r\n", "", id="nothing"),
        pytest.param("　１２月 <unk> @-@ é😀", "１２月 <unk> @-@ é😀", id="all-else-stays"),
    ],
)
def test_normalise(text: str, expected: str) -> None:
    assert normalise(text) == expected


@given(st.text(st.characters(), max_size=60))
def test_normalised_text_is_utf8_and_a_fixed_point(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    assert once.encode("utf-8").decode("utf-8") == once


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        pytest.param("aaa bbb", 7, ["aaa bbb"], id="fits"),
        pytest.param("aaaa\n\nbb bb\ncc", 9, ["aaaa", "bb bb\ncc"], id="blank-line-before-line-end"),
        pytest.param("aaaa\nbb bbb", 8, ["aaaa", "bb bbb"], id="line-end-before-space"),
        pytest.param("aaaa bbbb", 6, ["aaaa", "bbbb"], id="space"),
        pytest.param("aaaaabbbbb", 6, ["aaaaab", "bbbb"], id="no-boundary"),
    ],
)
def test_split(text: str, limit: int, expected: list[str]) -> None:
    assert list(split_text(text, limit)) == expected


@given(st.text("ab \n", max_size=400).map(normalise), st.integers(1, 50))
def test_pieces_are_short_and_lose_only_white_space(text: str, limit: int) -> None:
    pieces = list(split_text(text, limit))
    assert all(len(piece) <= limit for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())


def test_pieces_are_of_like_length() -> None:
    paragraphs = "\n\n".join(["word " * 19 + "end."] * 100)
    lengths = [len(piece) for piece in split_text(paragraphs, 4000)]
    assert len(lengths) == 3
    assert max(lengths) < 1.3 * min(lengths)
