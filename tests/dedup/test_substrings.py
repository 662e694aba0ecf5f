"""Repeated runs of words against brute force over all windows."""

import random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup.passages import PassageConfig, cut_passages
from dedup.spans import remove_spans
from dedup.substrings import fingerprints, windows
from text.words import segment

WORDS = ["moss", "Fern", "lake,", "öl", "山", "12", "—", "\n", "😀"]


def ids(n: int) -> pa.Array:
    return pa.array([f"{(i * 7919) % 10007:032x}" for i in range(n)], pa.string())


def spans_by_document(found, n: int) -> list[list[tuple[int, int]]]:
    spans = found.spans
    return [
        [(int(spans.starts[j]), int(spans.ends[j])) for j in range(*spans.offsets[i : i + 2])]
        for i in range(n)
    ]


def words_cut_by_hand(texts: list[str], doc_ids: list[str], n: int, keep: str = "first") -> list[set[int]]:
    words = segment(pa.array(texts, pa.string()))
    of = [words.hashes[words.offsets[i] : words.offsets[i + 1]].tolist() for i in range(len(texts))]
    places: dict[tuple, list[tuple[int, int]]] = {}
    for i in sorted(range(len(texts)), key=lambda i: doc_ids[i]):
        for at in range(len(of[i]) - n + 1):
            places.setdefault(tuple(of[i][at : at + n]), []).append((i, at))
    gone: list[set[int]] = [set() for _ in texts]
    for copies in places.values():
        for i, at in copies[1 if keep == "first" else 0 :] if len(copies) > 1 else []:
            gone[i].update(range(at, at + n))
    return gone


def words_cut(texts: list[str], found) -> list[set[int]]:
    words = segment(pa.array(texts, pa.string()))
    gone = []
    for i, spans in enumerate(spans_by_document(found, len(texts))):
        starts = words.starts[words.offsets[i] : words.offsets[i + 1]]
        ends = words.ends[words.offsets[i] : words.offsets[i + 1]]
        inside = {j for j in range(len(starts)) if any(s <= starts[j] and ends[j] <= e for s, e in spans)}
        touched = {j for j in range(len(starts)) if any(s < ends[j] and starts[j] < e for s, e in spans)}
        assert inside == touched
        gone.append(inside)
    return gone


@settings(max_examples=80)
@given(
    st.lists(st.lists(st.sampled_from(WORDS), max_size=40).map(" ".join), max_size=6),
    st.sampled_from([4, 5, 6, 9]),
    st.sampled_from(["first", "none"]),
)
def test_the_same_words_go_as_by_brute_force(texts, n, keep):
    config = PassageConfig(rule="substring", substring_words=n, keep=keep)
    doc_ids = ids(len(texts))
    found = cut_passages(pa.array(texts, pa.string()), doc_ids, config)
    assert words_cut(texts, found) == words_cut_by_hand(texts, doc_ids.to_pylist(), n, keep)


def shared_runs(n: int, documents: int, seed: int) -> list[str]:
    """Random documents that borrow runs around n words long from a common stock."""
    draw = random.Random(seed)
    fresh = (f"w{k}" for k in range(10**9))
    stock = [f"s{k}" for k in range(1000)]
    texts = []
    for _ in range(documents):
        parts: list[str] = []
        for _ in range(draw.randrange(5)):
            parts += [next(fresh) for _ in range(draw.randrange(2 * n))]
            at = draw.randrange(900)
            parts += stock[at : at + draw.randrange(2 * n)]
        texts.append("".join(word + draw.choice([" ", ", ", ".\n"]) for word in parts))
    return texts


