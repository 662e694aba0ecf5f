"""An optimizer step's rows as micro-batches under a budget of tokens, from (seed, epoch, step) alone.

A step takes its rows in the shuffled order of the epoch; within the step they are sorted by length, so that little
is padding. What a micro-batch holds changes memory and speed, not the step: the loss of a token or pair is weighted
by the whole step's counts.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from model.row_order import RowOrder, Rows


class StepPlan:
    """Which of `items` rows (or prompts) each step of `batch` takes; an epoch's last step takes what is left."""

    def __init__(self, items: int, batch: int, epochs: int, seed: int) -> None:
        self._order = RowOrder([items], seed, items)  # one window: a full shuffle an epoch
        self.items, self.batch = items, batch
        self.steps_per_epoch = -(-items // batch)
        self.steps = self.steps_per_epoch * epochs

    def epoch(self, step: int) -> int:
        """The epoch, from 0, that step number `step`, from 0, belongs to."""
        return step // self.steps_per_epoch

    def ends_epoch(self, step: int) -> bool:
        """Whether step number `step`, from 0, is the last one of its epoch."""
        return (step + 1) % self.steps_per_epoch == 0

    def rows(self, step: int) -> Rows:
        """The items of step number `step`, from 0."""
        first = (step % self.steps_per_epoch) * self.batch
        count = min(self.batch, self.items - first)
        return self._order.rows(self.epoch(step) * self.items + first, count)


class StepOrder:
    """The steps 0, 1, 2, ... as the order of a Loader; a state is the step, and the data it belongs to."""

    def __init__(self, identity: str) -> None:
        self._identity = identity

    def rows(self, start: int, count: int) -> Rows:
        """Step numbers from `start` on."""
        return np.arange(start, start + count)

    def state(self, place: int) -> dict[str, Any]:
        """The step to go on with."""
        return {"step": place, "data": self._identity}

    def place(self, state: Mapping[str, Any]) -> int:
        """The step that `state` told of; ValueError where it is of other data."""
        if state["data"] != self._identity:
            raise ValueError(
                "the rows of the checkpoint were others (their digest differs): resume with the data that the run "
                "began with, or begin anew in another folder"
            )
        return int(state["step"])


def digest(*arrays: npt.NDArray[Any]) -> str:
    """BLAKE2b of arrays' bytes, hex: tells whether a resumed run reads the same rows."""
    hashed = hashlib.blake2b(digest_size=16)
    for array in arrays:
        hashed.update(np.ascontiguousarray(array).tobytes())
    return hashed.hexdigest()


def micro_batches(lengths: Rows, budget: int, counts: Rows | None = None) -> list[Rows]:
    """Items packed by length, longest first, so that rows x longest stays within `budget` tokens.

    Item i has counts[i] rows (default 1) of at most lengths[i] tokens, which stay together: an item beyond the
    budget is a micro-batch of its own.

    >>> [part.tolist() for part in micro_batches(np.array([3, 9, 4, 2]), 10)]
    [[1], [2, 0], [3]]
    """
    counts = np.ones_like(lengths) if counts is None else counts
    parts: list[list[int]] = []
    rows = widest = 0
    for item in np.argsort(-lengths, kind="stable").tolist():
        if not parts or (rows + int(counts[item])) * widest > budget:
            parts.append([])
            rows, widest = 0, int(lengths[item])
        parts[-1].append(item)
        rows += int(counts[item])
    return [np.array(part, np.int64) for part in parts]
