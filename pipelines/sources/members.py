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

from pipelines.engine import storage
from pipelines.sources.watched import Watched

ZIP_SUFFIX = ".zip"
_COMPRESSED = (".gz", ".bz2", ".xz", ".lzma", ".zst", ".zstd")
_HTTP = ("http://", "https://")
_IN_MEMORY_BYTES = 64 << 20
_RETRIES = Retry(total=5, backoff_factor=1.0, status_forcelist=(403, 429, 500, 502, 503, 504))

_BZ2_DAMAGE = ("Invalid data stream",)
_ENCRYPTED = 0x1


class DamagedFileError(ValueError):
    """A file's bytes cannot be decoded, in the words of a decoder that has no error type of its own for it."""


DAMAGE: tuple[type[Exception], ...] = (
    DamagedFileError,
    EOFError,
    gzip.BadGzipFile,
    zlib.error,
    lzma.LZMAError,
    zstandard.ZstdError,
    zipfile.BadZipFile,
    pa.ArrowInvalid,  # a seek in front of a file that is too short
    UnicodeError,
)
"""What decoders raise on bytes that will be as bad at the next attempt.

Not what storage raises (OSError, requests.RequestException): that may pass, so the shard must fail and be done
again, not be finished without the file.
"""


@dataclass(frozen=True)
class Member:
    """One file, or one member of a zip archive: `path` for people, `name` for ids, `bare` for the format.

    `name` is the path below the source's common folder, so it does not depend on where the data stands.
    """

    path: str
    name: str
    archive: str | None = None

    @property
    def bare(self) -> str:
        """Name without folders and without the suffixes of compression: 'a/b.txt.gz' is 'b.txt'."""
        return bare_name(self.name)

    def open(self) -> Any:
        """A binary stream of the decompressed bytes; damage raises one of DAMAGE, storage an OSError."""
        if self.archive is None:
            return decompressed(open_binary(self.path), self.path)
        archive = _open_zip(Watched(open_binary(self.archive)))
        return decompressed(_unzipped(archive, self.path.removeprefix(f"{self.archive}!")), self.path)


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
    with Watched(open_binary(path)) as stream, _open_zip(stream) as archive:
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
        return io.BufferedReader(_Bzip2(stream))
    if suffix in (".xz", ".lzma"):
        return lzma.LZMAFile(stream)
    if suffix in (".zst", ".zstd"):
        reader = zstandard.ZstdDecompressor().stream_reader(stream, read_across_frames=True)
        return io.BufferedReader(reader)
    return stream


def _open_zip(stored: Watched) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(stored)
    except zipfile.BadZipFile:
        stored.raise_failure()
        raise


def _unzipped(archive: zipfile.ZipFile, name: str) -> Any:
    if archive.getinfo(name).flag_bits & _ENCRYPTED:
        raise DamagedFileError(f"{name} is encrypted; unpack the archive with its password")
    try:
        return archive.open(name)
    except NotImplementedError as error:
        raise DamagedFileError(f"{name}: {error}; pack the archive anew with deflate") from error


class _Bzip2(io.RawIOBase):
    """bz2.BZ2File, which says of damage no more than OSError."""

    def __init__(self, stream: Any) -> None:
        self._file = bz2.BZ2File(stream)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            return self._file.readinto(buffer)
        except OSError as error:
            if error.args == _BZ2_DAMAGE:
                raise DamagedFileError(f"bzip2: {error}") from error
            raise


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
