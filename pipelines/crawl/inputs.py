"""From what a run config says (paths, globs, lists, addresses) to the files of a crawl, in a fixed order."""

import gzip
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urljoin

from pipelines.crawl.http import HttpClient, HttpConfig
from pipelines.crawl.streams import is_http
from pipelines.engine import storage
from pipelines.engine.globs import find_files

_LIST_SUFFIXES = (".paths", ".paths.gz")
_CRAWL_DATA = "crawl-data/"
_HEAD_REQUESTS = 8


class InputError(ValueError):
    """An input pattern names nothing that can be read; the message names the pattern."""


class InputFile(NamedTuple):
    """A file of a crawl: absolute path or address, and its bytes (None where the server does not tell)."""

    url: str
    size: int | None


def resolve_inputs(patterns: Sequence[str], http: HttpConfig | None = None) -> list[InputFile]:
    """The files that `patterns` name, each once, in the order given and sorted within a glob.

    A pattern is a local path or glob (`**` descends), an s3:// or gs:// path or glob, an http(s) address,
    or a list of these: a file named with a leading `@` or ending in .paths or .paths.gz, one entry a line,
    relative to the list (entries beginning with crawl-data/ to the root of the crawl archive that holds the
    list). A pattern without a match is an InputError.
    """
    client = HttpClient(http or HttpConfig())
    urls = list(dict.fromkeys(url for pattern in patterns for url in _expand(pattern, client)))
    if not urls:
        raise InputError("no input files are named; give at least one path, glob or address")
    with ThreadPoolExecutor(_HEAD_REQUESTS) as pool:
        return list(map(InputFile, urls, pool.map(lambda url: _size(url, client), urls)))


def read_list(location: str, client: HttpClient) -> list[str]:
    """Entries of a list file, blank lines and # comments left out, made absolute."""
    data = client.read(location) if is_http(location) else storage.read_bytes(location)
    if data.startswith(b"\x1f\x8b"):
        data = gzip.decompress(data)
    lines = (line.strip() for line in data.decode("utf-8-sig").splitlines())
    return [_relative_to(location, line) for line in lines if line and not line.startswith("#")]


def _expand(pattern: str, client: HttpClient) -> Iterator[str]:
    location = pattern.removeprefix("@")
    if pattern.startswith("@") or pattern.endswith(_LIST_SUFFIXES):
        if not is_http(location) and not storage.exists(location):
            raise InputError(f"{pattern}: there is no such list of inputs")
        entries = read_list(location, client)
        if not entries:
            raise InputError(f"{pattern}: the list of inputs is empty")
        for entry in entries:
            yield from _expand(entry, client)
    elif is_http(pattern):
        yield pattern
    elif storage.is_remote(pattern):
        yield from _expand_remote(pattern)
    else:
        yield from _expand_local(pattern.removeprefix("file://"))


def _expand_local(pattern: str) -> list[str]:
    path = Path(pattern).expanduser().absolute()
    if path.is_file():
        return [str(path)]
    if path.is_dir():
        raise InputError(f"{pattern}: is a folder; name its files, such as {pattern.rstrip('/')}/*.warc.gz")
    found = find_files(str(path))
    if not found:
        raise InputError(
            f"{pattern}: no file matches (relative to {Path.cwd()}); mend the pattern in ops.crawl.config.files"
        )
    return found


def _expand_remote(pattern: str) -> list[str]:
    try:
        found = find_files(pattern)
    except ValueError as error:
        raise InputError(str(error)) from None
    if not found:
        raise InputError(f"{pattern}: no object matches")
    return found


def _size(url: str, client: HttpClient) -> int | None:
    return client.size(url) if is_http(url) else storage.size(url)


def _relative_to(location: str, entry: str) -> str:
    if "://" in entry or entry.startswith("/"):
        return entry
    if entry.startswith(_CRAWL_DATA) and f"/{_CRAWL_DATA}" in location:
        return location[: location.index(f"/{_CRAWL_DATA}") + 1] + entry
    if is_http(location):
        return urljoin(location, entry)
    return storage.join(location.rpartition("/")[0] or ".", entry)
