"""Run a function over payloads in a forked child that the kernel kills when one takes too much CPU time.

Why a child and not a signal: an extension that holds the GIL runs no Python signal handler, so only the
default action of a signal stops it, and that ends the whole process. Ending the Spark worker instead would
lose the shard's work, use up one of the task's few attempts a poison record, and need a journal on disk to
say which record it was. Here the child dies, the parent knows which record by counting answers, forks again
and goes on with the next one; crashes (a segmentation fault, no memory) are caught alike.

The limit is CPU time of the child (ITIMER_PROF with SIGPROF at its default action), so a crowded machine, a
suspended process or a slow reader of the results never makes a record look like poison. The parent's own
signals and timers are untouched.

Payloads travel in two shared memory slots, one being filled while the child works on the other; answers
come back by a pipe. The child calls `function` and nothing else: no file, no network, no Arrow, and it
closes every descriptor it inherited.
"""

import contextlib
import faulthandler
import gc
import mmap
import os
import signal
import struct
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, Literal, NamedTuple, NoReturn, TypeVar

T = TypeVar("T")

_BATCH_BYTES = 1 << 20
_BATCH_RECORDS = 64
_SLOTS = 2
_COMMAND = struct.Struct("<QII")  # slot, number of payloads, first one to work on
_LENGTH = struct.Struct("<Q")
_ANSWER = struct.Struct("<BQ")  # 0 answer, 1 exception; bytes that follow
_OK, _RAISED = 0, 1


class Death(NamedTuple):
    """Why a payload has no answer; `detail` tells a person more."""

    reason: Literal["killed_by_time_limit", "extractor_crashed", "extractor_failed"]
    detail: str


@dataclass(frozen=True)
class _Batch(Generic[T]):
    slot: int
    labels: list[T]


def guarded_map(
    function: Callable[[bytes], bytes], items: Iterable[tuple[T, bytes]], cpu_seconds: float, max_bytes: int
) -> Generator[tuple[T, bytes | Death], None, None]:
    """(label, answer) for each (label, payload), in order; `cpu_seconds` and `max_bytes` bound each payload.

    An exception of `function` is a Death of its payload alone. A payload longer than `max_bytes` is a
    ValueError. Close the iterator (or exhaust it) to end the child.
    """
    slot_bytes = max_bytes + _BATCH_BYTES + _LENGTH.size * _BATCH_RECORDS
    with (
        mmap.mmap(-1, _SLOTS * slot_bytes) as shared,
        _Supervisor(function, shared, slot_bytes, cpu_seconds) as child,
    ):
        waiting: deque[_Batch[T]] = deque()
        for batch in _packed(items, shared, slot_bytes, max_bytes):
            waiting.append(batch)
            child.submit(batch)
            if len(waiting) == _SLOTS:
                yield from _answers(child, waiting)
        while waiting:
            yield from _answers(child, waiting)


def _answers(child: "_Supervisor", waiting: deque[_Batch[T]]) -> Iterator[tuple[T, bytes | Death]]:
    """Answers to the first waiting batch; a dead child is replaced and given what it left undone."""
    batch = waiting.popleft()
    for number, label in enumerate(batch.labels):
        answer = child.answer()
        if answer is None:
            answer = child.replace()
            if number + 1 < len(batch.labels):
                child.submit(batch, number + 1)
            for later in waiting:
                child.submit(later)
        yield label, answer


def _packed(
    items: Iterable[tuple[T, bytes]], shared: mmap.mmap, slot_bytes: int, max_bytes: int
) -> Iterator[_Batch[T]]:
    """Payloads written to the slots in turn, a batch at a time: [length, bytes]... from the slot's start."""
    slot, position = 0, 0
    labels: list[T] = []
    for label, payload in items:
        if len(payload) > max_bytes:
            raise ValueError(
                f"a payload of {len(payload)} bytes was given to a guarded child that takes {max_bytes}"
            )
        at = slot * slot_bytes + position
        shared[at : at + _LENGTH.size] = _LENGTH.pack(len(payload))
        shared[at + _LENGTH.size : at + _LENGTH.size + len(payload)] = payload
        position += _LENGTH.size + len(payload)
        labels.append(label)
        if position >= _BATCH_BYTES or len(labels) == _BATCH_RECORDS:
            yield _Batch(slot, labels)
            slot, position, labels = (slot + 1) % _SLOTS, 0, []
    if labels:
        yield _Batch(slot, labels)


