"""Lines of list files: plain or gzipped, and categories in folders or tar files, a block of lines at a time."""

import gzip
import io
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

_LINES_AT_A_TIME = 1 << 18
_GZIP = b"\x1f\x8b"


class ListFileError(ValueError):
    """A list's file is absent or cannot be read."""


class ListPart(NamedTuple):
    """Some lines of a list, trimmed, without empty ones and comments; large_string."""

    name: str
    lines: pa.Array


def read_parts(
    files: Sequence[str], folders: Sequence[str], member: str, categories: Sequence[str]
) -> Iterator[ListPart]:
    """Lines of `files`, then of every CATEGORY/`member` in the folders or tar files.

    A file is named by its path, a category's list as `adult/domains`. ListFileError names the path that is absent,
    damaged or without a single category, and the category that is nowhere.
    """
    for name in files:
        with _opened(name) as stream:
            yield from _parts(name, stream)
    seen: set[str] = set()
    for folder in folders:
        members = _archived(folder, member) if Path(folder).is_file() else _unpacked(folder, member)
        known = False
        for category, stream in members:
            known = True
            if categories and category not in categories:
                continue
            seen.add(category)
            yield from _parts(f"{category}/{member}", stream)
        if not known and member == "domains":
            raise ListFileError(f"{folder}: no CATEGORY/domains in it; expected the layout of the UT1 lists")
    missing = sorted(set(categories) - seen)
    if folders and missing and member == "domains":
        raise ListFileError(f"{', '.join(folders)}: no categories {missing} with a file 'domains'")


def _opened(name: str) -> IO[bytes]:
    path = Path(name)
    if not path.is_file():
        raise ListFileError(f"{name}: no such file; name a list that exists, one entry a line")
    stream = path.open("rb")
    zipped = stream.read(2) == _GZIP
    stream.seek(0)
    return gzip.open(stream) if zipped else stream  # type: ignore[return-value]


def _unpacked(folder: str, member: str) -> Iterator[tuple[str, IO[bytes]]]:
    if not Path(folder).is_dir():
        raise ListFileError(f"{folder}: no such folder or .tar.gz")
    for path in sorted(Path(folder).glob(f"*/{member}*")):
        if path.name in (member, f"{member}.gz"):
            with _opened(str(path)) as stream:
                yield path.parent.name, stream


def _archived(name: str, member: str) -> Iterator[tuple[str, IO[bytes]]]:
    try:
        with tarfile.open(name, "r|*") as archive:
            for entry in archive:
                path = PurePosixPath(entry.name)
                content = archive.extractfile(entry) if entry.isfile() and path.name == member else None
                if content is not None:
                    yield path.parent.name, content
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise ListFileError(f"{name}: not a tar file ({error})") from None


def _parts(name: str, stream: IO[bytes]) -> Iterator[ListPart]:
    reader = io.BufferedReader(stream) if not hasattr(stream, "readlines") else stream  # type: ignore[type-var]
    try:
        while block := reader.readlines(_LINES_AT_A_TIME * 16):
            yield ListPart(name, _lines(block))
    except (OSError, EOFError, zlib.error) as error:
        raise ListFileError(f"{name}: cannot be read ({error})") from None


def _lines(block: list[bytes]) -> pa.Array:
    texts = pa.array([line.decode("utf-8", "replace") for line in block], pa.large_string())
    texts = pc.utf8_trim(pc.utf8_trim_whitespace(texts), "\ufeff")
    noise = pc.or_(pc.equal(texts, ""), pc.match_substring_regex(texts, "^[#!]"))
    return texts.filter(pc.invert(noise))
