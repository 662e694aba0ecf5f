"""Labels of blocks by alignment with gold texts, and the measures of extraction."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.html import gold_labels
from pipelines.html.blocks import read_blocks
from pipelines.html.gold_labels import bag_f1, shares, snippet_labels, snippets_found


@pytest.mark.parametrize(
    ("found", "gold", "figures"),
    [
        ("a b c", "A, B; c!", (1, 1, 1)),
        ("a b c d", "a b", (2 / 3, 0.5, 1)),
        ("a a", "a", (2 / 3, 0.5, 1)),
        ("", "a", (0, 0, 0)),
        ("a", "", (0, 0, 0)),
        ("", "", (1, 1, 1)),
        ("中文字", "中文", (0.8, 2 / 3, 1)),
    ],
    ids=[
        "case and signs",
        "too much",
        "a bag counts",
        "nothing found",
        "nothing to find",
        "both empty",
        "Han",
    ],
)
def test_bag_f1(found: str, gold: str, figures: tuple[float, float, float]) -> None:
    assert bag_f1(found, gold) == pytest.approx(figures)


@pytest.mark.parametrize(
    ("blocks", "gold", "labels"),
    [
        (["home", "one two three", "legal"], "one two three", [0, 1, 0]),
        (["one", "one two three", "three"], "one two three", [0, 1, 0]),
        (["one two x y"], "one two", [0.5]),
        (["a b c d", "e f g h"], "a b c d e f g h", [1, 1]),
        (["a b c d", "e f g h"], "e f g h a b c d", [1, 0]),
        (["...", "a b c"], "a b c", [None, 1]),
        (["a b c"], "", [0]),
    ],
    ids=[
        "among furniture",
        "runs win over lone words",
        "part",
        "in order",
        "order counts",
        "no words",
        "no gold",
    ],
)
def test_shares(blocks: list[str], gold: str, labels: list[float | None]) -> None:
    found = shares(read_blocks("".join(f"<p>{block}" for block in blocks).encode()), gold)
    assert found is not None
    if labels == [1, 0]:  # either half may be matched
        assert sorted(found.tolist()) == [0, 1]
    else:
        assert [None if np.isnan(share) else share for share in found] == pytest.approx(labels)


@given(st.lists(st.sampled_from("abcd"), max_size=12), st.lists(st.sampled_from("abcd"), max_size=12))
def test_matched_words_are_a_common_subsequence(page: list[str], gold: list[str]) -> None:
    """Independent oracle: the words that are matched occur in this order in the gold text."""
    blocks = read_blocks("".join(f"<p>{word}" for word in page).encode())
    found = shares(blocks, " ".join(gold))
    assert found is not None
    rest = iter(gold)
    assert all(word in rest for word, share in zip(page, found, strict=True) if share == 1)
    assert not page or not gold or page != gold or np.all(found == 1)


def test_too_long_to_align(monkeypatch: pytest.MonkeyPatch) -> None:
    page = read_blocks(b"<p>a b c")
    monkeypatch.setattr(gold_labels, "MOST_CELLS", 9)
    assert shares(page, "a b c") is not None
    assert shares(page, "a b c d") is None


def test_title_is_no_block() -> None:
    found = shares(read_blocks(b"<title>a b c</title><p>d e f"), "a b c d e f")
    assert found is not None
    assert found.tolist() == [1]


def test_snippets() -> None:
    page = read_blocks(b"<p>good line<p>bad line<p>other<p>good and bad")
    labels = snippet_labels(page, ["good"], ["bad"])
    assert labels[:2].tolist() == [1, 0]
    assert np.isnan(labels[2:]).all()
    assert snippets_found("x good y", ["good", "best"], ["bad", "x", "y"]) == (1, 1, 2, 1)
