"""From patterns to files: each with its full path, its name for ids and its size."""

import fnmatch
import glob
from pathlib import Path
from typing import NamedTuple

from pipelines import storage
from pipelines.sources.config import SourceConfig
from pipelines.sources.formats import SourceError
from pipelines.sources.members import excluded

_WILD = "*?["


class SourceFile(NamedTuple):
    """A file of a source.

    `name` is the path below the pattern's fixed folder, so ids survive a move of the data. `size` (bytes) and
    `modified` (seconds since 1970) make a changed file a changed task; both are 0 for http(s):// addresses.
    """

    path: str
    name: str
    size: int
    modified: float


def source_files(config: SourceConfig) -> list[SourceFile]:
    """The files of a source in order of path, each once; SourceError where a pattern finds none."""
    found: dict[str, SourceFile] = {}
    for pattern in config.files:
        matches = _matches(config, pattern)
        if not matches:
            raise SourceError(
                f"source '{config.name}': no file matches '{pattern}' (relative to {Path.cwd()}); mend the "
                "pattern or leave the source out"
            )
        for file in matches:
            found.setdefault(file.path, file)
    kept = [found[path] for path in sorted(found) if not excluded(found[path].name, config.exclude)]
    if not kept:
        raise SourceError(f"source '{config.name}': 'exclude' leaves none of its {len(found)} files")
    return kept


def _matches(config: SourceConfig, pattern: str) -> list[SourceFile]:
    if pattern.startswith(("http://", "https://")):
        return [SourceFile(pattern, pattern.rpartition("/")[2], 0, 0.0)]
    base = fixed_folder(pattern)
    paths = _remote(pattern, base) if storage.is_remote(pattern) else _local(config, pattern)
    return [
        SourceFile(path, path.removeprefix(base).lstrip("/"), storage.size(path), storage.modified(path))
        for path in paths
    ]


def fixed_folder(pattern: str) -> str:
    """The folder in front of a pattern's first wildcard.

    >>> fixed_folder("data/books/*/a*.txt"), fixed_folder("data/a.txt"), fixed_folder("a.txt")
    ('data/books', 'data', '')
    """
    wild = [pattern.find(mark) for mark in _WILD if mark in pattern]
    return pattern[: min(wild)].rpartition("/")[0] if wild else pattern.rpartition("/")[0]


def _local(config: SourceConfig, pattern: str) -> list[str]:
    if Path(pattern).is_dir():
        raise SourceError(f"source '{config.name}': '{pattern}' is a folder; write '{pattern.rstrip('/')}/*'")
    if Path(pattern).is_file():
        return [pattern]
    return [path for path in glob.glob(pattern, recursive=True) if Path(path).is_file()]  # noqa: PTH207 -- keeps '..'


def _remote(pattern: str, base: str) -> list[str]:
    if not any(mark in pattern for mark in _WILD):
        return [pattern] if storage.exists(pattern) else []
    return [path for path in storage.list_files(base, recursive=True) if fnmatch.fnmatchcase(path, pattern)]