@pytest.mark.parametrize("seed", range(3))
def test_after_cutting_no_run_of_fifty_words_stands_twice(seed):
    n, texts = 50, shared_runs(50, 60, seed)
    doc_ids = ids(len(texts))
    found = cut_passages(pa.array(texts), doc_ids, PassageConfig(rule="substring"))
    gone = words_cut(texts, found)
    assert gone == words_cut_by_hand(texts, doc_ids.to_pylist(), n)
    assert sum(map(len, gone)) > 500
    seen = set()
    words = segment(pa.array(texts))
    for i in range(len(texts)):
        hashes = words.hashes[words.offsets[i] : words.offsets[i + 1]].tolist()
        for at in range(len(hashes) - n + 1):
            if not gone[i] & set(range(at, at + n)):
                run = tuple(hashes[at : at + n])
                assert run not in seen
                seen.add(run)


@pytest.mark.parametrize("seed", range(3))
def test_every_word_that_goes_still_stands_somewhere(seed):
    texts = shared_runs(8, 40, seed)
    found = cut_passages(pa.array(texts), ids(40), PassageConfig(rule="substring", substring_words=8))
    spans = found.spans
    left = remove_spans(pa.array(texts), spans.starts, spans.ends, spans.offsets)
    assert set(segment(left).hashes) == set(segment(pa.array(texts)).hashes)


@pytest.mark.parametrize(
    ("texts", "left"),
    [
        (["one two three four five", "One, two three FOUR six"], "six"),
        (["one two three four five", "a b. One two three four!"], "a b. "),
        (["one two three four", "a one two three four.\nb"], "a \nb"),
        (["one two three four", "one two three four.\n\nb"], "b"),
        (["山山水水", "高山山水水高"], "高高"),
        (["one two three four", "one two three five"], "one two three five"),
    ],
    ids=["case and punctuation", "end of text", "end of line", "whole line", "Chinese", "one word too few"],
)
def test_cuts_end_where_words_and_lines_begin(texts, left):
    config = PassageConfig(rule="substring", substring_words=4)
    found = cut_passages(pa.array(texts), pa.array(["0" * 32, "1" * 32]), config)
    spans = found.spans
    assert remove_spans(pa.array(texts), spans.starts, spans.ends, spans.offsets).to_pylist() == [
        texts[0],
        left,
    ]


@given(st.lists(st.sampled_from("abcd"), min_size=5, max_size=60), st.sampled_from([4, 5, 7]))
def test_equal_windows_have_equal_fingerprints_at_different_places(letters, n):
    text = " ".join(letters)
    found = fingerprints(segment(pa.array([text])), n)
    minima = dict(zip(found.numbers.tolist(), found.hashes.tolist(), strict=True))
    k = n // 2
    spots: dict[tuple, list[int]] = {}
    for at in range(len(letters) - n + 1):
        inside = [p for p in minima if at <= p <= at + n - k]
        spots.setdefault(tuple(letters[at : at + n]), []).append(min(inside, key=lambda p: (minima[p], p)))
    for places in spots.values():
        assert len({minima[p] for p in places}) == 1
        assert len(set(places)) == len(places)


def test_few_fingerprints_stand_for_many_words():
    draw = random.Random(1)
    text = " ".join(f"w{draw.randrange(10**6)}" for _ in range(100_000))
    assert 6_000 < len(fingerprints(segment(pa.array([text])), 50).hashes) < 9_000


@pytest.mark.parametrize(
    "text",
    ["a " * 300_000, "山" * 300_000, " " * 3_000_000 + "a b c d " * 9],
    ids=["one word", "one character", "blanks"],
)
def test_hostile_documents_take_linear_time(text):
    config = PassageConfig(rule="substring")
    found = cut_passages(pa.array([text, text]), ids(2), config)
    assert len(found.spans.starts) in (0, 2)


def test_all_windows_without_a_wish():
    texts = pa.array(["a b c d e", "a b"])
    found = windows(texts, 4)
    assert found.numbers.tolist() == [0, 1]
    assert found.offsets.tolist() == [0, 2, 2]
    assert np.array_equal(windows(texts, 4, (found.hashes[:0], np.zeros(3, np.int64))).offsets, [0, 0, 0])


@pytest.mark.parametrize("n", [3, 513])
def test_a_run_out_of_range_is_refused(n):
    with pytest.raises(ValueError, match=f"n is {n} words, expected 4 to 512"):
        windows(pa.array(["a"]), n)
