"""From patterns to files: each with its full path, its name for ids and its size."""

import os
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from pipelines.engine import storage
from pipelines.engine.globs import expanded, find_files, fixed_folder
from pipelines.sources.config import SourceConfig, SourceError
from pipelines.sources.members import excluded

_HTTP = ("http://", "https://")


class SourceFile(NamedTuple):
    """A file of a source.

    `name` is the path below the folder that the source's patterns have in common in front of their wildcards, so
    ids survive a move of the data and two files of one bare name have two names. `size` (bytes) and
    `modified` (seconds since 1970) make a changed file a changed task; both are 0 for http(s):// addresses.
    """

    path: str
    name: str
    size: int
    modified: float


def source_files(config: SourceConfig) -> list[SourceFile]:
    """The files of a source in order of path, each once.

    SourceError where a pattern finds no file, and where two files come to one name.
    """
    patterns = [pattern if pattern.startswith(_HTTP) else expanded(pattern) for pattern in config.files]
    roots = {kind: _common_folder([p for p in patterns if _kind(p) == kind]) for kind in map(_kind, patterns)}
    found: dict[str, SourceFile] = {}
    for pattern in patterns:
        for path in _matches(config, pattern):
            found.setdefault(_absolute(path), _source_file(path, roots[_kind(path)]))
    kept = sorted(file for file in found.values() if not excluded(file.name, config.exclude))
    if not kept:
        raise SourceError(f"source '{config.name}': 'exclude' leaves none of its {len(found)} files")
    _check_names(config, kept)
    return kept


def _kind(path: str) -> str:
    """Scheme and host or bucket of an address, '' for a local path: names are relative within one of these."""
    return "/".join(path.split("/")[:3]) if "://" in path else ""


def _absolute(path: str) -> str:
    return path if "://" in path else os.path.abspath(path)  # noqa: PTH100 -- Path.absolute keeps '..'


def _common_folder(patterns: Sequence[str]) -> str:
    """The deepest folder above all patterns' first wildcards; a web address has none."""
    folders = [
        (p.rpartition("/")[0] if p.startswith(_HTTP) else _absolute(fixed_folder(p))).split("/")
        for p in patterns
    ]
    levels = zip(*folders, strict=False)
    return "/".join(names[0] for names in takewhile(lambda names: len(set(names)) == 1, levels))


def _source_file(path: str, root: str) -> SourceFile:
    name = _absolute(path).removeprefix(root).lstrip("/")
    if path.startswith(_HTTP):
        return SourceFile(path, name, 0, 0.0)
    return SourceFile(path, name, storage.size(path), storage.modified(path))


def _check_names(config: SourceConfig, files: Sequence[SourceFile]) -> None:
    first: dict[str, SourceFile] = {}
    for file in files:
        other = first.setdefault(file.name, file)
        if other is not file:
            raise SourceError(
                f"source '{config.name}': {other.path} and {file.path} would both be named '{file.name}'; bring "
                "them below one folder, or make them two sources"
            )


def _matches(config: SourceConfig, pattern: str) -> list[str]:
    if pattern.startswith(_HTTP):
        return [pattern]
    if not storage.is_remote(pattern) and Path(pattern).is_dir():
        raise SourceError(f"source '{config.name}': '{pattern}' is a folder; write '{pattern.rstrip('/')}/*'")
    try:
        found = find_files(pattern)
    except ValueError as error:
        raise SourceError(f"source '{config.name}': {error}") from None
    if not found:
        raise SourceError(
            f"source '{config.name}': no file matches '{pattern}' (relative to {Path.cwd()}); mend the "
            "pattern or leave the source out"
        )
    return found
