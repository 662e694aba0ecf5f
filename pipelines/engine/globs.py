"""One meaning of globs for every input: `*`, `?` and `[…]` within a folder's names, `**` for any depth."""

import fnmatch
import glob
from pathlib import Path

from pipelines.engine import storage

_WILD = "*?["


def fixed_folder(pattern: str) -> str:
    """The folder in front of a pattern's first wildcard.

    >>> fixed_folder("data/books/*/a*.txt"), fixed_folder("data/a.txt"), fixed_folder("a.txt")
    ('data/books', 'data', '')
    """
    wild = [pattern.find(mark) for mark in _WILD if mark in pattern]
    return pattern[: min(wild)].rpartition("/")[0] if wild else pattern.rpartition("/")[0]


def expanded(pattern: str) -> str:
    """A local pattern with `~` replaced by the home folder; any other as it is."""
    return str(Path(pattern).expanduser()) if pattern.startswith("~") else pattern


def find_files(pattern: str) -> list[str]:
    """Paths of the files that `pattern` names, sorted; none where nothing matches.

    A local path, s3:// or gs:// path, or a glob of these; a path that exists as written is no glob. ValueError
    where the bucket of a remote pattern is not named outright.
    """
    if storage.is_remote(pattern):
        return _find_remote(pattern)
    pattern = expanded(pattern)
    if Path(pattern).is_file():
        return [pattern]
    return sorted(path for path in glob.glob(pattern, recursive=True) if Path(path).is_file())  # noqa: PTH207 -- keeps '..'


def _find_remote(pattern: str) -> list[str]:
    if not any(mark in pattern for mark in _WILD):
        return [pattern] if storage.exists(pattern) else []
    folder = fixed_folder(pattern)
    if folder.endswith((":/", ":")):
        raise ValueError(f"{pattern}: the bucket must be named without wildcards")
    found = storage.list_files(folder, recursive=True)
    return [path for path in found if _matches(path.split("/"), pattern.split("/"))]


def _matches(names: list[str], signs: list[str]) -> bool:
    """Glob match in which only ** crosses a slash."""
    if "**" in signs:
        at = signs.index("**")
        head, rest = signs[:at], signs[at + 1 :] or ["**"]
        if rest == ["**"]:
            return len(names) > at and _matches(names[:at], head)
        return _matches(names[:at], head) and any(_matches(names[n:], rest) for n in range(at, len(names)))
    return len(names) == len(signs) and all(map(fnmatch.fnmatchcase, names, signs))
