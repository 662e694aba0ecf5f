"""Pages as blocks and elements: what breaks a line, what is passed over, what is inside what."""

import re

import numpy as np
import pytest
from fastwarc.warc import ArchiveIterator, WarcRecordType
from hypothesis import given
from hypothesis import strategies as st
from resiliparse.extract.html2text import extract_plain_text

from pipelines.html import html_tags as tags
from pipelines.html import page_arrays as room
from pipelines.html.blocks import Blocks, read_blocks
from text.words import segment


def texts(page: Blocks) -> list[str]:
    return [page.text[start:end].tobytes().decode() for start, end in page.blocks[:, :2].tolist()]


@pytest.mark.parametrize(
    ("html", "blocks"),
    [
        ("a <b>b</b>\n\tc&nbsp;d", ["a b c d"]),
        ("<p>a<p>b<div>c</div>d", ["a", "b", "c", "d"]),
        ("a<br>b<hr>c", ["a", "b", "c"]),
        ("<ul><li>a<li>b<ul><li>c</ul>d</ul>", ["a", "b", "c", "d"]),
        ("<table><tr><td>a<td>b<tr><th>c</table>", ["a", "b", "c"]),
        ("<pre>a\n  b </pre>  c", ["a\n  b", "c"]),
        ("a<!-- <p>b -->c<!doctype x>d<?pi?>e", ["acde"]),
        ("a<script>'<p>'</script><style>x</style><textarea><p></textarea>b", ["ab"]),
        ("a<svg><g><text>x</text></g></svg>b<select><option>x</select>c", ["abc"]),
        ("<svg/>a<template><p>x</template>b", ["ab"]),
        ("x < y &lt;p&gt; 1<2", ["x < y <p> 1<2"]),
        ("so\u00adft hy&shy;phen", ["soft hyphen"]),
        ("a<noscript><p>b</noscript>c", ["a", "b", "c"]),
        ("<title>never ends<p>a<title>b<p>c", ["a", "c"]),
        ("<plaintext>a<p>b", ["a<p>b"]),
        ("<p></p> <p>&nbsp;</p>", []),
        ("a<p", ["a"]),
        ("é中\xa0文", ["é中 文"]),
        ("", []),
    ],
    ids=[
        "inline", "paragraphs", "line breaks", "lists", "cells", "preformatted", "comments", "raw text",
        "never shown", "self-closing", "no tags", "soft hyphens", "without scripts",
        "titles without end", "plaintext", "blank", "unfinished tag",
        "other bytes", "nothing",
    ],
)  # fmt: skip
def test_texts(html: str, blocks: list[str]) -> None:
    assert texts(read_blocks(html.encode())) == blocks


def test_strength_of_the_boundary_before() -> None:
    page = read_blocks(
        b"a<br>b<p>c</p>d<table><tr><td>e</td><td>f</td></tr><tr><td>g</table><div>h<ul><li>i<li>j"
    )
    found = dict(zip(texts(page), page.blocks[:, room.BREAK].tolist(), strict=True))
    assert found == {"a": 0, "b": 2, "c": 3, "d": 3, "e": 3, "f": 1, "g": 2, "h": 3, "i": 3, "j": 2}


def test_links_are_measured() -> None:
    page = read_blocks(b"<p>ab <a href=x>cd</a> <a name=y>ef</a><p><a href=x>gh</a><p>ij")
    assert page.blocks[:, room.LINK_BYTES].tolist() == [2, 2, 0]
    assert page.blocks[:, room.LINKS].tolist() == [1, 1, 0]


def test_a_link_that_is_not_closed_ends_with_the_next() -> None:
    page = read_blocks(b"<p><a href=x>ab<a href=y>cd</a>ef")
    assert page.blocks[0, room.LINK_BYTES] == 4


def path(page: Blocks, block: int) -> list[str]:
    """Names of the elements around a block, innermost first."""
    names, node = [], int(page.blocks[block, room.LEAF])
    while node > 0:
        names.append(tags.NAMES[page.nodes[node, room.TAG] - 1])
        node = int(page.nodes[node, room.PARENT])
    return names


@pytest.mark.parametrize(
    ("html", "around"),
    [
        ("<main><p><b>x", ["b", "p", "main"]),
        ("<div><p>a<div>x", ["div", "div"]),
        ("<ul><li><p>a<li>x", ["li", "ul"]),
        ("<table><tr><td><li>a<td>x", ["td", "tr", "table"]),
        ("<table><tbody><tr><td>a<tr><td>x", ["td", "tr", "tbody", "table"]),
        ("<div><span></div>x", []),
        ("<table><tr><td></div></table><p>x", ["p"]),
        ("<div><table><tr><td></div>x", ["td", "tr", "table", "div"]),
        ("<b><p>a</b><br><i>x", ["i", "p", "b"]),
        ("<dl><dt>a<dd>x", ["dd", "dl"]),
        ("<html><body><div></body></html>x", ["div", "body", "html"]),
    ],
    ids=[
        "nesting", "div ends p", "li ends li", "cell ends cell", "row ends row", "end tag passes inline",
        "table ends its cells", "end tag stops at a cell", "formatting ends out of order", "dd ends dt",
        "content behind the end",
    ],
)  # fmt: skip
def test_elements_around(html: str, around: list[str]) -> None:
    page = read_blocks(html.encode())
    assert path(page, len(page.blocks) - 1) == around


