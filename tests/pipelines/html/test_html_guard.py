"""The scan before the parser: how deep it thinks a page is, and what it cuts."""

import re

import pytest
from fastwarc.warc import ArchiveIterator, WarcRecordType
from hypothesis import given
from hypothesis import strategies as st
from resiliparse.parse.html import HTMLTree, NodeType

from pipelines.html.charset import decode
from pipelines.html.html_guard import Survey, survey, without

FAR = {"max_depth": 512, "max_tag_bytes": 65536, "max_attributes": 1000, "max_options": 256}


def scan(html: str, **limits: int) -> Survey:
    return survey(html.encode(), **{**FAR, **limits})


def kept(html: str, **limits: int) -> str:
    return without(html.encode(), scan(html, **limits).cuts).decode()


@pytest.mark.parametrize(
    ("html", "depth"),
    [
        ("<div><div><div>", 3),
        ("<div></div><div></div>", 1),
        ("<DIV><Div></dIv></div><p>", 2),
        ("<br><img><hr><input><br/>", 0),
        ("<p>a<p>b<p>c", 1),
        ("<ul><li>a<li>b<li>c</ul><p>", 2),
        ("<table><tr><td>a<td>b<tr><td>c</table><p>", 3),
        ("<dl><dt>a<dd>b<dt>c</dl>", 2),
        ("<p><div><p><div>", 2),
        ("<div></b><div></b><div></b>", 3),
        ("<span><div></span><span><div></span>", 4),
        ("<div><table><td></div><div><table><td></div>", 6),
        ("<div><span></div><div><span></div>", 2),
        ("<p><b id=1></p>x<p><b id=2></p>x<p><b id=3></p>", 4),
        ("<div/><div/><div/>", 3),
        ("<svg><path/><path/><path/></svg>", 1),
        ("<!-- <div><div> --><p>", 1),
        ("<!--><div><div>", 2),
        ("<!-- a --!><div>", 1),
        ("<script>'<div><div>'</script><p>", 1),
        ("<svg><style><div><div><div>", 5),
        ("<textarea><div></textarea><p>", 1),
        ("<a title='<div><div>'><b>", 2),
        ("<a title=<div><b>", 2),
        ("<a '><div>", 2),
        ("<plaintext><div><div>", 0),
        ("<select><plaintext></select><div><div><div>", 3),
        ("a < b << <3 <", 0),
        ("<html><head><body><div>", 1),
        ("<div", 0),
    ],
)
def test_depth(html: str, depth: int) -> None:
    assert scan(html).depth == depth


def test_depth_stops_counting_behind_the_limit() -> None:
    assert scan("<div>" * 5000, max_depth=512).depth == 513


@pytest.mark.parametrize(
    ("html", "rest"),
    [
        ("<p a b c d>x</p>", "<p>x</p>"),
        ("<p a b c>x</p>", "<p a b c>x</p>"),
        ("<p a = 'b > c' d>x</p>", "<p a = 'b > c' d>x</p>"),
        (f"<p a='{'y' * 300}'>x</p>", "<p>x</p>"),
        ("<select><option>1<option>2<option>3</select>x", "<select><option>1<option>2</select>x"),
        (
            "<select><option>1</option><b><option>2<option>3</b><option>4<input>x",
            "<select><option>1</option><b><option>2<input>x",
        ),
        ("<option>1<option>2<option>3", "<option>1<option>2<option>3"),
        ("<select><option>1</select><select><option>2<option>3", None),
        ("<select><option>1<option>2<option>3", "<select><option>1<option>2"),
        ("x<p a b c d", "x<p"),
    ],
    ids=[
        "too many attributes",
        "as many as allowed",
        "blanks around the equals sign",
        "too long a tag",
        "too many options",
        "an input ends the select",
        "options outside of a select",
        "two selects",
        "select never closed",
        "tag never closed",
    ],
)  # fmt: skip
def test_cuts(html: str, rest: str | None) -> None:
    assert kept(html, max_attributes=3, max_tag_bytes=256, max_options=2) == (html if rest is None else rest)


def test_cuts_are_ascending_and_apart_however_many() -> None:
    html = ("<p " + "a " * 300 + ">x</p><select>" + "<option>" * 300 + "</select>") * 50
    cuts = scan(html, max_attributes=128, max_options=64).cuts
    assert len(cuts) == 100
    assert all(a < b for a, b in cuts)
    assert all(cuts[i][1] <= cuts[i + 1][0] for i in range(len(cuts) - 1))


@given(st.binary(max_size=400))
def test_any_bytes_can_be_scanned(data: bytes) -> None:
    found = survey(data, 16, 64, 3, 2)
    assert len(without(data, found.cuts)) <= len(data)


@given(
    st.lists(
        st.sampled_from(
            ["<div>", "</div>", "<b>", "</b>", "<span>", "</span>", "<section>", "</section>", "x"]
        )
    )
)
def test_never_far_below_the_parser(tags: list[str]) -> None:
    html = "".join(tags)
    assert scan(html).depth >= dom_depth(html) - len(set(re.findall("<b>", html)))


def test_close_to_the_parser_on_real_pages(real_data) -> None:
    """Implied elements (such as tbody) make a tree deeper than its tags; no page trips the gate."""
    for name in ("commoncrawl_2008_multidomain", "newspaper_articles", "resiliparse_cc2020_sample"):
        with (real_data / "crawl" / f"{name}.warc.gz").open("rb") as stream:
            for number, record in enumerate(ArchiveIterator(stream)):
                if record.record_type == WarcRecordType.response and number % 4 == 0:
                    html = decode(record.reader.read()).text
                    assert dom_depth(html) - 10 <= scan(html).depth <= 250


def dom_depth(html: str) -> int:
    """Deepest element below body in resiliparse's own tree."""
    node, depth, deepest = HTMLTree.parse(html).document, 0, 0
    while True:
        child = node.first_child
        if child is not None:
            node, depth = child, depth + 1
        else:
            while node is not None and node.next is None:
                node, depth = node.parent, depth - 1
                if node is None or depth <= 0:
                    return max(0, deepest - 2)
            node = node.next
        if node.type == NodeType.ELEMENT:
            deepest = max(deepest, depth)
