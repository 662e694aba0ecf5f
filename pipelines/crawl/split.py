"""Crawl files to shards of about equal size: big files in byte ranges, small ones together.

The plan follows from the files, their order, their sizes and `target_bytes` alone. A range needs no index:
its reader finds the first record that begins in it (pipelines.crawl.warc).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from pipelines.crawl.http import HttpConfig
from pipelines.crawl.inputs import InputFile
from pipelines.crawl.members import sniff
from pipelines.crawl.streams import open_stream


class Part(NamedTuple):
    """Bytes [start, end) of a stored file; `end` None means to its end."""

    url: str
    start: int
    end: int | None


def plan_shards(
    inputs: Sequence[InputFile], target_bytes: int, http: HttpConfig | None = None
) -> list[dict[str, Any]]:
    """One task payload a shard, {"parts": [[url, start, end], …]}, in the order of the files.

    A file of 1.5 times `target_bytes` or more is split evenly if its records can be found from the middle
    (gzip or zstd; local uncompressed files too); others stay whole, and neighbours share a shard until it
    holds `target_bytes`.
    """
    shards: list[list[Part]] = []
    group: list[Part] = []
    group_bytes = 0
    for file in inputs:
        pieces = _pieces(file, target_bytes, http or HttpConfig())
        if len(pieces) > 1:
            shards.extend([piece] for piece in pieces)
            continue
        group += pieces
        group_bytes += target_bytes if file.size is None else file.size
        if group_bytes >= target_bytes:
            shards.append(group)
            group, group_bytes = [], 0
    if group:
        shards.append(group)
    return [{"parts": [list(part) for part in shard]} for shard in shards]


def parts_of(payload: dict[str, Any]) -> list[Part]:
    """The parts that a payload of `plan_shards` names."""
    return [Part(url, start, end) for url, start, end in payload["parts"]]


def _pieces(file: InputFile, target_bytes: int, http: HttpConfig) -> list[Part]:
    count = round(file.size / target_bytes) if file.size else 1
    if file.size is None or count < 2 or not _can_split(file.url, http):
        return [Part(file.url, 0, None)]
    edges = [file.size * n // count for n in range(count)]
    return [Part(file.url, start, end) for start, end in zip(edges, [*edges[1:], None], strict=True)]


def _can_split(url: str, http: HttpConfig) -> bool:
    """By suffix, else by the first bytes; remote uncompressed files would be read over and over."""
    if url.endswith(".gz"):
        return True
    stream = open_stream(url, http)
    try:
        return sniff(stream).splittable or "://" not in url
    finally:
        stream.close()
