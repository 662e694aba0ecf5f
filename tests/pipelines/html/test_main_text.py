"""Chosen blocks as text, and whole pages by the shipped weights."""

import numpy as np
import pytest

from pipelines.html.blocks import read_blocks
from pipelines.html.main_text import main_text, text_of

ENGLISH = (
    "The quick brown fox jumps over the lazy dog, and the dog does not mind it at all.",
    "Nobody in the village remembers when the first of the two came, but all of them tell the story.",
    "It was a cold morning, they say, and the river had been frozen for weeks, when a shot was heard.",
)
CHINESE = (
    "记者从有关部门了解到，这项工作已经取得了重要进展，今后将继续加强管理，提高服务水平。",
    "据介绍，今年以来，全市共有三百多家企业参加了活动，群众的满意程度明显上升。",
    "专家认为，天气变化是造成这一现象的主要原因，市民出门时应当注意安全。",
)


@pytest.mark.parametrize(
    ("html", "chosen", "text"),
    [
        ("<p>a<p>b", [1, 1], "a\n\nb"),
        ("a<br>b<div>c", [1, 1, 1], "a\nb\nc"),
        ("<table><tr><td>a<td>b<tr><td>c", [1, 1, 1], "a\tb\nc"),
        ("<ul><li>a<li>b</ul>c", [1, 1, 1], "a\nb\n\nc"),
        ("a<br><p>b</p>c", [1, 0, 1], "a\n\nc"),
        ("a<br>b", [0, 1], "b"),
        ("a", [0], ""),
    ],
    ids=["paragraphs", "lines", "cells", "lists", "the strongest boundary between", "the first", "none"],
)
def test_text_of(html: str, chosen: list[int], text: str) -> None:
    assert text_of(read_blocks(html.encode()), np.array(chosen, np.bool_)).decode() == text


@pytest.mark.parametrize("sentences", [ENGLISH, CHINESE], ids=["English", "Chinese"])
def test_an_article_without_its_furniture(sentences: tuple[str, ...]) -> None:
    body = "".join(f"<p>{sentence}</p>" for sentence in sentences)
    menu = "".join(f"<li><a href=/{n}>Section {n}</a>" for n in range(12))
    html = (
        f"<body><nav><ul>{menu}</ul></nav><article><h1>Heading of it</h1>{body}</article>"
        f"<aside><h3>Most read</h3><ul>{menu}</ul></aside><footer><p>Copyright, all rights reserved</footer>"
    )
    found = main_text(html.encode(), 512)
    text = found.text.decode()
    assert all(sentence in text for sentence in sentences)
    assert not any(word in text for word in ("Section", "Most read", "Copyright"))
    assert found.sure


def test_a_page_of_menus_is_not_sure() -> None:
    found = main_text(b"<ul><li><a href=/a>Home</a><li><a href=/b>Login</a></ul><footer>Legal</footer>", 512)
    assert not found.sure
    assert found.text


def test_nothing_to_read() -> None:
    assert main_text(b"", 512).text == b""
    assert not main_text(b"<script>x</script>", 512).sure


def test_the_same_text_every_time() -> None:
    html = f"<div><h2>A</h2><p>{ENGLISH[0]}<ul><li>one<li>two</ul></div>".encode()
    assert len({main_text(html, 512) for _ in range(5)}) == 1
