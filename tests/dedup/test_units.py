"""Units against a plain-Python oracle: spans, normalised text, hostile input."""

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedup.units import Units, units

ALPHABET = "ab Z1٣é.!?。！？\"'”」) \n\r\t\u3000山😀,"


def strings(text: str, found: Units, document: int = 0) -> list[str]:
    raw = text.encode()
    rows = range(found.offsets[document], found.offsets[document + 1])
    return [raw[found.starts[i] : found.ends[i]].decode() for i in rows]


def cut(text: str, kind: str) -> list[str]:
    return strings(text, units(pa.array([text]), kind, "spaces"))


def normalised(text: str, mode: str) -> str:
    if mode != "spaces":
        text = "".join(c.lower()[0] for c in text)
    if mode == "ccnet":
        text = "".join("0" if c.isdecimal() else c for c in text if c.isalnum() or c.isspace())
    return " ".join(text.split())


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("line", "a\nb", ["a", "b"]),
        ("line", "a\r\n\r\n  b \n", ["a", "b"]),
        ("line", "\n \n\t", []),
        ("line", "", []),
        ("paragraph", "a\nb\n\nc", ["a\nb", "c"]),
        ("paragraph", "a\n \t\nb", ["a", "b"]),
        ("paragraph", "a\r\n\r\nb", ["a", "b"]),
        ("paragraph", "\n\na\nb", ["a\nb"]),
        ("sentence", "One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("sentence", "It is 3.5 now. Yes", ["It is 3.5 now.", "Yes"]),
        ("sentence", 'He said "go." Then', ['He said "go."', "Then"]),
        ("sentence", "Wait... what?! No", ["Wait...", "what?!", "No"]),
        ("sentence", "山高。水長！何？完", ["山高。", "水長！", "何？", "完"]),
        ("sentence", "「行。」他說。", ["「行。」", "他說。"]),
        ("sentence", "no mark\nnext line", ["no mark", "next line"]),
        ("sentence", "क ख। ग", ["क ख।", "ग"]),
        ("sentence", "。", ["。"]),
    ],
)
def test_where_units_begin_and_end(kind, text, expected):
    assert cut(text, kind) == expected


@pytest.mark.parametrize(
    ("mode", "left", "right", "same"),
    [
        ("spaces", "a  b\u3000c", "a b c", True),
        ("spaces", "A b", "a b", False),
        ("case", "ÉTÉ b", "été B", True),
        ("case", "a, b", "a b", False),
        ("ccnet", "In 1999, “yes”!", "in 2024 yes", True),
        ("ccnet", "٣ a", "7 a", True),
        ("ccnet", "don't", "dont", True),
        ("ccnet", "in 199", "in 2024", False),
        ("ccnet", "a b", "ab", False),
        ("ccnet", "山山山山山山", "山山山山山", False),
    ],
)
def test_what_counts_as_equal(mode, left, right, same):
    found = units(pa.array([left, right]), "line", mode)
    assert (found.hashes[0] == found.hashes[1]) == same


@given(st.lists(st.text(ALPHABET, max_size=40), max_size=6), st.sampled_from(["spaces", "case", "ccnet"]))
def test_hashes_are_equal_exactly_where_the_normalised_texts_are(texts, mode):
    found = units(pa.array(texts, pa.string()), "line", mode)
    rows = [normalised(unit, mode) for i in range(len(texts)) for unit in strings(texts[i], found, i)]
    assert found.sizes.tolist() == [len(row.encode()) for row in rows]
    assert len(set(found.hashes.tolist())) == len(set(rows))
    assert len(set(zip(found.hashes.tolist(), rows, strict=True))) == len(set(rows))


@given(
    st.lists(st.text(ALPHABET, max_size=60), max_size=5), st.sampled_from(["line", "paragraph", "sentence"])
)
def test_units_hold_all_but_white_space_in_order(texts, kind):
    found = units(pa.array(texts, pa.string()), kind, "spaces")
    for i, text in enumerate(texts):
        raw, at = text.encode(), 0
        for row in range(found.offsets[i], found.offsets[i + 1]):
            assert not raw[at : found.starts[row]].strip(b" \t\r\n")
            raw[found.starts[row] : found.ends[row]].decode()
            at = found.ends[row]
        assert not raw[at:].strip(b" \t\r\n")
        if kind == "line":
            lines = [line.strip(" \t") for line in re.split(r"[\n\r]", text)]
            assert strings(text, found, i) == [line for line in lines if line]


def test_a_slice_is_read_where_it_begins():
    texts = pa.array(["x. y.", "a. b.", "c"]).slice(1, 2)
    assert strings("a. b.", units(texts, "sentence", "spaces"), 0) == ["a.", "b."]


@pytest.mark.parametrize(
    "text",
    ["a" * 10_000_000, "." * 10_000_000, "x\n" * 1_000_000, '."' * 3_000_000, "。" * 1_000_000],
    ids=["one long line", "marks alone", "a million lines", "marks and quotes", "a million sentences"],
)
def test_hostile_documents_take_linear_time(text):
    found = units(pa.array([text, ""]), "sentence", "case")
    assert found.offsets[2] == found.offsets[1]
    assert found.sizes.sum() <= len(text.encode())
    assert len(np.unique(found.hashes)) <= 2


def test_malformed_bytes_do_not_break_it():
    found = units(pa.array([b"\xff\xc3", b"ok \xe3\x80"], pa.binary()), "sentence", "ccnet")
    assert len(found.hashes) == 2
