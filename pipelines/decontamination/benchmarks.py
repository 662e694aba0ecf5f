"""Benchmark files as items of text: the input of decontamination.

One row of a file is one item: the strings of its fields, in order, each on a line of its own. A web page that
holds only the question still meets the question's n-grams; for questions shorter than an n-gram configure the
file twice, once with `fields` naming the question alone.
"""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, field_validator

from pipelines.engine import storage
from pipelines.engine.globs import find_files

_DELIMITERS = {"csv": ",", "tsv": "\t"}
_FORMATS = ("jsonl", "ndjson", "json", "parquet", "csv", "tsv", "txt")


class BenchmarkError(ValueError):
    """A benchmark file cannot be read as items; the message names file, row and field."""


class BenchmarkConfig(BaseModel):
    """One benchmark: where its test and development items are, and which of their fields count."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(..., description="name in the evidence and the report", min_length=1)
    files: list[str] = Field(
        ...,
        description="paths or globs of .jsonl, .ndjson, .json, .parquet, .csv, .tsv or .txt files "
        "(a line of .txt is an item), each also with .gz behind it",
        min_length=1,
    )
    fields: list[str] = Field(
        default=[],
        description="fields that make the item's text, in this order; none named: every field that holds "
        "a string, or strings in lists and objects, in the file's order",
    )
    strip: list[str] = Field(
        default=[],
        description="literal texts of the prompt template, cut from every item; the item is split there",
    )

    @field_validator("strip")
    @classmethod
    def _no_empty_literal(cls, literals: list[str]) -> list[str]:
        if not all(literals):
            raise ValueError("an empty text cannot be stripped; remove it from `strip`")
        return literals


class BenchmarkFile(NamedTuple):
    """The items of one file: `texts[i]` is row i's text, with a split wherever `strip` was cut out."""

    path: str
    texts: list[list[str]]


def from_path(path: str) -> BenchmarkConfig:
    """The benchmark that a bare path stands for: all string fields, named after the file.

    >>> from_path("eval/gsm8k_test.jsonl.gz").name
    'gsm8k_test'
    """
    return BenchmarkConfig(name=path.rpartition("/")[2].partition(".")[0] or path, files=[path])


def read_benchmark(config: BenchmarkConfig) -> list[BenchmarkFile]:
    """The benchmark's files in order of path; BenchmarkError where one is absent, empty or malformed."""
    return [_read_file(path, config) for path in benchmark_files(config)]


def benchmark_files(config: BenchmarkConfig) -> list[str]:
    """Paths of the benchmark's files, sorted; BenchmarkError where a pattern matches none."""
    paths: list[str] = []
    for pattern in config.files:
        found = find_files(pattern)
        if not found:
            raise BenchmarkError(f"benchmark '{config.name}': no file matches {pattern}; correct `files`")
        paths.extend(found)
    return sorted(set(paths))


def _read_file(path: str, config: BenchmarkConfig) -> BenchmarkFile:
    texts = []
    for number, row in enumerate(_rows(path), start=1):
        strings = _row_strings(row, config.fields, f"{path}, row {number}")
        text = "\n".join(part for part in strings if part.strip())
        # JSON escapes can spell lone surrogates, which UTF-8 and Arrow cannot hold.
        text = text.encode("utf-8", "replace").decode()
        texts.append(_split_at(text, config.strip))
    if not any(part.strip() for parts in texts for part in parts):
        named = f"fields {config.fields}" if config.fields else "any field"
        raise BenchmarkError(f"{path}: no row of benchmark '{config.name}' has text in {named}")
    return BenchmarkFile(path, texts)


def _rows(path: str) -> Iterator[Any]:
    data = storage.read_bytes(path)
    name = path.lower()
    if name.endswith(".gz"):
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise BenchmarkError(f"{path}: not a whole gzip file ({error})") from None
        name = name.removesuffix(".gz")
    kind = name.rpartition(".")[2]
    if kind not in _FORMATS:
        raise BenchmarkError(
            f"{path}: unknown format '.{kind}'; expected one of {', '.join(_FORMATS)} (+ .gz)"
        )
    if kind == "parquet":
        return iter(pq.read_table(io.BytesIO(data)).to_pylist())
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BenchmarkError(f"{path}: not UTF-8 at byte {error.start}; convert the file") from None
    if kind == "txt":
        return iter(line for line in text.splitlines() if line.strip())
    if kind in _DELIMITERS:
        return _csv_rows(text, _DELIMITERS[kind], path)
    return _json_rows(text, path) if kind == "json" else _json_lines(text, path)


def _csv_rows(text: str, delimiter: str, path: str) -> Iterator[dict[str, Any]]:
    csv.field_size_limit(max(csv.field_size_limit(), len(text) + 1))
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        for number, row in enumerate(reader, start=1):
            if None in row:
                raise BenchmarkError(
                    f"{path}, row {number}: more cells than the header's {len(reader.fieldnames or [])}; "
                    "the first line must name the columns"
                )
            yield row
    except csv.Error as error:
        raise BenchmarkError(f"{path}, line {reader.line_num}: not CSV ({error})") from None


def _json_rows(text: str, path: str) -> Iterator[Any]:
    """A JSON array of rows, or JSON lines, which many files called .json hold."""
    if not text.lstrip().startswith("["):
        return _json_lines(text, path)
    try:
        return iter(json.loads(text))
    except json.JSONDecodeError as error:
        raise BenchmarkError(f"{path}, line {error.lineno}: not JSON ({error.msg})") from None


def _json_lines(text: str, path: str) -> Iterator[Any]:
    # Not splitlines(): U+2028 and its kind may stand unescaped inside a JSON string.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            yield json.loads(line)
        except json.JSONDecodeError as error:
            raise BenchmarkError(
                f"{path}, line {number}: not one JSON object a line ({error.msg}); "
                "expected JSON lines, or a JSON array in a .json file"
            ) from None


def _row_strings(row: Any, fields: list[str], where: str) -> Iterable[str]:
    if not fields:
        return _strings(row)
    if not isinstance(row, dict):
        kind = type(row).__name__
        raise BenchmarkError(f"{where}: `fields` needs rows that are objects, found {kind}; leave it empty")
    missing = [field for field in fields if field not in row]
    if missing:
        raise BenchmarkError(f"{where}: no field '{missing[0]}'; the row has {sorted(row)}")
    return [text for field in fields for text in _named_strings(row[field])]


def _named_strings(value: Any) -> Iterator[str]:
    # A field that was asked for counts as text even where the file holds a number.
    if isinstance(value, (int, float)):
        return iter([str(value)])
    return _strings(value)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)


def _split_at(text: str, literals: list[str]) -> list[str]:
    parts = [text]
    for literal in literals:
        parts = [piece for part in parts for piece in part.split(literal)]
    return parts
