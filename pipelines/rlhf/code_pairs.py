"""Python sources to demonstrations: what a function does, rewritten as an instruction, and the function.

Pairs are raw demonstrations like any reader's: cleaning, dedup, splits and limits are those of all others. The
functions of one file are one conversation (root_id), so that they are never in two splits.
"""

import io
import tokenize
from collections import Counter
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from pipelines.rlhf.code_functions import CodeFunction, Skipped, functions
from pipelines.rlhf.records import canonical, record_id
from pipelines.rlhf.schemas import RAW_DEMONSTRATIONS
from pipelines.schemas import DatasetSchema
from text.hashing import digest128, uniform

CODE_PAIRS = DatasetSchema("code_pairs", 1, RAW_DEMONSTRATIONS.schema)

ENGLISH = (
    "Write a Python function `{signature}`.\n\n{doc}",
    "Write a Python function that does the following: {doc}\n\nIts signature is `{signature}`.",
    "Implement `{signature}` in Python. {doc}",
    "{doc}\n\nGive me a Python function for this, with the signature `{signature}`.",
)
CHINESE = (
    "请用 Python 编写函数 `{signature}`。\n\n功能说明：{doc}",
    "请实现下面的 Python 函数：`{signature}`\n\n它的作用是：{doc}",
    "{doc}\n\n请按照上面的说明写一个 Python 函数，函数签名为 `{signature}`。",
)
_NOT_SOURCES = frozenset({"test", "tests", "testing", "vendor", "conftest.py", "setup.py", "site-packages"})
_MAX_FILE_BYTES = 1 << 20


class CodeFolder(BaseModel):
    """A folder of Python sources."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="name of the source", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    path: str = Field(description="folder that is searched for .py files, with all below it", min_length=1)
    licence: str | None = Field(default=None, description="licence of the folder's code, null where unknown")


class CodePairsConfig(BaseModel):
    """Which functions become pairs, and how they are asked for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    packages: list[str] = Field(
        default=[], description="installed distributions whose sources are read; licences from their metadata"
    )
    folders: list[CodeFolder] = Field(default=[], description="folders of sources")
    methods: bool = Field(default=False, description="methods of public classes too")
    min_lines: int = Field(default=3, description="least lines of a function without its docstring", ge=1)
    max_lines: int = Field(default=60, description="most lines of a function without its docstring", ge=1)
    max_chars: int = Field(default=4000, description="most characters of a function", ge=1)
    max_signature_chars: int = Field(default=200, description="most characters of a signature", ge=1)
    min_doc_words: int = Field(default=4, description="least words that say what a function does", ge=1)
    max_doc_words: int = Field(default=80, description="most words that say what a function does", ge=1)
    chinese_share: float = Field(
        default=0.2, description="share of the pairs that are asked for in Chinese, 0..1", ge=0, le=1
    )
    max_pairs: int | None = Field(default=None, description="most pairs, drawn; null: all", ge=1)
    seed: int = Field(default=0, description="seed of templates, languages and the draw")


class SourceText(NamedTuple):
    """A file's text (None where it could not be read, with the reason), its source, its path there, its licence."""

    source: str
    path: str
    text: str | None
    licence: str | None
    reason: str = ""


class CodePairs(NamedTuple):
    """CODE_PAIRS, and counts of files, functions, pairs and of what was left out by reason."""

    pairs: pa.Table
    counts: dict[str, int]


def read_sources(config: CodePairsConfig) -> Iterator[SourceText]:
    """The .py files of the packages and folders, in order of names; tests and vendored code are left out.

    ValueError for a package that is not installed and a folder that is not there.
    """
    for name in config.packages:
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            raise ValueError(f"packages: '{name}' is not installed; install it, or leave it out") from None
        licence = package_licence(distribution.metadata)
        found = [file for file in distribution.files or [] if file.suffix == ".py"]
        paths = {file.as_posix(): Path(str(distribution.locate_file(file))) for file in found}
        yield from _read(name, paths, licence)
    for folder in config.folders:
        root = Path(folder.path)
        if not root.is_dir():
            raise ValueError(f"folders: '{folder.path}' of source '{folder.name}' is no folder")
        yield from _read(
            folder.name, {p.relative_to(root).as_posix(): p for p in root.rglob("*.py")}, folder.licence
        )


def package_licence(told: Any) -> str | None:
    """The licence that metadata of a distribution name: expression, short name or classifier; None if none."""
    expression, short = told.get("License-Expression"), told.get("License")
    if expression:
        return str(expression)
    if short and "\n" not in short and len(short) <= 60 and short.lower() != "unknown":
        return str(short)
    classifiers = [
        str(line).rpartition(" :: ")[2] for line in told.get_all("Classifier") or [] if "License ::" in line
    ]
    return " OR ".join(sorted(classifiers)) or None


