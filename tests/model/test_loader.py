from pathlib import Path

import numpy as np
import pytest
import torch

from model.data import PackedRows
from model.loader import Loader, packed_batches
from model.row_order import MixedOrder, RowOrder, Rows
from tests.model.packed import numbered, small_dataset

ORDER = RowOrder([8] * 8, 5, 16)


def numbers(rows: Rows) -> list[int]:
    return rows.tolist()


def loader(**options: int) -> Loader[list[int]]:
    return Loader(ORDER, numbers, **{"rows": 6, **options})


def test_batches_follow_the_order_across_epochs() -> None:
    batches = loader()
    got = [row for _ in range(25) for row in next(batches)]
    assert got == ORDER.rows(0, 150).tolist()
    batches.close()


@pytest.mark.parametrize("after", [0, 1, 10, 11], ids=["at_once", "one", "end_of_epoch", "over_it"])
def test_a_state_continues_behind_the_last_batch_given(after: int) -> None:
    first = loader(depth=8)
    for _ in range(after):
        next(first)
    second = loader()
    second.load_state_dict(first.state_dict())
    assert [next(second) for _ in range(5)] == [next(first) for _ in range(5)]
    first.close()
    second.close()


def test_processes_share_a_batch_without_overlap() -> None:
    alone, shared = loader(rows=12), [loader(rows=6, rank=rank, size=2) for rank in range(2)]
    for _ in range(12):
        parts = [next(part) for part in shared]
        assert sorted(parts[0] + parts[1]) == sorted(next(alone))
    for one in [alone, *shared]:
        one.close()


def test_what_fails_in_the_thread_is_raised_where_it_is_asked_for() -> None:
    def fetch(rows: Rows) -> Rows:
        raise ValueError(f"row {rows[0]} is damaged")

    broken = Loader(ORDER, fetch, 2)
    for _ in range(2):
        with pytest.raises(ValueError, match="is damaged"):
            next(broken)
    broken.close()


def test_a_state_of_other_data_is_refused() -> None:
    with pytest.raises(ValueError, match="groups"):
        Loader(RowOrder([4] * 16, 5, 16), numbers, 6).load_state_dict(loader().state_dict())


def test_packed_batches_come_from_the_right_source(tmp_path: Path) -> None:
    folder = small_dataset(tmp_path)
    sources = [PackedRows(folder, "train"), PackedRows(folder, "validation")]
    orders = {"t": RowOrder([64], 0, 8), "v": RowOrder([6], 0, 8)}
    order = MixedOrder(orders, {"t": 1.0, "v": 1.0}, 0)
    batches = Loader(order, packed_batches(sources, pin=False), 40)
    batch = next(batches)
    batches.close()
    expected = np.concatenate([numbered(range(64)), numbered(range(100, 106))])[order.rows(0, 40)]
    assert batch.dtype == torch.int32
    np.testing.assert_array_equal(batch.numpy(), expected)
