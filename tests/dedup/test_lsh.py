from itertools import combinations, pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup.bands import hit_probability
from dedup.lsh import (
    NO_KEY,
    BucketPairs,
    band_keys,
    candidate_pairs,
    content_order,
    exact_keys,
    locations,
    row_of,
    scoped_keys,
    shard_of,
)
from dedup.minhash import MinHashConfig, signature_matrix, signatures
from text.hashing import digest128

CONFIG = MinHashConfig()


def random_signatures(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2**32, (n, 112), dtype=np.uint32)


@pytest.mark.parametrize("jaccard", [0.6, 0.75, 0.85])
def test_band_keys_meet_as_often_as_theory_says(jaccard: float) -> None:
    trials = 4000
    rng = np.random.default_rng(int(jaccard * 100))
    left, right = random_signatures(trials, 1), random_signatures(trials, 2)
    right = np.where(rng.random(left.shape) < jaccard, left, right)
    hits = (band_keys(left, CONFIG) == band_keys(right, CONFIG)).any(axis=1).mean()
    expected = hit_probability(jaccard, 14, 8)
    assert abs(hits - expected) < 4 * np.sqrt(expected * (1 - expected) / trials)


def test_a_key_depends_on_its_own_band_alone() -> None:
    left = random_signatures(1)
    right = left.copy()
    right[0, 3 * 8] ^= 1
    assert np.flatnonzero((band_keys(left, CONFIG) != band_keys(right, CONFIG))[0]).tolist() == [3]


def test_equal_bands_at_different_places_do_not_meet() -> None:
    same = np.tile(np.arange(8, dtype=np.uint32), (1, 14))
    assert len(set(band_keys(same, CONFIG)[0].tolist())) == 14


@pytest.mark.parametrize("change", [{"seed": 2}, {"ngram": 4}], ids=str)
def test_sketches_of_two_configurations_never_meet(change: dict[str, int]) -> None:
    sketch = random_signatures(1)
    other = CONFIG.model_copy(update=change)
    assert not np.isin(band_keys(sketch, CONFIG), band_keys(sketch, other)).any()


def test_documents_without_words_have_no_key() -> None:
    matrix = signature_matrix(signatures(pa.array(["", "?!", "one"]), CONFIG))
    keys = band_keys(matrix, CONFIG)
    assert (keys[:2] == NO_KEY).all()
    assert (keys[2] != NO_KEY).all()


def test_signatures_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(n, 112\)"):
        band_keys(random_signatures(2)[:, :100], CONFIG)


@given(st.lists(st.text("0123456789abcdef", min_size=32, max_size=32), min_size=1, max_size=5))
def test_content_order_is_the_upper_63_bits_of_the_id(ids: list[str]) -> None:
    assert content_order(pa.array(ids)).tolist() == [int(i, 16) >> 65 for i in ids]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        pytest.param("abc", "row 1 has 3 characters", id="too short"),
        pytest.param("x" * 32, "row 1 is not hexadecimal", id="not hex"),
        pytest.param("A" * 32, "row 1 is not hexadecimal", id="upper case"),
    ],
)
def test_an_id_that_is_no_digest_is_refused_with_its_row(bad: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"doc_id of {message}"):
        content_order(pa.array(["0" * 32, bad]))


def test_exact_keys_meet_where_hashes_do() -> None:
    hashes = digest128(pa.array(["a", "b", "a"]))
    first, second, third = exact_keys(hashes).tolist()
    assert (first == third, first == second) == (True, False)


def test_scoped_keys_meet_within_one_value_alone() -> None:
    keys = np.array([[5, 9], [5, NO_KEY], [5, 9]], dtype=np.int64)
    first, second, third = scoped_keys(keys, pa.array(["en", "en", "zh"])).tolist()
    assert (first[0] == second[0], second[1]) == (True, NO_KEY)
    assert not set(first) & set(third)
    assert NO_KEY not in (*first, *third)


@given(st.integers(0, 2**31 - 1), st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=4))
def test_locations_unpack(shard: int, rows: list[int]) -> None:
    places = locations(shard, np.array(rows, dtype=np.int64))
    assert (places >= 0).all()
    assert (shard_of(places) == shard).all()
    assert row_of(places).tolist() == rows


def expected_pairs(buckets: list[list[int]], limit: int) -> set[tuple[int, int]]:
    pairs: set[tuple[int, int]] = set()
    for bucket in buckets:
        if len(bucket) <= limit:
            pairs |= set(combinations(bucket, 2))
        else:
            pairs |= {(bucket[0], other) for other in bucket[1:]} | set(pairwise(bucket))
    return pairs


@settings(max_examples=150, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 12), min_size=1, max_size=8),
    limit=st.integers(2, 6),
    cuts=st.lists(st.integers(0, 60), max_size=6),
)
def test_bucket_pairs_do_not_see_where_batches_end(sizes: list[int], limit: int, cuts: list[int]) -> None:
    keys = np.repeat(np.arange(-3, len(sizes) - 3), sizes).astype(np.int64)
    keys[keys >= 0] += 1
    places = np.random.default_rng(0).permutation(len(keys)).astype(np.int64)
    stream = BucketPairs(limit)
    parts = [
        stream.feed(k, p)
        for k, p in zip(np.split(keys, sorted(cuts)), np.split(places, sorted(cuts)), strict=True)
    ]
    parts.append(stream.finish())
    found = [pair for left, right in parts for pair in zip(left.tolist(), right.tolist(), strict=True)]
    buckets = [places[keys == key].tolist() for key in np.unique(keys)]
    assert len(found) == len(set(found))
    assert set(found) == expected_pairs(buckets, limit)
    assert stream.hubs == sum(size > limit for size in sizes)


@pytest.mark.parametrize("n", [1_000, 100_000])
def test_identical_documents_have_linearly_many_candidates(n: int) -> None:
    order = np.random.default_rng(0).permutation(n).astype(np.int64)
    keys = np.repeat(np.arange(1, 16, dtype=np.int64), n)
    pairs = candidate_pairs(keys, np.tile(order, 15), np.tile(np.arange(n, dtype=np.int64), 15), 32)
    # The same star in all 15 buckets: it counts once.
    assert len(pairs.left) == 2 * n - 3
    assert pairs.hubs == 15


def test_template_documents_have_linearly_many_candidates() -> None:
    n, bands = 100_000, 14
    rng = np.random.default_rng(0)
    order = rng.permutation(n).astype(np.int64)
    # Ten bands hold the template that all share, four the text of each document.
    keys = np.tile(np.arange(1, bands + 1, dtype=np.int64), (n, 1))
    keys[:, 10:] = rng.integers(100, 100 + 3 * n, (n, 4)) * 16 + np.arange(4)
    rows = np.repeat(np.arange(n), bands)
    pairs = candidate_pairs(keys.reshape(-1), order[rows], rows.astype(np.int64), 32)
    assert pairs.hubs == 10
    assert len(pairs.left) < 3 * n
