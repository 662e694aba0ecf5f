"""The guarded child: answers in order, and every way to die costs one payload only."""

import ctypes
import os
import re
import signal
import threading
import time
from pathlib import Path

import pytest

from pipelines.extract import extract
from pipelines.html.guarded import Death, guarded_map

LIMIT = 0.4


def behave(payload: bytes) -> bytes:
    """Double the payload, unless it asks for something worse."""
    if payload == b"loop in C":
        re.match(rb"(a+)+$", b"a" * 60 + b"b")
    if payload == b"segfault":
        ctypes.string_at(0)
    if payload == b"exit":
        os._exit(3)
    if payload == b"raise":
        raise KeyError("told")
    return payload * 2


def run(payloads: list[bytes], seconds: float = LIMIT, max_bytes: int = 1 << 22) -> list[bytes | Death]:
    answers = list(guarded_map(behave, list(enumerate(payloads)), seconds, max_bytes))
    assert [label for label, _ in answers] == list(range(len(payloads)))
    return [answer for _, answer in answers]


def test_answers_come_in_order() -> None:
    payloads = [b"%d" % n * (n % 50) for n in range(1000)]
    assert run(payloads) == [payload * 2 for payload in payloads]


def test_nothing_in_nothing_out() -> None:
    assert run([]) == []
    assert run([b""]) == [b""]


def test_payloads_and_answers_larger_than_a_batch() -> None:
    payloads = [bytes([n]) * (1 << 20) * n for n in (3, 1, 4, 1)]
    assert run(payloads) == [payload * 2 for payload in payloads]


@pytest.mark.parametrize(
    ("poison", "reason", "detail"),
    [
        (b"loop in C", "killed_by_time_limit", "0.4 s of CPU time"),
        (b"segfault", "extractor_crashed", "SIGSEGV"),
        (b"exit", "extractor_crashed", "exited with 3"),
        (b"raise", "extractor_failed", "KeyError: 'told'"),
    ],
    ids=["endless loop in C", "segmentation fault", "exit", "exception"],
)
def test_poison_costs_itself_alone(poison: bytes, reason: str, detail: str) -> None:
    payloads = [b"a", poison, b"b"] + [b"%d" % n for n in range(150)] + [poison]
    answers = run(payloads)
    for payload, answer in zip(payloads, answers, strict=True):
        if payload == poison:
            assert isinstance(answer, Death)
            assert answer.reason == reason
            assert detail in answer.detail
        else:
            assert answer == payload * 2


def test_resiliparse_without_the_gate_is_stopped() -> None:
    """The real poison: an extension that holds the GIL for minutes on deeply nested markup."""
    from resiliparse.extract.html2text import extract_plain_text

    def ungated(payload: bytes) -> bytes:
        return extract_plain_text(payload.decode(), main_content=True).encode()

    pages = [b"<p>one", b"<div>" * 100_000 + b"x", b"<p>three"]
    answers = [answer for _, answer in guarded_map(ungated, enumerate(pages), LIMIT, 1 << 20)]
    assert answers[0] == b"one"
    assert isinstance(answers[1], Death)
    assert answers[1].reason == "killed_by_time_limit"
    assert answers[2] == b"three"


def test_the_limit_is_for_one_payload_not_for_all() -> None:
    def busy(payload: bytes) -> bytes:
        until = time.process_time() + 0.15
        while time.process_time() < until:
            pass
        return payload

    assert [answer for _, answer in guarded_map(busy, enumerate([b"x"] * 6), LIMIT, 10)] == [b"x"] * 6


def test_waiting_is_not_working() -> None:
    def sleepy(payload: bytes) -> bytes:
        time.sleep(2 * LIMIT)
        return payload

    assert [answer for _, answer in guarded_map(sleepy, enumerate([b"x"]), LIMIT, 10)] == [b"x"]


def test_too_long_a_payload_is_the_callers_error() -> None:
    with pytest.raises(ValueError, match="11 bytes"):
        run([b"x" * 11], max_bytes=10)


def test_signals_and_timers_of_the_parent_stay() -> None:
    handler = signal.signal(signal.SIGALRM, lambda *_: None)
    try:
        signal.setitimer(signal.ITIMER_REAL, 60)
        before = signal.getsignal(signal.SIGPROF), signal.getsignal(signal.SIGTERM)
        run([b"a", b"loop in C", b"b"])
        assert (signal.getsignal(signal.SIGPROF), signal.getsignal(signal.SIGTERM)) == before
        assert signal.setitimer(signal.ITIMER_REAL, 0)[0] > 50
    finally:
        signal.signal(signal.SIGALRM, handler)


def test_no_child_and_no_descriptor_is_left() -> None:
    def open_descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    def children() -> set[str]:
        return {
            pid for path in Path("/proc/self/task").glob("*/children") for pid in path.read_text().split()
        }

    run([b"a"])
    before, others = open_descriptors(), children()
    answers = guarded_map(behave, enumerate([b"a", b"segfault", b"b"] * 100), LIMIT, 100)
    next(answers)
    answers.close()
    assert open_descriptors() == before
    assert children() == others


def test_the_child_holds_nothing_of_its_parents() -> None:
    """An inherited socket would keep the other side waiting after the parent has died."""
    opened = [Path("/proc/self/fd", str(number)).readlink() for number in os.pipe()]

    def descriptors(_: bytes) -> bytes:
        return "\n".join(
            str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.exists()
        ).encode()

    before = {str(path) for path in opened}
    ((_, held),) = guarded_map(descriptors, [(0, b"")], LIMIT, 10)
    assert isinstance(held, bytes)
    assert not before & set(held.decode().splitlines())


def test_the_child_ends_with_its_parent() -> None:
    """A killed worker leaves no extractor behind: the command pipe ends."""
    read_end, write_end = os.pipe()
    middle = os.fork()
    if middle == 0:
        payloads = ((n, b"") for n in range(10_000))
        answers = guarded_map(lambda _: str(os.getpid()).encode(), payloads, LIMIT, 10)
        os.write(write_end, next(answers)[1])
        os.kill(os.getpid(), signal.SIGKILL)
    os.close(write_end)
    child = int(os.read(read_end, 20))
    os.close(read_end)
    os.waitpid(middle, 0)
    for _ in range(100):
        if is_gone(child):
            return
        time.sleep(0.05)
    pytest.fail(f"process {child} outlived its parent")


def is_gone(pid: int) -> bool:
    """Whether a process has ended (a zombie has: nobody may be there to bury it)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_works_beside_threads() -> None:
    extract(b"")  # compiles the kernels, which counts as CPU time
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    try:
        pages = enumerate([b"<p>text</p>"] * 5)
        texts = guarded_map(lambda page: extract(page).text.encode(), pages, LIMIT, 1000)
        assert [text for _, text in texts] == [b"text"] * 5
    finally:
        stop.set()
        thread.join()
