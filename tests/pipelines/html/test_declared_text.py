"""articleBody of JSON-LD scripts, against the standard library's JSON."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.html.blocks import read_blocks


def declared(script: str) -> str:
    return (
        read_blocks(f"<script>{script}</script><p>x".encode()).declared.tobytes().decode("utf-8", "replace")
    )


@given(st.text(st.characters(exclude_characters="<\x08\x0c\n\r\t", exclude_categories=["Cs"])), st.booleans())
def test_any_string(body: str, ascii_only: bool) -> None:
    assert declared(json.dumps({"a": 'b"', "articleBody": body}, ensure_ascii=ascii_only)) == body


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ('{"articleBody": "a\\nb\\tc"}', "a b c"),
        ('[{"x": {"articleBody" : "deep"}}]', "deep"),
        ('{"articleBody": "first"}</script><script>{"articleBody": "second"}', "first"),
        ('var x = {"articleBody": "script"}', ""),
        ('{"articleBody": ["list"]}', ""),
        ('{"articleBody": "never ends', "never ends"),
        ('{"articleBody": "lone \\ud800 half \\u12"}', "lone \ufffd half \ufffd"),
        ("", ""),
    ],
    ids=[
        "white space",
        "nested",
        "the first counts",
        "no JSON",
        "no string",
        "cut",
        "broken escapes",
        "empty",
    ],
)
def test_declared(script: str, text: str) -> None:
    assert declared(script) == text
