"""Seconds by part of a step."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class Stopwatch:
    """Adds up what each part takes; waits for the device at both ends, so that a part pays for its own work alone."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._spent: dict[str, float] = {}

    @contextmanager
    def of(self, part: str) -> Iterator[None]:
        """Count the time within as this part's."""
        self._wait()
        begin = time.perf_counter()
        yield
        self._wait()
        self._spent[part] = self._spent.get(part, 0.0) + time.perf_counter() - begin

    def lap(self) -> dict[str, float]:
        """Seconds by part since the last lap."""
        spent, self._spent = self._spent, {}
        return spent

    def _wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
