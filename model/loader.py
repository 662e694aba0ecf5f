"""Batches made ahead of their use by one thread, from any place of an order; a state is a place, not a replay."""

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from model.data import PackedRows
from model.row_order import Order, Rows

Batch = TypeVar("Batch")


class Loader(Generic[Batch]):
    """Endless batches of `rows` rows for each of `size` processes, of which this is number `rank`.

    A batch of all processes is a stretch of the order, dealt out in turn, so that a step holds the same rows however
    many processes there are. `fetch` makes a batch of row numbers in the background thread, `depth` batches ahead.
    """

    def __init__(
        self,
        order: Order,
        fetch: Callable[[Rows], Batch],
        rows: int,
        rank: int = 0,
        size: int = 1,
        depth: int = 4,
    ) -> None:
        self._order, self._fetch, self._rows = order, fetch, rows
        self._rank, self._size, self._depth = rank, size, depth
        self._state = order.state(0)
        self._worker: _Worker[Batch] | None = None

    def __iter__(self) -> "Loader[Batch]":
        return self

    def __next__(self) -> Batch:
        """The next batch; what went wrong in the thread is raised here."""
        if self._worker is None:
            self._worker = _Worker(self._make, self._order.place(self._state), self._depth)
        batch, self._state = self._worker.get()
        return batch

    def state_dict(self) -> dict[str, Any]:
        """The place behind the last batch given out (not behind those made ahead)."""
        return dict(self._state)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on behind the batch at which `state` was taken; ValueError where it is of other data."""
        self._order.place(state)
        self.close()
        self._state = dict(state)

    def close(self) -> None:
        """End the thread; the next batch starts another."""
        if self._worker is not None:
            self._worker.stop()
            self._worker = None

    def _make(self, place: int) -> tuple[Batch, dict[str, Any], int]:
        count = self._rows * self._size
        rows = self._order.rows(place, count)[self._rank :: self._size]
        return self._fetch(rows), self._order.state(place + count), place + count


class _Worker(Generic[Batch]):
    """The thread and its queue; items are batches with the state behind them, or what was raised."""

    def __init__(
        self, make: Callable[[int], tuple[Batch, dict[str, Any], int]], place: int, depth: int
    ) -> None:
        self._queue: queue.Queue[tuple[Batch, dict[str, Any]] | Exception] = queue.Queue(maxsize=depth)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(make, place), daemon=True, name="loader")
        self._thread.start()

    def get(self) -> tuple[Batch, dict[str, Any]]:
        item = self._queue.get()
        if isinstance(item, Exception):
            self._queue.put(item)  # asked again, it fails again instead of waiting for ever
            raise item
        return item

    def stop(self) -> None:
        self._stop.set()
        while self._thread.is_alive():
            try:
                self._queue.get_nowait()  # a full queue would hold the thread
            except queue.Empty:
                self._thread.join(timeout=0.01)

    def _run(self, make: Callable[[int], tuple[Batch, dict[str, Any], int]], place: int) -> None:
        while not self._stop.is_set():
            try:
                batch, state, place = make(place)
            except Exception as error:
                self._queue.put(error)
                return
            self._queue.put((batch, state))


def packed_batches(sources: Sequence[PackedRows], pin: bool) -> Callable[[Rows], Tensor]:
    """A fetch of ids [rows, length], int32, from sources numbered through in this order; `pin` for copies to CUDA."""
    offsets = np.cumsum([0, *(len(source) for source in sources)])

    def fetch(rows: Rows) -> Tensor:
        ids = np.empty((len(rows), sources[0].length), np.int32)
        owner = np.searchsorted(offsets, rows, side="right") - 1
        for number in np.unique(owner):
            mine = np.flatnonzero(owner == number)
            ids[mine] = sources[number].take(rows[mine] - offsets[number])
        batch = torch.from_numpy(ids)
        return batch.pin_memory() if pin else batch

    return fetch
