"""Passages that a page has twice are kept once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.html.block_repeats import LONG_UNITS, without_repeats
from pipelines.html.block_stats import block_stats
from pipelines.html.blocks import read_blocks

LONG = (
    "The quick brown fox jumps over the lazy dog, and that dog never minds it at all, "
    "since he sleeps here every day until the evening comes. "
)
OTHER = (
    "An altogether different paragraph says something new about a matter of which "
    "nobody in this whole place has ever spoken before. "
)
CHINESE = "记者从有关部门了解到，这项工作已经取得了重要进展，今后将继续加强管理，提高服务水平，改善民生。"


def kept(blocks: list[str], chosen: list[int] | None = None) -> list[bool]:
    page = read_blocks("".join(f"<p>{block}" for block in blocks).encode())
    given = np.array(chosen or [1] * len(blocks), np.bool_)
    return without_repeats(given, block_stats(page)).tolist()


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        ([LONG, OTHER, LONG], [True, True, False]),
        ([LONG, OTHER, LONG + OTHER], [True, True, False]),
        ([LONG + OTHER, LONG, OTHER], [True, False, False]),
        ([LONG, LONG + OTHER], [True, True]),
        (["A short refrain", OTHER, "A short refrain"], [True, True, True]),
        ([CHINESE, CHINESE], [True, False]),
        ([LONG + LONG], [True]),
        ([], []),
    ],
    ids=[
        "a copy", "a copy in one piece", "a copy in two", "half is new", "short", "Chinese", "within itself", "none",
    ],
)  # fmt: skip
def test_without_repeats(blocks: list[str], expected: list[bool]) -> None:
    assert kept(blocks) == expected


def test_copies_of_what_is_not_chosen_stay() -> None:
    assert kept([LONG, LONG, LONG], [0, 1, 1]) == [False, True, False]


@given(st.lists(st.sampled_from([LONG, OTHER, CHINESE, "short one", LONG[:50]]), max_size=8))
def test_each_text_is_kept_once_and_nothing_else_is_dropped(blocks: list[str]) -> None:
    found = kept(blocks)
    for i, (block, keep) in enumerate(zip(blocks, found, strict=True)):
        long = block in (LONG, OTHER, CHINESE)
        assert keep == (not long or block not in blocks[:i])


def test_long_is_as_documented() -> None:
    words = " ".join(f"word{n}" for n in range(100))
    for size, dropped in ((LONG_UNITS - 1, False), (LONG_UNITS, True)):
        text = words[: next(k for k in range(len(words)) if sum(c != " " for c in words[:k]) == size)]
        assert kept([text, text])[1] != dropped