class _Supervisor:
    """The parent's end: one child at a time, its command pipe and its answer pipe."""

    def __init__(
        self, function: Callable[[bytes], bytes], shared: mmap.mmap, slot_bytes: int, cpu_seconds: float
    ) -> None:
        self._function, self._shared, self._slot_bytes, self._cpu_seconds = (
            function,
            shared,
            slot_bytes,
            cpu_seconds,
        )
        self._start()

    def _start(self) -> None:
        command_read, command_write = os.pipe()
        answer_read, answer_write = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        self._pid = os.fork()
        if self._pid == 0:
            _live(
                self._function, self._shared, self._slot_bytes, self._cpu_seconds, command_read, answer_write
            )
        os.close(command_read)
        os.close(answer_write)
        self._commands = command_write
        self._answers = open(answer_read, "rb", buffering=1 << 16)  # noqa: PTH123, SIM115 - a descriptor

    def submit(self, batch: _Batch[T], first: int = 0) -> None:
        """Tell the child to work on a batch; a child that is gone shows in `answer`."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._commands, _COMMAND.pack(batch.slot, len(batch.labels), first))

    def answer(self) -> bytes | Death | None:
        """The next answer; None if the child has died instead."""
        head = self._answers.read(_ANSWER.size)
        if len(head) < _ANSWER.size:
            return None
        kind, length = _ANSWER.unpack(head)
        body = self._answers.read(length)
        if len(body) < length:
            return None
        return body if kind == _OK else Death("extractor_failed", body.decode("utf-8", "replace"))

    def replace(self) -> Death:
        """Bury the dead child, start another, and say what the first died of."""
        status = self._reap()
        self._start()
        if not os.WIFSIGNALED(status):
            return Death(
                "extractor_crashed", f"the extracting process exited with {os.waitstatus_to_exitcode(status)}"
            )
        number = os.WTERMSIG(status)
        if number == signal.SIGPROF:
            return Death("killed_by_time_limit", f"more than {self._cpu_seconds:g} s of CPU time")
        return Death("extractor_crashed", f"the extracting process died of {signal.Signals(number).name}")

    def _reap(self) -> int:
        os.close(self._commands)
        self._answers.close()
        return os.waitpid(self._pid, 0)[1]

    def __enter__(self) -> "_Supervisor":
        return self

    def __exit__(self, *_: object) -> None:
        os.kill(self._pid, signal.SIGKILL)
        self._reap()


def _live(
    function: Callable[[bytes], bytes],
    shared: mmap.mmap,
    slot_bytes: int,
    cpu_seconds: float,
    commands: int,
    answers: int,
) -> NoReturn:
    """The child's whole life: it ends with the command pipe, by the limit, or by its own crash."""
    code = 1
    try:
        faulthandler.disable()
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGPROF, signal.SIGTERM, signal.SIGINT, signal.SIGALRM, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        low, high = sorted((commands, answers))
        os.closerange(3, low)
        os.closerange(low + 1, high)
        os.closerange(high + 1, os.sysconf("SC_OPEN_MAX"))
        gc.freeze()  # a collection would touch, and so copy, every page of the parent
        with open(commands, "rb", buffering=0) as source:
            while len(command := source.read(_COMMAND.size) or b"") == _COMMAND.size:
                slot, count, first = _COMMAND.unpack(command)
                _work(function, shared, slot * slot_bytes, range(count), first, cpu_seconds, answers)
        code = 0
    finally:
        os._exit(code)


def _work(
    function: Callable[[bytes], bytes],
    shared: mmap.mmap,
    at: int,
    numbers: range,
    first: int,
    cpu_seconds: float,
    answers: int,
) -> None:
    for number in numbers:
        (length,) = _LENGTH.unpack_from(shared, at)
        at += _LENGTH.size
        if number >= first:
            signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
            try:
                kind, body = _OK, function(shared[at : at + length])
            except Exception as error:
                kind, body = _RAISED, f"{type(error).__name__}: {error}".encode("utf-8", "replace")
            signal.setitimer(signal.ITIMER_PROF, 0)
            _write_all(answers, _ANSWER.pack(kind, len(body)) + body)
        at += length


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
