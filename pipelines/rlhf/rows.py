"""Files to raw rows by their names: JSON (an array, or an object a line), CSV, Parquet and plain text, streamed."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import chain
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.rlhf.bad_row import BadRow
from pipelines.rlhf.json_stream import array_items
from pipelines.rlhf.source_config import RlhfSourceConfig
from pipelines.sources.decode import TextLines
from pipelines.sources.members import DamagedFileError, Member
from pipelines.sources.watched import Watched

_BATCH_ROWS = 256
_MAX_CELL_CHARS = 1 << 28
_ROW_OVER_FIELD = 16  # an array's element may be this many times as long as a field

Rows = Iterator[tuple[int, Any]]


class UnknownFormatError(ValueError):
    """A file's name does not tell its format."""


def read_rows(member: Member, config: RlhfSourceConfig) -> Rows:
    """Number from 1 and raw value of each row, a BadRow in place of one that cannot be read.

    The number is that of the line (jsonl, txt), the element (json), the data row (csv) or the row (parquet).
    Raises UnknownFormatError, one of pipelines.sources.members.DAMAGE, or what the storage raises.
    """
    suffix = member.bare[member.bare.rfind(".") :].lower() if "." in member.bare else ""
    if suffix not in _READERS:
        known = ", ".join(_READERS)
        raise UnknownFormatError(
            f"source '{config.name}': {member.path} ends in none of {known} (or these with .gz); rename it, or "
            "leave it out by 'exclude'"
        )
    return _READERS[suffix](member, config)


def _json_lines(member: Member, config: RlhfSourceConfig) -> Rows:
    return _parsed_lines(TextLines(member, config.encoding))


def _parsed_lines(lines: Any) -> Rows:
    for number, line in enumerate(lines, 1):
        if line.isspace() or not line:
            continue
        try:
            yield number, json.loads(line)
        except (ValueError, RecursionError) as error:
            yield number, BadRow("broken_json", f"line {number}: {error}")


def _json(member: Member, config: RlhfSourceConfig) -> Rows:
    """An array's elements; a file that begins otherwise holds an object a line, or is one object."""
    lines = iter(TextLines(member, config.encoding))
    head = list(_until_text(lines))
    text = "".join(head).lstrip()
    if text.startswith("["):
        limit = config.max_field_chars * _ROW_OVER_FIELD
        yield from enumerate(array_items(chain(head, lines), limit), 1)
    elif text.rstrip() == "{":
        yield from _one_object(chain(head, lines), config.max_field_chars * _ROW_OVER_FIELD)
    else:
        yield from _parsed_lines(chain(head, lines))


def _until_text(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        yield line
        if not line.isspace():
            return


def _one_object(lines: Iterator[str], limit: int) -> Rows:
    """A printed object over many lines: the one element of an array."""
    yield from enumerate(array_items(chain("[", lines, "]"), limit), 1)


def _csv(member: Member, config: RlhfSourceConfig) -> Rows:
    delimiter = config.delimiter or ("\t" if member.bare.lower().endswith(".tsv") else ",")
    csv.field_size_limit(_MAX_CELL_CHARS)
    lines = (line.replace("\0", "") for line in TextLines(member, config.encoding))
    reader = csv.DictReader(lines, delimiter=delimiter)
    number = 0
    while True:
        number += 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield number, BadRow("broken_csv", f"row {number}: {error}")
            continue
        if None in row:
            columns = len(reader.fieldnames or ())
            detail = (
                f"row {number} has more than the {columns} columns of the first line; is a quote not doubled?"
            )
            yield number, BadRow("broken_csv", detail)
            continue
        yield number, row


def _parquet(member: Member, _: RlhfSourceConfig) -> Rows:
    with closing(member.open()) as stream:
        # Parquet is read from its end: a compressed or archived file must be in memory.
        stored = Watched(stream if isinstance(stream, pa.NativeFile) else io.BytesIO(stream.read()))
        try:
            file = pq.ParquetFile(stored)
            number = 0
            for batch in file.iter_batches(_BATCH_ROWS):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
        except (pa.ArrowException, OSError) as error:
            stored.raise_failure()
            raise DamagedFileError(f"Parquet: {error}") from error


def _text(member: Member, config: RlhfSourceConfig) -> Rows:
    lines = enumerate(TextLines(member, config.encoding), 1)
    if config.text_unit == "line":
        yield from ((number, line.strip()) for number, line in lines if not line.isspace())
        return
    paragraph: list[str] = []
    first = 1
    for number, line in lines:
        if not line.isspace():
            first = first if paragraph else number
            paragraph.append(line)
        elif paragraph:
            yield first, "".join(paragraph).strip()
            paragraph = []
    if paragraph:
        yield first, "".join(paragraph).strip()


_READERS: dict[str, Callable[[Member, RlhfSourceConfig], Rows]] = {
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".json": _json,
    ".csv": _csv,
    ".tsv": _csv,
    ".parquet": _parquet,
    ".txt": _text,
}
