"""Rows in and out of JSONL and Parquet files: what generation and evaluation read and leave behind.

A file appears under its name when it is whole: a run that was cut off leaves none, and a resumed one trusts what it
finds.
"""

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from model.data import dataset_folder

FORMS = ".jsonl, .jsonl.gz, .parquet"


def read_rows(path: str | Path) -> Iterator[dict[str, Any]]:
    """The rows of a JSONL file (gzip or not), a Parquet file, or a folder of Parquet files in order of name.

    A dataset's folder stands for the version that its pointer names. A ValueError names the file and, from 0, the row
    that is no JSON object.
    """
    path = Path(path)
    if path.is_dir():
        for shard in sorted(dataset_folder(path).glob("*.parquet")):
            yield from read_rows(shard)
    elif path.suffix == ".parquet":
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches():
                yield from batch.to_pylist()
    elif path.name.endswith((".jsonl", ".jsonl.gz")):
        yield from _read_jsonl(path)
    else:
        raise ValueError(f"{path}: the name of a file of rows must end in one of {FORMS}")


def read_lines(path: str | Path) -> Iterator[str]:
    """The lines of a UTF-8 text file, gzip or not, without their ends."""
    path = Path(path)
    opener = gzip.open if path.suffix == ".gz" else Path.open
    with opener(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield line.rstrip("\n")


def _read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    for row, line in enumerate(read_lines(path)):
        if not line.strip():
            raise ValueError(f"{path}: row {row}: expected a JSON object, found an empty line")
        try:
            value = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(f"{path}: row {row}: expected a JSON object: {error}") from error
        if not isinstance(value, dict):  # a fault of the file, not of a caller's argument
            raise ValueError(  # noqa: TRY004
                f"{path}: row {row}: expected a JSON object, found {type(value).__name__}"
            )
        yield value


def field_of(row: Mapping[str, Any], name: str, kind: type, where: str) -> Any:
    """row[name], of this type; a ValueError says which row (`where`) lacks it and what it has."""
    if name not in row:
        raise ValueError(f"{where}: no field '{name}'; the row has {', '.join(map(str, row))}")
    value = row[name]
    if not isinstance(value, kind):
        found = type(value).__name__
        raise ValueError(f"{where}: field '{name}': expected {kind.__name__}, found {found}")  # noqa: TRY004
    return value


def write_jsonl(path: str | Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write one JSON object a line, whole or not at all."""
    part = _part(path)
    with part.open("w", encoding="utf-8") as lines:
        lines.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    part.replace(path)


def write_parquet(path: str | Path, table: pa.Table) -> None:
    """Write a Parquet file, whole or not at all."""
    part = _part(path)
    pq.write_table(table, part, compression="zstd")
    part.replace(path)


def _part(path: str | Path) -> Path:
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(f".{path.name}.part")
