"""The process of one training: `python -m orchestration.training_process model.pretrain CONFIG.json --out FOLDER`.

It opens Dagster Pipes, runs the command of model/ in this process, and tells the run how far it is, read from the
lines that the command has written to metrics.jsonl. It reports no result: the asset records one when the process has
ended well and its files are published. Outside Dagster it does the same and tells nobody.

Two things keep a folder whole. A process locks it, and the lock goes with the process, however that ends. And where
the process that started it is gone, it stops as at SIGTERM: with a checkpoint, and without a run that nobody watches.
"""

import argparse
import fcntl
import json
import os
import runpy
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dagster_pipes import PipesContext, PipesEnvVarParamsLoader, open_dagster_pipes

BUSY = 2
PATIENCE_SECONDS = 60.0  # for a process whose run was killed, to write its checkpoint
_POLL_SECONDS = 0.5


class FolderBusyError(RuntimeError):
    """Another live process trains in this folder."""


def main() -> int:
    """Run one training; its exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("module", help="the command, such as model.pretrain")
    parser.add_argument("config", type=Path, help="JSON file")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--parent", type=int, help="stop when this process is no longer the parent")
    given = parser.parse_args()
    with open_dagster_pipes() as pipes:
        try:
            with exclusive(given.out), _watched(pipes, given.out, given.parent):
                return run_module(given.module, [str(given.config), "--out", str(given.out)])
        except FolderBusyError as error:
            print(error, file=sys.stderr)
            return BUSY


def run_module(module: str, arguments: Sequence[str]) -> int:
    """Run a module as `python -m` does; the status that it exits with."""
    sys.argv = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
            return 1
        return ended.code or 0
    return 0


@contextmanager
def exclusive(out: Path, patience: float = PATIENCE_SECONDS) -> Iterator[None]:
    """Hold the folder `out` for this process; FolderBusyError where another keeps it beyond `patience` seconds."""
    path = out.parent / f"{out.name}.lock"
    with path.open("a+", encoding="utf-8") as stream:
        deadline = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    stream.seek(0)
                    holder = stream.read().strip() or "unknown"
                    raise FolderBusyError(
                        f"{out}: process {holder} trains in this folder; wait for it, or stop it by SIGTERM, which "
                        "leaves a checkpoint"
                    ) from None
                time.sleep(min(_POLL_SECONDS, patience))
        if not out.is_dir():
            raise FolderBusyError(
                f"{out}: another run has finished this training meanwhile; run the asset again"
            )
        stream.truncate(0)
        stream.write(str(os.getpid()))
        stream.flush()
        yield


class Progress:
    """What has been added to a metrics file since the last look."""

    def __init__(self, path: Path, keys: Sequence[str]) -> None:
        self._path, self._keys = path, keys
        self._seen: int | None = None

    def line(self) -> str | None:
        """The newest whole line in words; None where there is none, or none that is new."""
        newest = last_line(self._path)
        if newest is None or newest.get("step") == self._seen:
            return None
        self._seen = newest.get("step")
        return told(newest, self._keys)


def last_line(path: Path) -> dict[str, Any] | None:
    """The last whole JSON line of a file, of which only the end is read; None where there is none yet."""
    if not path.exists():
        return None
    with path.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - (1 << 16)))
        lines = stream.read().split(b"\n")
    # The first may be cut by the seek, the last by the writer.
    whole = lines[:-1] if size <= 1 << 16 else lines[1:-1]
    found: dict[str, Any] | None = json.loads(whole[-1]) if whole else None
    return found


def told(line: dict[str, Any], keys: Sequence[str]) -> str:
    """`step 12, loss 3.21, …`: those of `keys` that the line has."""
    shown = [("step", line.get("step")), *((key, line[key]) for key in keys if line.get(key) is not None)]
    return ", ".join(f"{key} {_number(value)}" for key, value in shown)


def _number(value: Any) -> str:
    return (
        f"{value:.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
    )


@contextmanager
def _watched(pipes: PipesContext, out: Path, parent: int | None) -> Iterator[None]:
    """Tell the progress, and look after the parent, in a thread beside the block."""
    extras = pipes.extras if PipesEnvVarParamsLoader().is_dagster_pipes_process() else {}  # type: ignore[no-untyped-call]
    progress = Progress(out / "metrics.jsonl", extras.get("progress_keys", []))
    seconds = float(extras.get("progress_seconds", 10.0))
    ended = threading.Event()

    def watch() -> None:
        told_at, asked = time.monotonic(), False
        while not ended.wait(_POLL_SECONDS):
            if parent is not None and not asked and os.getppid() != parent:
                asked = True  # once: a second signal would not even let the step end
                print("the run that started this training is gone: stopping it", file=sys.stderr)
                os.kill(os.getpid(), signal.SIGTERM)
            if not asked and time.monotonic() - told_at >= seconds:
                told_at = time.monotonic()
                if (line := progress.line()) is not None:
                    pipes.log.info(line)

    thread = threading.Thread(target=watch, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        if (line := progress.line()) is not None:
            pipes.log.info(line)


if __name__ == "__main__":
    sys.exit(main())
