"""One way to open an input wherever it lies: local, http(s)://, s3://, gs://; seekable, bytes as stored."""

import io
from pathlib import Path
from typing import Protocol

from pipelines.crawl.http import HttpClient, HttpConfig, HttpFile
from pipelines.engine import storage

# An object store is asked for this many bytes at a time, not for the 64 kB that a WARC reader wants.
_BLOCK_BYTES = 1 << 22


class ByteStream(Protocol):
    """What readers of WARC need of a file."""

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes; empty only at the end."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move to `offset`."""

    def tell(self) -> int:
        """Position of the next byte."""

    def close(self) -> None:
        """Release the file."""


def is_http(url: str) -> bool:
    """Whether `url` is a web address."""
    return url.startswith(("http://", "https://"))


def open_stream(url: str, http: HttpConfig) -> ByteStream:
    """The file behind a path or an address, for reading."""
    if is_http(url):
        return io.BufferedReader(HttpFile(url, HttpClient(http)), 1 << 17)
    if storage.is_remote(url):
        return io.BufferedReader(storage.open_input(url), _BLOCK_BYTES)
    return Path(url).open("rb")
