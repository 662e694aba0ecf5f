"""Character references, against the standard library's reading of them."""

import html
from html.entities import html5

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.html.entities import reference


def decoded(text: str) -> str:
    """`text` with every reference that the kernel finds replaced."""
    data = np.frombuffer(text.encode(), np.uint8)
    out, i = bytearray(), 0
    while i < data.size:
        if data[i] != ord("&"):
            out.append(data[i])
            i += 1
            continue
        first, second, behind = reference(data, i + 1, data.size)
        out += b"&" if first < 0 else "".join(map(chr, (first, second) if second else (first,))).encode()
        i = behind
    return out.decode()


def test_every_name_of_the_standard() -> None:
    for name in html5:
        assert decoded(f"&{name} ") == html.unescape(f"&{name} "), name


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("&#65;&#x42;&#X43;D", "ABCD"),
        ("&#65 &#x42g", "A Bg"),
        ("&#128;&#x99;", "€™"),
        ("&#0;&#xD800;&#x110000;&#99999999999999999999;", "\ufffd" * 4),
        ("&#;&#x;&;& &", "&#;&#x;&;& &"),
        ("&ampx &amp; &notin; &notit;", "&x & ∉ ¬it;"),
        ("&nosuchname;", "&nosuchname;"),
        ("&", "&"),
    ],
    ids=[
        "numbers", "no semicolon", "windows-1252", "no character", "nothing there", "longest old name",
        "unknown", "at the end",
    ],
)  # fmt: skip
def test_reference(text: str, meant: str) -> None:
    assert decoded(text) == meant


@given(st.text("&#xX;19afAmptlgcoy ", max_size=20))
def test_as_the_standard_library(text: str) -> None:
    # It drops numbers of noncharacters and controls, which the standard keeps and the clean-up removes later.
    numbers = [part for part in text.split("&#")[1:] if part[:1]]
    if not numbers:
        assert decoded(text) == html.unescape(text)
