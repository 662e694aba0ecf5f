import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedup.incremental import MemoryIndex, deduplicate_into, describe, empty_index
from dedup.index import IndexMismatchError, index_header
from dedup.minhash import MinHashConfig

MINHASH = MinHashConfig(ngram=1)
# One row a band: every similar pair meets in a bucket.
ALL_MEET = MinHashConfig(ngram=1, rows=1)
TEXTS = st.lists(
    st.one_of(
        # Families of near-duplicates around the threshold, copies, texts without words.
        st.tuples(st.integers(0, 2), st.sets(st.integers(0, 15), max_size=7)).map(
            lambda drawn: " ".join(f"w{drawn[0]}x{i}" for i in range(16) if i not in drawn[1])
        ),
        st.sampled_from(["", "  ", "one", "?!"]),
    ),
    max_size=14,
)


def ids(n: int, first: int = 0) -> list[str]:
    """Ids in an order that is not that of the texts."""
    return [f"{(first + i) * 7919 % 1000:032x}" for i in range(n)]


def run(minhash: MinHashConfig, *batches: list[str], limit: int = 32) -> tuple[MemoryIndex, dict[str, str]]:
    """The index after the batches, each a day younger than the last, and removed id -> survivor id."""
    index = empty_index(index_header(minhash, 0.75, limit, ["length"]))
    removed, first = {}, 0
    for day, texts in enumerate(batches):
        batch = describe(pa.array(texts, pa.string()), ids(len(texts), first), minhash, day)
        outcome, index = deduplicate_into(index, batch)
        told = zip(batch.standing.doc_id.to_pylist(), outcome.survivor_id.to_pylist(), strict=True)
        removed |= {doc: survivor for doc, survivor in told if doc != survivor}
        first += len(texts)
    return index, removed


def at_once(
    minhash: MinHashConfig, *batches: list[str], limit: int = 32
) -> tuple[MemoryIndex, dict[str, str]]:
    index = empty_index(index_header(minhash, 0.75, limit, ["length"]))
    texts = [text for batch in batches for text in batch]
    days = np.repeat(np.arange(len(batches)), [len(batch) for batch in batches])
    batch = describe(pa.array(texts, pa.string()), ids(len(texts)), minhash, days)
    outcome, index = deduplicate_into(index, batch)
    told = zip(batch.standing.doc_id.to_pylist(), outcome.survivor_id.to_pylist(), strict=True)
    return index, {doc: survivor for doc, survivor in told if doc != survivor}


def by_content(index: MemoryIndex) -> list[list[tuple[int, str]]]:
    """The bands with ids in place of the numbers, which depend on the batches."""
    names = index.survivors.standing.doc_id.to_pylist()
    return [
        sorted((int(k), names[o]) for k, o in zip(band.key, band.order, strict=True)) for band in index.bands
    ]


@pytest.mark.parametrize(
    ("minhash", "limit"),
    [
        pytest.param(MINHASH, 32, id="candidates are missed"),
        pytest.param(ALL_MEET, 32, id="all meet"),
        pytest.param(ALL_MEET, 2, id="buckets are full"),
    ],
)
@given(batches=st.lists(TEXTS, min_size=2, max_size=3))
def test_batches_leave_what_all_at_once_leave(minhash, limit, batches) -> None:
    index, removed = run(minhash, *batches, limit=limit)
    whole, expected = at_once(minhash, *batches, limit=limit)
    assert removed == expected
    assert by_content(index) == by_content(whole)


def jaccard(left: str, right: str) -> float:
    if left.split() == right.split():
        return 1.0
    a, b = (set(text.split()) - {"?!"} for text in (left, right))
    return len(a & b) / max(len(a | b), 1)


@given(batches=st.lists(TEXTS, min_size=1, max_size=3))
def test_survivors_are_those_of_brute_force(batches) -> None:
    rows = [(day, text) for day, texts in enumerate(batches) for text in texts]
    named = [
        (day, -len(text.replace("?!", "").split()), doc, text)
        for (day, text), doc in zip(rows, ids(len(rows)), strict=True)
    ]
    stays: list[tuple[str, str]] = []
    expected = {}
    for _, _, doc, text in sorted(named):
        like = next((other for other, kept in stays if jaccard(kept, text) >= 0.75), None)
        if like is None:
            stays.append((doc, text))
        else:
            expected[doc] = like
    assert run(ALL_MEET, *batches)[1] == expected


@pytest.mark.parametrize(
    ("other", "told"),
    [
        pytest.param(MinHashConfig(ngram=3), r"ngram = 5 \(expected 3\)", id="shingle"),
        pytest.param(MinHashConfig(seed=2), r"seed = 1 \(expected 2\)", id="seed"),
        pytest.param(MinHashConfig(bands=7), r"bands = 14 \(expected 7\)", id="bands"),
        pytest.param(MinHashConfig(num_perm=128), r"num_perm = 112 \(expected 128\)", id="permutations"),
    ],
)
def test_documents_that_were_described_otherwise_are_refused(other: MinHashConfig, told: str) -> None:
    index = empty_index(index_header(MinHashConfig(), 0.75, 32, ["length"]))
    with pytest.raises(IndexMismatchError, match=told):
        deduplicate_into(index, describe(pa.array(["one two three"]), ids(1), other))
