"""In which order rows are read: a function of (seed, epoch) alone, so that a position is all that a resume needs.

Row groups are shuffled, then the rows within windows of consecutive groups. Only a window's groups are decoded at a
time, each once an epoch; an index at random would decode a group of 64 rows to use one. A window that holds the
whole dataset is a full shuffle. Each epoch draws every row once (GPT-3, app. B: without replacement).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]

GROUPS, ROWS, SOURCES = 1, 2, 3  # what a key is for: equal seeds give unrelated orders
COUNT_AT_ONCE = 1 << 20


class Order(Protocol):
    """An endless sequence of row numbers that can be entered anywhere."""

    def rows(self, start: int, count: int) -> Rows:
        """Row numbers at the places start, ..., start + count - 1 of the sequence."""

    def state(self, place: int) -> dict[str, Any]:
        """A place in JSON, with what the sequence depends on."""

    def place(self, state: Mapping[str, Any]) -> int:
        """The place that `state` told of; ValueError where it belongs to another sequence."""


class RowOrder:
    """Order of one dataset with row groups of `group_sizes` rows; `window_rows` bounds what is shuffled at once."""

    def __init__(self, group_sizes: Sequence[int] | Rows, seed: int, window_rows: int) -> None:
        self._sizes = np.asarray(group_sizes, np.int64)
        if not self._sizes.sum():
            raise ValueError("there are no rows to order")
        self._starts = np.cumsum(self._sizes) - self._sizes
        self._seed, self._window_rows = seed, window_rows
        self._plan: tuple[int, Rows, Rows] = (-1, self._starts, self._starts)
        self._window: tuple[int, int, Rows] = (-1, -1, self._starts)

    def __len__(self) -> int:
        """Rows of an epoch."""
        return int(self._sizes.sum())

    def rows(self, start: int, count: int) -> Rows:
        """Row numbers at these places; an epoch follows the other without a gap."""
        parts = []
        while count > 0:
            epoch, position = divmod(start, len(self))
            first, window = self._window_at(epoch, position)
            part = window[position - first : position - first + count]
            parts.append(part)
            start, count = start + len(part), count - len(part)
        return np.concatenate(parts) if parts else np.empty(0, np.int64)

    def window_limit(self) -> int:
        """Most rows that lie in one window."""
        return min(len(self), self._window_rows + int(self._sizes.max()))

    def state(self, place: int) -> dict[str, Any]:
        """Epoch and position in it, and what the order depends on."""
        epoch, position = divmod(place, len(self))
        return {"epoch": epoch, "position": position, **self._identity()}

    def place(self, state: Mapping[str, Any]) -> int:
        """The place of an epoch and position; ValueError where rows, seed or window are not those of this order."""
        for key, value in self._identity().items():
            if state[key] != value:
                raise ValueError(
                    f"the data of the checkpoint had {key} {state[key]}, here it is {value}: "
                    "resume with the data and settings that the run began with"
                )
        return int(state["epoch"]) * len(self) + int(state["position"])

    def _identity(self) -> dict[str, Any]:
        return {
            "rows": len(self),
            "groups": len(self._sizes),
            "seed": self._seed,
            "window_rows": self._window_rows,
        }

    def _window_at(self, epoch: int, position: int) -> tuple[int, Rows]:
        """First place within the epoch, and rows in order, of the window that holds `position`."""
        groups, begins = self._plan_of(epoch)
        at = int(np.searchsorted(begins, position, side="right")) - 1
        number = int(begins[at]) // self._window_rows
        # Read and replaced as one value: loaders of several threads may share an order.
        held = self._window
        if held[:2] != (epoch, number):
            low, high = np.searchsorted(
                begins, [number * self._window_rows, (number + 1) * self._window_rows]
            )
            chosen = groups[low:high]
            sizes = self._sizes[chosen]
            within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
            rows = np.repeat(self._starts[chosen], sizes) + within
            shuffled = rows[np.argsort(keys(rows, self._seed, ROWS, epoch), kind="stable")]
            self._window = held = (epoch, number, shuffled)
        low = int(np.searchsorted(begins, number * self._window_rows))
        return int(begins[low]), held[2]

    def _plan_of(self, epoch: int) -> tuple[Rows, Rows]:
        """The epoch's groups in order, empty ones left out, and the place at which each begins."""
        held = self._plan
        if held[0] != epoch:
            groups = np.flatnonzero(self._sizes)
            groups = groups[np.argsort(keys(groups, self._seed, GROUPS, epoch), kind="stable")]
            sizes = self._sizes[groups]
            self._plan = held = (epoch, groups, np.cumsum(sizes) - sizes)
        return held[1], held[2]


