"""What the benchmarks of training share: arguments, the device, timing, data, tables, and parts that fail alone."""

import argparse
import gc
import inspect
import json
import platform
import statistics
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import transformers
from torch.nn.attention.varlen import varlen_attn

from model import flops
from model.attention import VARLEN_HAS_WINDOW
from model.gpt_config import PRESETS, GPTConfig
from model.metrics import write_json
from model.run_config import Device

# Of the vendors' data sheets, bytes a second; the first name that is part of the device's counts.
HBM_BANDWIDTH = {"H200": 4.8e12, "H100 PCIe": 2.0e12, "H100 NVL": 3.9e12, "H100": 3.35e12, "A100": 2.039e12}
TINY = GPTConfig(vocab_size=500, context=64, n_layer=2, n_head=2, d_model=32, band=16)
FILES, GROUP, POOL = 4, 64, 1 << 20

Row = dict[str, Any]


class Cell(NamedTuple):
    """A measurement: what tells it from the others, and what gives its figures."""

    labels: Row
    measure: Callable[[], Row]


@dataclass(frozen=True)
class Settings:
    """What all parts go by."""

    device: torch.device
    tiny: bool
    repeats: int
    models: tuple[str, ...]
    scratch: Path

    @property
    def on_cuda(self) -> bool:
        """Whether figures are of a GPU."""
        return self.device.type == "cuda"

    @property
    def place(self) -> Device:
        """The device as configs name it."""
        return "cuda" if self.on_cuda else "cpu"

    @property
    def dtype(self) -> torch.dtype:
        """The working dtype, as training chooses it."""
        return torch.bfloat16 if self.on_cuda else torch.float32

    def shapes(self) -> dict[str, GPTConfig]:
        """The models to measure by name."""
        return {"tiny": TINY} if self.tiny else {name: PRESETS[name] for name in self.models}

    def size(self, full: int, tiny: int) -> int:
        """A number of rows, tokens or steps: `tiny` under --tiny."""
        return tiny if self.tiny else full

    def packed(self, shape: GPTConfig, rows: int) -> Path:
        """A folder of packed rows that fit the model, made at the first call."""
        folder = self.scratch / f"packed-{shape.vocab_size}-{shape.context}-{rows}"
        if not folder.exists():
            write_packed(folder, rows, shape.context + 1, shape.vocab_size)
        return folder


Part = Callable[[Settings], Iterable[Cell]]


