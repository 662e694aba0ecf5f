"""Processor time and peak memory of a process and all its descendants, read from /proc while it runs."""

import os
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


class Process(NamedTuple):
    """What /proc says of a process: who started it, its kind, CPU seconds, its own resident bytes at most."""

    parent: int
    kind: str
    cpu: float
    peak: int


class TreeWatch:
    """Watches the descendants of `root` (this process included) until the block ends.

    `peaks` holds for each kind (driver, jvm, worker) the most that one process of it held, in MB, and for
    `together` the most that all held at one moment, shared pages counted once for each process; `cpu` the CPU
    seconds by kind. A process that lives shorter than `interval` may be missed.
    """

    def __init__(self, root: int, interval: float = 0.2) -> None:
        self.root, self.interval = root, interval
        self.cpu_of: dict[int, tuple[str, float]] = {}
        self.peaks: dict[str, float] = {}
        self.curve: list[tuple[float, float]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "TreeWatch":
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def cpu(self) -> dict[str, float]:
        """CPU seconds by kind of process."""
        sums: dict[str, float] = {}
        for kind, seconds in self.cpu_of.values():
            sums[kind] = sums.get(kind, 0.0) + seconds
        return sums

    def cpu_between(self, start: float, end: float) -> float:
        """CPU seconds of all kinds between two moments of time.time()."""
        moments, seconds = zip(*self.curve, strict=True)
        before, after = np.interp([start, end], moments, seconds)
        return float(after - before)

    def _watch(self) -> None:
        while not self._stop.wait(self.interval):
            self._look()

    def _look(self) -> None:
        found = {pid: process for pid in _pids() if (process := read_process(pid, self.root))}
        together = 0
        for pid in descendants(self.root, {pid: process.parent for pid, process in found.items()}):
            process = found[pid]
            self.cpu_of[pid] = (process.kind, process.cpu)
            self.peaks[process.kind] = max(self.peaks.get(process.kind, 0.0), process.peak / 1e6)
            together += _resident(pid)
        self.curve.append((time.time(), sum(self.cpu.values())))
        self.peaks["together"] = max(self.peaks.get("together", 0.0), together / 1e6)


def descendants(root: int, parents: dict[int, int]) -> list[int]:
    """`root` and all whose chain of parents leads to it."""
    children: dict[int, list[int]] = {}
    for pid, parent in parents.items():
        children.setdefault(parent, []).append(pid)
    found, open_ends = [], [root] if root in parents else []
    while open_ends:
        pid = open_ends.pop()
        found.append(pid)
        open_ends += children.get(pid, [])
    return found


def read_process(pid: int, root: int) -> Process | None:
    """None where the process is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        status = Path(f"/proc/{pid}/status").read_text()
        name = Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return None
    peak = [line for line in status.splitlines() if line.startswith("VmHWM")]
    kind = "driver" if pid == root else "jvm" if name == "java" else "worker"
    cpu = (int(stat[11]) + int(stat[12])) / TICKS
    return Process(int(stat[1]), kind, cpu, int(peak[0].split()[1]) * 1024 if peak else 0)


def _pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except (FileNotFoundError, ProcessLookupError):
        return 0
