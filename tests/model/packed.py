"""Folders of packed sequences for tests, and the smallest config that trains on one."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

LENGTH = 17


def packed_table(ids: Any, sources: list[str], split: str) -> pa.Table:
    """Rows of sequences with the columns that training reads."""
    ids = np.asarray(ids, np.int32)
    return pa.table(
        {
            "input_ids": pa.FixedSizeListArray.from_arrays(pa.array(ids.ravel()), ids.shape[1]),
            "source": sources,
            "split": [split] * len(ids),
        }
    )


def numbered(rows: range, length: int = LENGTH, vocab: int = 97) -> Any:
    """Sequences that a small model can learn: row r counts up from r, modulo the vocabulary."""
    return (np.array(rows)[:, None] + np.arange(length)[None, :]) % vocab


def write_packed(
    folder: Path, files: dict[str, range], group: int = 8, length: int = LENGTH, vocab: int = 97
) -> Path:
    """A folder with these files of numbered rows; every third row is of source b, the others of source a."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in files.items():
        sources = ["b" if row % 3 == 0 else "a" for row in rows]
        table = packed_table(numbered(rows, length, vocab), sources, name.split("-")[0])
        pq.write_table(table, folder / f"{name}.parquet", row_group_size=group)
    return folder


def small_dataset(folder: Path) -> Path:
    """64 training rows in three files, 6 validation rows."""
    files = {"train-00000": range(24), "train-00001": range(24, 40), "train-00002": range(40, 64)}
    return write_packed(folder, {**files, "validation-00000": range(100, 106)})


def small_config(data: Path, **changes: Any) -> dict[str, Any]:
    """A config as JSON: a model of some thousand weights, 20 steps of 8 rows."""
    config: dict[str, Any] = {
        "sources": [{"folder": str(data)}],
        "tokens": 20 * 8 * (LENGTH - 1),
        "model": {
            "vocab_size": 97,
            "context": LENGTH - 1,
            "n_layer": 2,
            "n_head": 2,
            "d_model": 16,
            "band": 8,
            "resid_dropout": 0.1,
        },
        "batch": {"rows": 8, "micro_rows": 4},
        "rate": {"peak": 0.01, "warmup_tokens": 256},
        "window_rows": 16,
        "watch": {"validate_every": 5, "sample_every": 0},
        "run": {"checkpoint_every": 4, "device": "cpu"},
    }
    for key, value in changes.items():
        at = config
        *parents, last = key.split("__")
        for parent in parents:
            at = at[parent]
        at[last] = value
    return config


def write_config(path: Path, config: dict[str, Any]) -> Path:
    """The config as a file."""
    path.write_text(json.dumps(config))
    return path