@dataclass
class Report:
    """Rows of figures by part, printed as they come; `failed` names parts with an error."""

    settings: Settings
    out: Path | None
    facts: Row
    parts: dict[str, list[Row]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def run(self, name: str, part: Part) -> None:
        """Measure every cell; one that fails prints why, and the others go on."""
        rows = self.parts.setdefault(name, [])
        print(f"\n## {name}", flush=True)
        try:
            for cell in part(self.settings):
                rows.append(self._measure(name, cell))
                print("  " + describe(rows[-1]), flush=True)
                self.write()
        except Exception as error:
            self._note(name, error)
        self.write()

    def finish(self) -> int:
        """Print all tables, and the JSON where no file has it; the exit status: 1 where anything failed."""
        for name, rows in self.parts.items():
            print(f"\n{name}\n{table(rows)}")
        for name, why in self.failed.items():
            print(f"\nFAILED {name}: {why}")
        if self.out is None:
            print("\n" + json.dumps(self._whole()))
        return 1 if self.failed else 0

    def write(self) -> None:
        """Write what there is so far to `out`."""
        if self.out is not None:
            write_json(self.out, self._whole())

    def _whole(self) -> Row:
        return {"environment": self.facts, "parts": self.parts, "failed": self.failed}

    def _measure(self, name: str, cell: Cell) -> Row:
        clear(self.settings.device)
        try:
            found = cell.measure()
        except torch.OutOfMemoryError:  # a figure of its own where sizes are tried
            return {**cell.labels, "note": "out of memory"}
        except Exception as error:
            self._note(f"{name} {describe(cell.labels)}", error)
            return {**cell.labels, "note": f"failed: {type(error).__name__}"}
        if self.settings.on_cuda:
            found = {**found, "peak_gib": torch.cuda.max_memory_allocated(self.settings.device) / 2**30}
        return {**cell.labels, **found}

    def _note(self, name: str, error: Exception) -> None:
        traceback.print_exception(error)
        self.failed[name] = f"{type(error).__name__}: {error}"


def run_parts(
    description: str, parts: Mapping[str, Part], arguments: Sequence[str] | None, scratch: Path
) -> int:
    """Read the command line, measure the parts it chooses, and give the exit status."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", nargs="+", choices=list(parts), default=list(parts))
    parser.add_argument("--models", nargs="+", default=["gpt3-small", "gpt3-medium"], choices=list(PRESETS))
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--repeats", type=int, default=5, help="timed repeats, of which the median counts")
    parser.add_argument("--tiny", action="store_true", help="smallest sizes: to see that everything runs")
    parser.add_argument(
        "--out", type=Path, help="file for the JSON, rewritten after every figure; else it is printed"
    )
    given = parser.parse_args(arguments)
    place = ("cuda" if torch.cuda.is_available() else "cpu") if given.device == "auto" else given.device
    device = torch.device(place)
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")
    settings = Settings(device, given.tiny, given.repeats, tuple(given.models), scratch)
    report = Report(settings, given.out, environment(device))
    for key, value in report.facts.items():
        print(f"{key}: {value}")
    for name in given.parts:
        report.run(name, parts[name])
    return report.finish()


def environment(device: torch.device) -> Row:
    """What the figures depend on, and the peaks that they are compared with."""
    on_cuda = device.type == "cuda"
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "transformers": transformers.__version__,
        "device": torch.cuda.get_device_name(device) if on_cuda else platform.processor() or "cpu",
        "memory_gib": torch.cuda.get_device_properties(device).total_memory / 2**30 if on_cuda else None,
        "peak_bf16_flops": flops.device_peak(device),
        "hbm_bytes_per_second": bandwidth(device),
        "varlen_attn": str(inspect.signature(varlen_attn)),
        "VARLEN_HAS_WINDOW": VARLEN_HAS_WINDOW,
    }


def bandwidth(device: torch.device) -> float | None:
    """Memory bandwidth by the data sheet, bytes a second; None for a CPU or a device that the table lacks."""
    if device.type != "cuda":
        return None
    return flops.of_device(HBM_BANDWIDTH, torch.cuda.get_device_name(device))


def kv_bytes(shape: GPTConfig, item: int) -> int:
    """Bytes of one token's keys and values in all layers."""
    return 2 * shape.n_layer * shape.d_model * item


def decode_bytes(shape: GPTConfig, rows: int, held: int, item: int) -> int:
    """Bytes that a decoding step cannot but read: the weights, and what each row's layers see of `held` tokens."""
    seen = sum(min(held, shape.window(layer) or held) for layer in range(shape.n_layer))
    return item * (flops.matrix_parameters(shape) + rows * 2 * shape.d_model * seen)


def wait(device: torch.device) -> None:
    """Until the device has done all that was asked of it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def clear(device: torch.device) -> None:
    """Forget compiled code and cached memory of a GPU, so that a measurement inherits nothing from the one before."""
    if device.type == "cuda":
        gc.collect()
        torch.compiler.reset()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def timed(action: Callable[[], object], device: torch.device, repeats: int, warmup: int) -> list[float]:
    """Seconds of each of `repeats` calls, after `warmup` that do not count."""
    for _ in range(warmup):
        action()
    spent = []
    for _ in range(repeats):
        wait(device)
        begin = time.perf_counter()
        action()
        wait(device)
        spent.append(time.perf_counter() - begin)
    return spent


def rate(units: float, spent: Sequence[float], name: str = "tokens_per_second") -> Row:
    """Units a second by the median, and how far the slowest and the fastest repeat lie apart."""
    median = statistics.median(spent)
    return {name: units / median, "spread": (max(spent) - min(spent)) / median, "repeats": len(spent)}


def column(lines: Iterable[Mapping[str, float]], key: str) -> list[float]:
    """The values of a key in all lines that have it."""
    return [line[key] for line in lines if key in line]


def write_packed(folder: Path, rows: int, length: int, vocab_size: int) -> None:
    """A dataset of packed rows: ids by Zipf's law, so that they compress as text does; zstd, row groups of 64."""
    folder.mkdir(parents=True)
    draw = np.random.default_rng(0)
    pool = (draw.zipf(1.2, POOL) % vocab_size).astype(np.int32)
    for number in range(FILES):
        ids = pool[draw.integers(0, POOL, rows // FILES * length)]
        packed = pa.FixedSizeListArray.from_arrays(pa.array(ids), length)
        path = folder / f"train-{number:05d}.parquet"
        pq.write_table(pa.table({"input_ids": packed}), path, compression="zstd", row_group_size=GROUP)


def describe(row: Mapping[str, Any]) -> str:
    """A row as one line."""
    return ", ".join(f"{key} {shown(value)}" for key, value in row.items() if value is not None)


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as a table in Markdown; a column is any key that occurs."""
    keys = list(dict.fromkeys(key for row in rows for key in row))
    lines = [keys, ["---"] * len(keys), *([shown(row.get(key)) for key in keys] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def shown(value: object) -> str:
    """A figure with four significant digits, whole from a thousand on; nothing for None."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return str(value)


def paired(
    first: Callable[[], object], second: Callable[[], object], device: torch.device, repeats: int, warmup: int
) -> Iterator[tuple[float, float]]:
    """Seconds of both, taken in turn, so that a device that grows warm slows both."""
    for _ in range(warmup):
        first()
        second()
    for _ in range(repeats):
        yield timed(first, device, 1, 0)[0], timed(second, device, 1, 0)[0]
