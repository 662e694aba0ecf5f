"""Rate of the pretraining loader: packed rows in shuffled order from Parquet, in tokens a second.

    python -m benchmarks.loader [FOLDER] [--rows 16] [--window-rows 8192] [--seconds 5]

FOLDER is the dataset `pretraining` or one of its versions; without it a dataset of 32,768 rows of 2,049 tokens is
made in a temporary folder (row groups of 64, zstd; ids drawn by Zipf's law, so that they compress as text does).
One background thread makes the batches, as in training; the main thread only takes them. Figures are of the wall
clock, from the first batch on and over whole windows: `tokens_per_second`, and `cpu_tokens_per_second` by the
processor time of both threads, which a busy machine distorts less. `peak_memory_mib` is the process's.
"""

import argparse
import json
import multiprocessing
import platform
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from model.data import PackedRows
from model.loader import Loader, packed_batches
from model.row_order import RowOrder

MADE_ROWS, MADE_LENGTH, MADE_VOCABULARY, GROUP = 32_768, 2049, 50_257, 64


def make_dataset(folder: Path) -> None:
    """Four files of packed rows."""
    generator = np.random.default_rng(0)
    for number in range(4):
        ids = generator.zipf(1.2, (MADE_ROWS // 4) * MADE_LENGTH)
        column = pa.FixedSizeListArray.from_arrays(
            pa.array((ids % MADE_VOCABULARY).astype(np.int32)), MADE_LENGTH
        )
        table = pa.table({"input_ids": column})
        pq.write_table(
            table, folder / f"train-{number:05d}.parquet", compression="zstd", row_group_size=GROUP
        )


def measure(folder: Path, rows: int, window_rows: int, seconds: float) -> dict[str, float | str]:
    """Figures of one pass that takes at least `seconds`."""
    packed = PackedRows(folder)
    order = RowOrder(packed.group_sizes(), 0, window_rows)
    packed.cached_rows = order.window_limit()
    loader = Loader(order, packed_batches([packed], pin=False), rows)
    window_batches = max(1, window_rows // rows)
    next(loader)
    begin, processor, tokens = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - begin < seconds:
        for _ in range(window_batches):
            tokens += next(loader).numel()
    wall, processor = time.perf_counter() - begin, time.process_time() - processor
    loader.close()
    return {
        "tokens_per_second": round(tokens / wall),
        "cpu_tokens_per_second": round(tokens / processor),
        "seconds": round(wall, 2),
        "row_tokens": packed.length,
        "dataset_rows": len(packed),
        "window_rows": window_rows,
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "machine": platform.processor() or platform.machine(),
    }


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--window-rows", type=int, default=8192)
    parser.add_argument("--seconds", type=float, default=5.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        if given.folder is None:
            # In a process of its own: its arrays must not count as the loader's memory.
            maker = multiprocessing.get_context("spawn").Process(target=make_dataset, args=(Path(temporary),))
            maker.start()
            maker.join()
        folder = given.folder or Path(temporary)
        print(json.dumps(measure(folder, given.rows, given.window_rows, given.seconds), indent=2))


if __name__ == "__main__":
    main()
