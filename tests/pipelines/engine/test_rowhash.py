"""The row hash: blind to order and sharding, not to a changed cell, a null or a moved list border."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.engine.rowhash import RowHash

ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "s": st.none() | st.text(max_size=5),
            "i": st.none() | st.integers(-(2**63), 2**63 - 1),
            "f": st.floats(allow_nan=False),
            "b": st.booleans(),
            "l": st.lists(st.integers(-(2**31), 2**31 - 1), max_size=3),
            "t": st.lists(st.text(max_size=3), max_size=3),
        }
    ),
    max_size=12,
)
MESSAGES = pa.list_(pa.struct({"role": pa.string(), "content": pa.string()}))
SCHEMA = pa.schema(
    {
        "s": pa.string(),
        "i": pa.int64(),
        "f": pa.float64(),
        "b": pa.bool_(),
        "l": pa.list_(pa.int32()),
        "t": pa.list_(pa.string()),
    }
)


def hash_of(*tables: pa.Table) -> str:
    made = RowHash()
    for table in tables:
        made.update(table)
    return made.hexdigest()


@given(ROWS, st.randoms(use_true_random=False), st.integers(0, 12))
def test_order_and_sharding_do_not_matter(rows: list[dict], random: object, cut: int) -> None:
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    other = pa.Table.from_pylist(shuffled, schema=SCHEMA)
    assert hash_of(table) == hash_of(other.slice(0, cut), other.slice(cut))


@pytest.mark.parametrize(
    ("column", "one", "other"),
    [
        (pa.string(), ["a", "b"], ["a", "c"]),
        (pa.string(), [""], [None]),
        (pa.int64(), [0], [None]),
        (pa.int64(), [1], [-1]),
        (pa.float32(), [0.5], [0.25]),
        (pa.bool_(), [True], [False]),
        (pa.list_(pa.int32()), [[1], [2, 3]], [[1, 2], [3]]),
        (pa.list_(pa.int32()), [[1, None]], [[1, 0]]),
        (pa.list_(pa.int32()), [[None, 1, 2], [3]], [[None, 1, 2], [4]]),
        (pa.list_(pa.string()), [["a", None]], [["a", ""]]),
        (MESSAGES, [[{"role": "u", "content": "a"}]], [[{"role": "u", "content": "b"}]]),
        (MESSAGES, [[{"role": "u", "content": "a"}]], [[{"role": "a", "content": "u"}]]),
        (MESSAGES, [[{"role": "u", "content": None}]], [[{"role": "u", "content": ""}]]),
        (pa.list_(pa.uint32(), 2), [[1, 2]], [[2, 1]]),
        (pa.list_(pa.string()), [["ab", "c"]], [["a", "bc"]]),
        (pa.map_(pa.string(), pa.int64()), [[("a", 1)], [("b", 2)]], [[("a", 2)], [("b", 1)]]),
        (pa.string(), ["a"], ["a", "a"]),
        (pa.timestamp("ms", "UTC"), [1], [2]),
    ],
    ids=[
        "cell",
        "null-empty",
        "null-zero",
        "sign",
        "float",
        "bool",
        "border",
        "null-item-zero",
        "behind-a-null-item",
        "null-item-empty",
        "struct-field",
        "struct-fields-swapped",
        "struct-null",
        "order",
        "join",
        "map",
        "count",
        "time",
    ],
)
def test_a_difference_shows(column: pa.DataType, one: list, other: list) -> None:
    assert hash_of(pa.table({"c": pa.array(one, column)})) != hash_of(
        pa.table({"c": pa.array(other, column)})
    )


def test_merge_adds_shards() -> None:
    table = pa.table({"c": [1, 2, 3]})
    merged = RowHash()
    merged.merge(hash_of(table.slice(0, 1)))
    merged.merge(hash_of(table.slice(1)))
    assert merged.hexdigest() == hash_of(table)


def test_slices_of_lists_hash_like_copies() -> None:
    table = pa.table({"c": pa.array([[1], [2, 3], [4]], pa.list_(pa.int32()))})
    assert hash_of(table.slice(1, 1)) == hash_of(pa.table({"c": pa.array([[2, 3]], pa.list_(pa.int32()))}))
