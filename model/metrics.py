"""metrics.jsonl: one JSON object a logged step, in order, without gaps or repeats after a resume."""

import json
import math
import os
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO


class MetricsFile:
    """Appends lines to `path`; lines past `step` (of a run that went on after its last checkpoint) are cut off."""

    def __init__(self, path: Path, step: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = [line for line in read_metrics(path) if line["step"] <= step]
        temporary = path.with_suffix(".writing")
        temporary.write_text("".join(_line(values) for values in kept), encoding="utf-8")
        temporary.replace(path)
        self._stream: TextIO = path.open("a", encoding="utf-8")

    def write(self, values: Mapping[str, Any]) -> None:
        """Append one line, which must hold `step`; it is there for readers at once."""
        self._stream.write(_line(values))
        self._stream.flush()

    def close(self) -> None:
        """Let go of the file."""
        self._stream.close()


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The lines of a metrics file, none where there is no file; a last line that was cut by a crash is left out."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    # Only a line that ends in a line feed was written wholly.
    return [json.loads(line) for line in lines[:-1]]


def summarise(lines: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Figures of a whole run, whatever its stops: medians of rates and shares, sums of seconds, of logged steps.

    Medians leave out what compilation and cold files cost the first steps.
    """
    figures = {
        key: statistics.median(values)
        for key in ("tokens_per_second", "mfu", "mfu_causal")
        if (values := [line[key] for line in lines if key in line])
    }
    seconds = math.fsum(line["seconds"] for line in lines)
    if seconds > 0:
        waited = math.fsum(line["data_wait_seconds"] for line in lines)
        figures |= {"training_seconds": seconds, "data_wait_share": waited / seconds}
    return figures


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON file in one atomic step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".writing-{os.getpid()}-{path.name}")
    temporary.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.replace(path)


def _line(values: Mapping[str, Any]) -> str:
    # JSON has no word for infinity: a reader gets null.
    finite = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()}
    return json.dumps(finite, ensure_ascii=False) + "\n"
