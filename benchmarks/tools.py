"""Runs a deduplication tool in its own process: ours in this Python, peers in the one that has them."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import peer_dedup

NOT_THERE = 3
LIMIT_SECONDS = 900


class Tool(NamedTuple):
    """A name, and the command that work, input and output are added to; None: no Python has it."""

    name: str
    command: tuple[str, ...] | None
    arguments: tuple[str, ...] = ()


def tools(pythons: Sequence[str]) -> list[Tool]:
    """Ours and every peer, each with the first of `pythons` that can import it."""
    own = (sys.executable, "-m", "benchmarks.own_dedup")
    found = [Tool("ours", own), Tool("ours, 20 bands of 5", own, ("20", "5"))]
    for name, (module, _) in peer_dedup.TOOLS.items():
        able = [python for python in pythons if _has(python, module)]
        found.append(Tool(name, (able[0], "-P", peer_dedup.__file__, name) if able else None))
    return found


def _has(python: str, module: str) -> bool:
    return (
        subprocess.run([python, "-c", f"import {module}"], capture_output=True, check=False).returncode == 0
    )


def run(tool: Tool, work: str, source: Path, target: Path) -> dict[str, Any] | None:
    """What the tool tells of one kind of work; None if it cannot do it. Its errors are raised as they are."""
    if tool.command is None:
        return None
    command = [*tool.command, work, str(source), str(target), *tool.arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)
    if done.returncode == NOT_THERE:
        return None
    if done.returncode:
        raise RuntimeError(f"{tool.name}, {work}: exit status {done.returncode}\n{done.stderr[-3000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))
