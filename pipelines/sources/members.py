"""Files as readers see them: decompressed by suffix, zip archives opened member by member."""

import bz2
import fnmatch
import gzip
import io
import lzma
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import requests
import zstandard
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from pipelines import storage

ZIP_SUFFIX = ".zip"
_COMPRESSED = (".gz", ".bz2", ".xz", ".lzma", ".zst", ".zstd")
_HTTP = ("http://", "https://")
_IN_MEMORY_BYTES = 64 << 20
_RETRIES = Retry(total=5, backoff_factor=1.0, status_forcelist=(403, 429, 500, 502, 503, 504))

READ_ERRORS: tuple[type[Exception], ...] = (
    OSError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    zstandard.ZstdError,
    zipfile.BadZipFile,
    pa.ArrowInvalid,  # a seek in front of a file that is too short
    requests.RequestException,
    NotImplementedError,  # zipfile: a compression method it does not know
    RuntimeError,  # zipfile: an encrypted member
)
"""What a damaged or unreachable file raises while it is read."""


@dataclass(frozen=True)
class Member:
    """One file, or one member of a zip archive: `path` for people, `name` for ids, `bare` for the format.

    `name` is the path below the pattern's fixed folder, so it does not depend on where the data stands.
    """

    path: str
    name: str
    archive: str | None = None

    @property
    def bare(self) -> str:
        """Name without folders and without the suffixes of compression: 'a/b.txt.gz' is 'b.txt'."""
        return bare_name(self.name)

    def open(self) -> Any:
        """A binary stream of the decompressed bytes; raises one of READ_ERRORS."""
        if self.archive is None:
            return decompressed(open_binary(self.path), self.path)
        archive = zipfile.ZipFile(open_binary(self.archive))
        return decompressed(archive.open(self.path.removeprefix(f"{self.archive}!")), self.path)


def bare_name(name: str) -> str:
    """Last part of a path without the suffixes of compression."""
    name = name.rpartition("!")[2].rpartition("/")[2]
    while name.lower().endswith(_COMPRESSED):
        name = name.rpartition(".")[0]
    return name


def members(path: str, name: str, exclude: Sequence[str]) -> Iterator[Member]:
    """The file itself, or what a zip archive holds in the order of names, without what `exclude` names."""
    if not path.lower().endswith(ZIP_SUFFIX):
        yield Member(path, name)
        return
    with open_binary(path) as stream, zipfile.ZipFile(stream) as archive:
        inner = sorted(info.filename for info in archive.infolist() if not info.is_dir())
    for entry in inner:
        if not excluded(entry, exclude):
            yield Member(f"{path}!{entry}", f"{name}!{entry}", path)


def excluded(name: str, patterns: Sequence[str]) -> bool:
    """Whether a pattern matches the whole `name` or its last part."""
    last = name.rpartition("/")[2]
    return any(fnmatch.fnmatchcase(name, p) or fnmatch.fnmatchcase(last, p) for p in patterns)


def open_binary(path: str) -> Any:
    """A seekable binary stream of a local path, an s3:// or gs:// object, or an http(s):// address."""
    return _download(path) if path.startswith(_HTTP) else storage.open_input(path)


def decompressed(stream: Any, name: str) -> Any:
    """`stream` through the decompressor that the suffix of `name` asks for; several frames are one stream."""
    suffix = name[name.rfind(".") :].lower()
    if suffix == ".gz":
        return gzip.GzipFile(fileobj=stream)
    if suffix == ".bz2":
        return bz2.BZ2File(stream)
    if suffix in (".xz", ".lzma"):
        return lzma.LZMAFile(stream)
    if suffix in (".zst", ".zstd"):
        reader = zstandard.ZstdDecompressor().stream_reader(stream, read_across_frames=True)
        return io.BufferedReader(reader)
    return stream


def _download(address: str) -> Any:
    with requests.Session() as session:
        for scheme in _HTTP:
            session.mount(scheme, HTTPAdapter(max_retries=_RETRIES))
        with session.get(address, stream=True, timeout=60) as response:
            response.raise_for_status()
            file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115 -- the caller closes it
            for block in response.iter_content(1 << 20):
                file.write(block)
    file.seek(0)
    return file
