"""Figures of a block's text, by table and against the word segmenter."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.html import block_stats as stats
from pipelines.html.block_stats import block_stats
from pipelines.html.blocks import read_blocks
from text.words import count_words


def figures(text: str, title: str = "") -> dict[str, int]:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;")
    row = block_stats(read_blocks(f"<title>{title}</title><pre>{escaped}".encode())).figures[0]
    names = [
        "units",
        "words",
        "capitals",
        "digits",
        "stops",
        "commas",
        "signs",
        "bars",
        "in_title",
        "first",
        "last",
    ]
    return dict(zip(names, row.tolist(), strict=True))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The quick Fox.", {"units": 11, "words": 3, "capitals": 2, "stops": 1, "signs": 1}),
        ("中文，标题。", {"units": 12, "words": 4, "capitals": 0, "stops": 1, "commas": 1, "signs": 2}),
        ("v3.5 of a.b.c", {"words": 6, "digits": 2, "stops": 0, "signs": 3}),
        ("Home | News » All", {"bars": 2, "words": 3, "first": stats.CAPITAL, "last": stats.WORD}),
        ("(see: 12)", {"first": stats.QUOTE, "last": stats.QUOTE, "digits": 2}),
        ("e\u0301te\u0301", {"units": 5, "words": 1}),
        ("中a中b", {"units": 8, "words": 4}),
        ("...", {"units": 0, "words": 0, "stops": 3, "first": stats.STOP}),
    ],
    ids=["sentence", "Chinese", "points inside", "menu", "brackets", "marks", "mixed scripts", "signs only"],
)
def test_figures(text: str, expected: dict[str, int]) -> None:
    assert figures(text).items() >= expected.items()


def test_words_of_the_title() -> None:
    assert figures("The Fox ran and ran", title="fox AND dog")["in_title"] == 2
    assert figures("标题在此", title="标题")["in_title"] == 2
    assert figures("anything")["in_title"] == 0


@given(st.text(st.characters(exclude_characters="\r\x00\xad", exclude_categories=["Cs"]), max_size=80))
def test_words_are_those_of_the_segmenter(text: str) -> None:
    page = read_blocks(b"<pre>" + text.replace("&", "&amp;").replace("<", "&lt;").encode())
    found = block_stats(page).figures[:, stats.WORDS].sum()
    assert found == count_words([page.text.tobytes()])[0]


def test_equal_blocks_have_equal_hashes_and_grams() -> None:
    page = read_blocks(b"<p>One two, three<p>one TWO three!<p>one two four<p>a b c d e<p>x a b c d")
    found = block_stats(page)
    assert found.hashes[0] == found.hashes[1] != found.hashes[2]
    assert np.diff(found.offsets).tolist() == [1, 1, 1, 2, 2, 0]
    grams = [found.grams[a:b].tolist() for a, b in zip(found.offsets, found.offsets[1:], strict=False)]
    assert grams[0] == grams[1]
    assert grams[3][0] == grams[4][1]


def test_grams_of_the_declared_text_come_last() -> None:
    page = read_blocks(b'<script>{"articleBody": "a b c d e"}</script><p>b c d e<p>x')
    found = block_stats(page)
    assert np.diff(found.offsets).tolist() == [1, 1, 2]
    assert found.grams[0] == found.grams[3]