def _read(source: str, paths: dict[str, Path], licence: str | None) -> Iterator[SourceText]:
    for name in sorted(paths):
        parts = name.split("/")
        if any(part in _NOT_SOURCES or part.startswith(("test_", "_vendor")) for part in parts):
            continue
        try:
            if paths[name].stat().st_size > _MAX_FILE_BYTES:
                yield SourceText(source, name, None, licence, "too_large")
                continue
            data = paths[name].read_bytes()
            encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
            text = data.decode(encoding)
        except (OSError, SyntaxError, UnicodeDecodeError):
            yield SourceText(source, name, None, licence, "unreadable")
        else:
            yield SourceText(source, name, text, licence)


def code_pairs(sources: Iterable[SourceText], config: CodePairsConfig) -> CodePairs:
    """The pairs of all sources, ordered by record_id; of equal functions the first by source, path and line."""
    counts: Counter[str] = Counter()
    rows: list[dict[str, Any]] = []
    for source in sources:
        counts["files"] += 1
        rows += _file_rows(source, config, counts)
    rows.sort(key=lambda row: (row["source"], row["_path"], row["_line"]))
    distinct = {row["messages"][-1]["content"]: row for row in reversed(rows)}
    counts["skipped:duplicate"] = len(rows) - len(distinct)
    kept = _worded(list(distinct.values()), config)
    if config.max_pairs is not None and kept.num_rows > config.max_pairs:
        draws = uniform(kept["record_id"].combine_chunks(), config.seed, "code pairs")
        counts["skipped:beyond_max_pairs"] = kept.num_rows - config.max_pairs
        kept = kept.take(pa.array(np.argsort(draws, kind="stable")[: config.max_pairs]))
    counts["pairs"] = kept.num_rows
    return CodePairs(kept.sort_by("record_id"), {name: n for name, n in sorted(counts.items()) if n})


def _file_rows(source: SourceText, config: CodePairsConfig, counts: Counter[str]) -> list[dict[str, Any]]:
    if source.text is None:
        counts[f"skipped_file:{source.reason}"] += 1
        return []
    try:
        found = list(functions(source.text, config.methods))
    except (SyntaxError, ValueError, RecursionError):
        counts["skipped_file:no_python"] += 1
        return []
    rows = []
    for function in found:
        counts["functions"] += 1
        reason = function.reason if isinstance(function, Skipped) else _misfit(function, config)
        if isinstance(function, Skipped) or reason:
            counts[f"skipped:{reason}"] += 1
        else:
            rows.append(_row(function, source))
    return rows


def _misfit(function: CodeFunction, config: CodePairsConfig) -> str:
    """Why a function is out of bounds, empty if it is within."""
    lines, words = len(function.code.splitlines()), len(function.doc.split())
    checks = {
        "too_short": lines < config.min_lines,
        "too_long": lines > config.max_lines or len(function.code) > config.max_chars,
        "long_signature": len(function.signature) > config.max_signature_chars,
        "says_too_little": words < config.min_doc_words,
        "says_too_much": words > config.max_doc_words,
    }
    return next((reason for reason, holds in checks.items() if holds), "")


def _row(function: CodeFunction, source: SourceText) -> dict[str, Any]:
    origin = f"{source.path}#{function.line}"
    return {
        "record_id": record_id(source.source, origin),
        "source": source.source,
        "origin": origin,
        "licence": source.licence,
        "root_id": f"{source.source}:{source.path}",
        "use_case": "generation",
        "messages": [
            {"role": "user", "content": ""},
            {"role": "assistant", "content": canonical(function.code)},
        ],
        "kind": "demonstration",
        "_path": source.path,
        "_line": function.line,
        "_told": {"signature": function.signature, "doc": canonical(function.doc)},
    }


def _worded(rows: list[dict[str, Any]], config: CodePairsConfig) -> pa.Table:
    """The rows with their instructions; which template is a draw by the function's text."""
    answers = digest128(pa.array([row["messages"][-1]["content"] for row in rows], pa.string()))
    chinese = uniform(answers, config.seed, "language of the instruction") < config.chinese_share
    draws = uniform(answers, config.seed, "template of the instruction")
    for row, zh, draw in zip(rows, chinese.tolist(), draws.tolist(), strict=True):
        templates = CHINESE if zh else ENGLISH
        row["messages"][0]["content"] = templates[int(draw * len(templates))].format(**row["_told"])
        row["language"] = "zh" if zh else "en"
    return pa.Table.from_pylist(rows, schema=CODE_PAIRS.schema)
