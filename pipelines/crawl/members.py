"""Where records begin in a compressed WARC: gzip members and zstd frames that decompress to a WARC header.

A compressed WARC holds one member a record, so any byte range of it can be read alone: search the range for
the first member, read until the first member behind the range. A member counts only if it decompresses to
`WARC/`, which no chance bytes do. (A record that itself holds a whole compressed WARC, stored without
further compression, could be taken for members of the outer one.)
"""

import struct
import zlib
from typing import Any, Literal, NamedTuple

import zstandard

from pipelines.crawl.streams import ByteStream

Codec = Literal["gzip", "zstd", "plain"]

_GZIP = b"\x1f\x8b\x08"
_ZSTD = b"\x28\xb5\x2f\xfd"
# WARC-zstd: a skippable frame of this kind at the file's start holds the dictionary of all others.
_DICTIONARY_FRAME = b"\x5d\x2a\x4d\x18"
_WARC = b"WARC/"
_CHUNK_BYTES = 1 << 18
_GZIP_PROBE_BYTES = 1 << 11  # the header with its optional fields and one Huffman table
_ZSTD_PROBE_BYTES = (1 << 17) + 64  # one whole block


class Container(NamedTuple):
    """How a file is compressed; `prefix` is the dictionary frame that a reader of any part needs first."""

    codec: Codec
    prefix: bytes

    @property
    def splittable(self) -> bool:
        """Whether parts of the file can be found without reading what lies before."""
        return self.codec != "plain"

    @property
    def magic(self) -> bytes:
        """First bytes of a member."""
        return _GZIP if self.codec == "gzip" else _ZSTD

    @property
    def probe_bytes(self) -> int:
        """Compressed bytes that are sure to yield the first output."""
        return _GZIP_PROBE_BYTES if self.codec == "gzip" else _ZSTD_PROBE_BYTES


class MemberState(NamedTuple):
    """Whether a member can be decompressed to its end, and where that is; `cut`: the file ends before."""

    state: Literal["sound", "corrupt", "cut", "absent"]
    end: int


def sniff(stream: ByteStream) -> Container:
    """Look at a file's first bytes; the position of `stream` is left anywhere."""
    stream.seek(0)
    head = _read(stream, 8)
    if head.startswith(_GZIP[:2]):
        return Container("gzip", b"")
    if head.startswith(_ZSTD):
        return Container("zstd", b"")
    if head.startswith(_DICTIONARY_FRAME) and len(head) == 8:
        (length,) = struct.unpack("<I", head[4:])
        return Container("zstd", head + _read(stream, length))
    return Container("plain", b"")


def find_member(stream: ByteStream, container: Container, start: int, end: int | None) -> int | None:
    """Offset of the first member in [start, end) that begins a record; None if there is none."""
    magic, probe = container.magic, container.probe_bytes
    stream.seek(start)
    buffer, base, exhausted = b"", start, False
    while True:
        chunk = b"" if exhausted else stream.read(_CHUNK_BYTES)
        exhausted = exhausted or not chunk
        buffer += chunk
        at = buffer.find(magic)
        while at >= 0 and (exhausted or len(buffer) - at >= probe):
            if end is not None and base + at >= end:
                return None
            if begins_record(buffer[at : at + probe], container):
                return base + at
            at = buffer.find(magic, at + 1)
        keep = at if at >= 0 else max(0, len(buffer) - len(magic) + 1)
        buffer, base = buffer[keep:], base + keep
        if exhausted or (end is not None and base >= end):
            return None


def begins_record(data: bytes, container: Container) -> bool:
    """Whether `data` begins with a member that decompresses to the start of a record."""
    return data.startswith(container.magic) and _first_bytes(data, container, len(_WARC)) == _WARC


def uncompressed(stream: ByteStream, container: Container, offset: int, size: int) -> bytes:
    """The first `size` bytes of what begins at `offset`, or what can be had of them."""
    stream.seek(offset)
    if not container.splittable:
        return _read(stream, size)
    return _first_bytes(_read(stream, container.probe_bytes), container, size)


def member_state(stream: ByteStream, container: Container, offset: int) -> MemberState:
    """Decompress the member at `offset` to its end and see what becomes of it."""
    stream.seek(offset)
    inflater, at = _decompressor(container), offset
    try:
        while not inflater.eof:
            chunk = stream.read(_CHUNK_BYTES)
            if not chunk:
                return MemberState("absent" if at == offset else "cut", at)
            at += len(chunk)
            inflater.decompress(chunk)
    except (zlib.error, zstandard.ZstdError):
        return MemberState("corrupt", at)
    return MemberState("sound", at - len(inflater.unused_data))


def _first_bytes(data: bytes, container: Container, size: int) -> bytes:
    try:
        return bytes(_decompressor(container).decompress(data)[:size])
    except (zlib.error, zstandard.ZstdError):
        return b""


def _decompressor(container: Container) -> Any:
    if container.codec == "gzip":
        return zlib.decompressobj(zlib.MAX_WBITS | 16)
    return zstandard.ZstdDecompressor(dict_data=_dictionary(container.prefix)).decompressobj()


def _dictionary(prefix: bytes) -> zstandard.ZstdCompressionDict | None:
    if not prefix:
        return None
    content = prefix[8:]
    if content.startswith(_ZSTD):
        content = zstandard.ZstdDecompressor().decompress(content, max_output_size=1 << 27)
    return zstandard.ZstdCompressionDict(content)


def _read(stream: ByteStream, size: int) -> bytes:
    """Exactly `size` bytes, or what there is."""
    parts, left = [], size
    while left and (part := stream.read(left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
