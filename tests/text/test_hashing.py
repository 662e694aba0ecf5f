"""Hashes against big-integer references and xxhash; draws against what independent uniform draws do."""

import numpy as np
import pyarrow as pa
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tests.text import reference
from text.hashing import digest128, fmix64, fmix64_scalar, hash64, load_block, uniform

IDS = pa.array([f"{i:032x}" for i in range(50_000)])
rows = st.lists(st.binary(max_size=40), max_size=6)


@given(st.lists(st.integers(0, 2**64 - 1), max_size=20))
def test_fmix64_agrees_with_the_reference(values):
    array = np.array(values, np.uint64)
    expected = [reference.fmix64(value) for value in values]
    assert fmix64(array).tolist() == expected
    assert [int(fmix64_scalar(value)) for value in array] == expected
    assert array.tolist() == values


@pytest.mark.parametrize("shape", [(), (0,), (6,), (2, 3)], ids=str)
def test_fmix64_keeps_the_shape(shape):
    mixed = fmix64(np.ones(shape, np.uint64))
    assert mixed.shape == shape
    assert mixed.dtype == np.uint64


def test_fmix64_known_value():
    """What other implementations of MurmurHash3 give for 1."""
    assert fmix64(np.array([1], np.uint64)).tolist() == [0xB456BCFC34C2CB2C]


@given(rows, st.integers(0, 2**64 - 1))
def test_hash64_agrees_with_the_reference(raws, seed):
    expected = [reference.hash64(raw, seed) for raw in raws]
    assert hash64(pa.array(raws, pa.binary()), seed).tolist() == expected


@given(rows, st.integers(0, 6))
def test_hash64_of_a_slice_is_a_slice_of_the_hashes(raws, cut):
    array = pa.array(raws, pa.binary())
    assert hash64(array[cut:]).tolist() == hash64(array).tolist()[cut:]


def test_hash64_sees_trailing_zero_bytes_seeds_and_nothing_of_the_type():
    raws = [b"", b"\0", b"\0" * 8, b"\0" * 9, b"a", b"a\0"]
    assert len(set(hash64(pa.array(raws)).tolist())) == len(raws)
    assert hash64(pa.array(["id"]), 1)[0] != hash64(pa.array(["id"]), 2)[0]
    assert hash64(pa.array(["id"]), -1)[0] == hash64(pa.array(["id"]), 2**64 - 1)[0]
    assert hash64(pa.array(["id"]))[0] == hash64(pa.array([b"id"], pa.large_binary()))[0]


def test_hash64_flips_half_the_bits_when_one_bit_of_the_row_changes():
    base = bytearray(b"thirty-two bytes of an id, a row")
    flipped = []
    for bit in range(8 * len(base)):
        row = bytearray(base)
        row[bit // 8] ^= 1 << bit % 8
        flipped.append(bytes(row))
    changed = np.bitwise_count(hash64(pa.array(flipped)) ^ hash64(pa.array([bytes(base)])))
    assert 31 < changed.mean() < 33
    assert changed.min() > 10


@pytest.mark.parametrize("size", range(1, 9))
def test_load_block_reads_inside_the_array_only(size):
    data = np.arange(1, 13, dtype=np.uint8)
    for position in range(len(data) - size + 1):
        expected = int.from_bytes(data[position : position + size].tobytes(), "little")
        assert int(load_block(data, position, size)) == expected


def test_uniform_agrees_with_its_definition():
    key = reference.hash64(b"selection", 7)
    expected = [(reference.hash64(raw, key) >> 11) / 2**53 for raw in (b"x", b"y")]
    assert uniform(pa.array(["x", "y"]), 7, "selection").tolist() == expected


@pytest.mark.parametrize("seed", [0, 1, 2**63])
def test_uniform_passes_for_uniform(seed):
    draws = uniform(IDS, seed, "selection")
    assert draws.dtype == np.float64
    assert ((draws >= 0) & (draws < 1)).all()
    assert stats.kstest(draws, "uniform").pvalue > 0.001


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((0, "selection"), (0, "shuffle")),
        ((0, "selection"), (1, "selection")),
        ((0, "a"), (1, "b")),
        ((0, ""), (0, "\0")),
        ((0, "epoch-1"), (0, "epoch-2")),
    ],
    ids=["purposes", "seeds", "both", "purposes that differ by NUL", "purposes that differ by a digit"],
)
def test_draws_are_independent(one, other):
    x, y = uniform(IDS, *one), uniform(IDS, *other)
    # Four standard deviations of the correlation of independent numbers.
    assert abs(np.corrcoef(x, y)[0, 1]) < 4 / np.sqrt(len(IDS))
    cells, _, _ = np.histogram2d(x, y, bins=16, range=[[0, 1], [0, 1]])
    assert stats.chisquare(cells.ravel()).pvalue > 0.001


def test_neighbouring_ids_draw_independently():
    draws = uniform(IDS, 0, "selection")
    assert abs(np.corrcoef(draws[:-1], draws[1:])[0, 1]) < 4 / np.sqrt(len(IDS))


def test_a_draw_depends_on_its_id_alone():
    order = np.random.default_rng(0).permutation(1000)
    draws = uniform(IDS[:1000], 3, "shuffle")
    assert uniform(IDS[:1000].take(pa.array(order)), 3, "shuffle").tolist() == draws[order].tolist()


def test_a_draw_has_53_bits():
    draws = uniform(IDS, 0, "selection") * 2.0**53
    assert (draws == np.floor(draws)).all()
    assert len(np.unique(draws)) == len(IDS)
    assert (np.floor(draws) % 2).mean() == pytest.approx(0.5, abs=0.02)


@given(rows)
def test_digest128_is_xxh3(raws):
    digests = digest128(pa.array(raws, pa.binary()))
    assert digests.type == pa.string()
    assert digests.to_pylist() == [xxhash.xxh3_128_hexdigest(raw) for raw in raws]


@pytest.mark.parametrize("function", [hash64, digest128, lambda ids: uniform(ids, 0, "x")])
def test_a_null_is_refused(function):
    with pytest.raises(ValueError, match="row 1 "):
        function(pa.array(["a", None]))