class MixedOrder:
    """Rows of several datasets, each draw from one of them by `weights`: a mixture at load time.

    Rows are numbered through all datasets in the order given. Which dataset a place draws from depends on (seed,
    place); within a dataset rows come in its own order, epoch after epoch.
    """

    def __init__(self, orders: Mapping[str, RowOrder], weights: Mapping[str, float], seed: int) -> None:
        self._orders = dict(orders)
        shares = np.array([weights[name] for name in self._orders], np.float64)
        if not (np.isfinite(shares).all() and (shares >= 0).all() and shares.sum() > 0):
            raise ValueError(
                f"weights must be at least 0 and not all 0, got {dict(zip(orders, shares, strict=True))}"
            )
        self._shares = shares / shares.sum()
        self._limits = np.cumsum(self._shares)
        self._limits[-1] = 1.0  # rounding must leave no place without a dataset
        self._offsets = np.cumsum([0, *(len(order) for order in self._orders.values())])
        self._seed = seed
        self._reached: tuple[int, Rows] = (0, np.zeros(len(self._orders), np.int64))

    def rows(self, start: int, count: int) -> Rows:
        """Row numbers at these places."""
        drawn = self._drawn_before(start)
        choice = self._choices(start, count)
        rows = np.empty(count, np.int64)
        for number, order in enumerate(self._orders.values()):
            mine = choice == number
            rows[mine] = self._offsets[number] + order.rows(int(drawn[number]), int(mine.sum()))
        self._reached = (start + count, drawn + np.bincount(choice, minlength=len(drawn)))
        return rows

    def state(self, place: int) -> dict[str, Any]:
        """Draws in all, and epoch and position of each dataset."""
        drawn = self._drawn_before(place)
        orders = zip(self._orders.items(), drawn, strict=True)
        return {
            "drawn": place,
            "seed": self._seed,
            "shares": self._shares.tolist(),
            "sources": {name: order.state(int(n)) for (name, order), n in orders},
        }

    def place(self, state: Mapping[str, Any]) -> int:
        """Draws in all; ValueError where datasets or weights are not those of this order."""
        here = {"seed": self._seed, "shares": self._shares.tolist(), "sources": list(self._orders)}
        there = {"seed": state["seed"], "shares": state["shares"], "sources": list(state["sources"])}
        if here != there:
            raise ValueError(f"the data of the checkpoint were mixed as {there}, here as {here}")
        for name, order in self._orders.items():
            order.place(state["sources"][name])
        return int(state["drawn"])

    def _choices(self, start: int, count: int) -> Rows:
        places = np.arange(start, start + count)
        uniform = (keys(places, self._seed, SOURCES, 0) >> np.uint64(11)) * 2.0**-53
        return np.searchsorted(self._limits, uniform, side="right").astype(np.int64)

    def _drawn_before(self, place: int) -> Rows:
        at, drawn = self._reached
        if place < at:
            at, drawn = 0, np.zeros_like(drawn)
        drawn = drawn.copy()
        while at < place:
            count = min(COUNT_AT_ONCE, place - at)
            drawn += np.bincount(self._choices(at, count), minlength=len(drawn))
            at += count
        self._reached = (place, drawn)
        return drawn


def keys(items: Rows, seed: int, purpose: int, epoch: int) -> npt.NDArray[np.uint64]:
    """A 64-bit key of each number: splitmix64's finaliser over (seed, purpose, epoch, number), equal everywhere.

    NumPy's own generators may change their streams between versions; a resumed run must not.
    """
    state = np.zeros(1, np.uint64)
    for part in (seed, purpose, epoch):
        state = _mix(state ^ np.uint64(part & 0xFFFFFFFFFFFFFFFF))
    return _mix(_mix(items.astype(np.uint64)) ^ state)


def _mix(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