def test_elements_hold_their_blocks() -> None:
    page = read_blocks(b"<div>a<p>b</p></div><ul><li>c<li>d</ul>e")
    held = {
        tags.NAMES[row[room.TAG] - 1]: (int(row[room.BLOCKS_FROM]), int(row[room.BLOCKS_TO]))
        for row in page.nodes[1:]
    }
    assert held == {"div": (0, 2), "p": (1, 2), "ul": (2, 4), "li": (3, 4)}


@pytest.mark.parametrize(
    ("style", "hidden"),
    [
        ("hidden", True),
        ("style='color:red; DISPLAY : none'", True),
        ("style='display:block'", False),
        ("class=hidden", False),
    ],
    ids=["attribute", "style", "another style", "class"],
)
def test_hidden(style: str, hidden: bool) -> None:
    page = read_blocks(f"<div {style}><p>x".encode())
    assert bool(page.nodes[page.blocks[0, room.LEAF], room.MARKS] & tags.HIDDEN_MARK) == hidden


def names_of(attributes: str) -> set[int]:
    page = read_blocks(f"<div {attributes}>x".encode())
    return set(page.names[page.nodes[1, room.NAMES_FROM] : page.nodes[1, room.NAMES_TO]].tolist())


def test_names_of_an_element() -> None:
    tag = names_of("title='main post'")
    assert len(tag) == 1
    assert names_of("class='post'") == names_of("id=Post") == names_of("role='post'") > tag
    assert names_of("class='post body'") == names_of("class=post id=body")
    assert names_of("class=post-body") > names_of("class='post body'")
    assert names_of("class=postBody") > names_of("class='post body'")
    assert names_of("class=p1-post-23") == names_of("class=p7-post-85")


def test_title_stands_before_the_blocks() -> None:
    page = read_blocks(b"<title> A &amp; B </title><p>c<title>d</title>")
    assert page.text[: page.title].tobytes() == b"A & B"
    assert texts(page) == ["c"]


def test_depth_is_told_up_to_the_limit() -> None:
    assert read_blocks(b"<div>" * 30 + b"x", 40).depth == 30
    deep = read_blocks(b"<p>a" + b"<div>" * 90 + b"x" + b"</div>" * 90 + b"<p>b", 40)
    assert deep.depth == 41
    assert texts(deep) == ["a", "x", "b"]
    assert path(deep, 2) == ["p"]


def test_too_many_blocks_run_together() -> None:
    page = read_blocks(b"<p>ab" * (room.MOST_BLOCKS + 10))
    assert len(page.blocks) == room.MOST_BLOCKS
    assert page.text.tobytes().count(b"ab") == room.MOST_BLOCKS + 10


PIECES = [
    "<p>", "</p>", "<div class='a-b c1'>", "</div>", "<table>", "<tr>", "<td>", "</table>", "<a href=x>", "<a>",
    "</a>", "<b>", "</b>", "<li>", "<ul>", "</ul>", "<svg>", "</svg>", "<select>", "</select>", "<pre>", "</pre>",
    "<br>", "<script>", "</script>", "<title>", "</title>", "<!--", "-->", "&nGt;", "&#x10ffff;", "&shy;", "x",
    "中", " ", "\n", "\x00", "<", "</", ">", "'", "<img/>", "<template>", "</template>", "</b", "<option>",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=60).map("".join), st.integers(1, 20))
def test_any_markup_gives_sound_arrays(html: str, max_depth: int) -> None:
    page = read_blocks(html.encode(), max_depth)
    blocks, nodes = page.blocks.astype(int), page.nodes.astype(int)
    n = len(blocks)
    edges = np.concatenate([[page.title], blocks[:, :2].ravel(), [len(page.text)]])
    assert np.all(np.diff(edges) >= 0)
    assert all(text.strip() == text and text for text in texts(page))
    assert np.all(blocks[:, room.LINK_BYTES] <= blocks[:, room.END] - blocks[:, room.START])
    assert np.all((blocks[:, [room.LEAF, room.BOX]] >= 0) & (blocks[:, [room.LEAF, room.BOX]] < len(nodes)))
    assert np.all(nodes[1:, room.PARENT] < np.arange(1, len(nodes)))
    assert np.all(nodes[:, room.BLOCKS_FROM] <= nodes[:, room.BLOCKS_TO])
    assert np.all(nodes[:, room.BLOCKS_TO] <= n)
    for block, box in enumerate(blocks[:, room.BOX].tolist()):
        assert nodes[box, room.BLOCKS_FROM] <= block < nodes[box, room.BLOCKS_TO]
    assert np.array_equal(nodes[1:, room.NAMES_FROM], nodes[:-1, room.NAMES_TO])


@given(st.binary(max_size=300))
def test_any_bytes_are_read(data: bytes) -> None:
    read_blocks(data)


def test_the_same_words_as_another_parser(real_data) -> None:
    """Words of all blocks and of resiliparse's plain text agree nearly always: 97 of 100 on each page."""
    shares = []
    with (real_data / "extraction" / "zh_cwced.warc.gz").open("rb") as stream:
        for record in ArchiveIterator(stream, record_types=WarcRecordType.response):
            html = record.reader.read().decode("utf-8", "replace")
            ours = segment([" ".join(texts(read_blocks(html.encode())))]).hashes
            other = extract_plain_text(re.sub("\xad", "", html), preserve_formatting=False, alt_texts=False)
            theirs = segment([other]).hashes
            common = len(np.intersect1d(ours, theirs))
            shares.append(common / max(1, len(np.unique(theirs))))
    assert np.mean(shares) > 0.97
