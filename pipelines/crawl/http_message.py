"""The HTTP response inside a WARC record: status, headers, and the body as the server's program wrote it.

Archives lie about encodings: a body may still be chunked and compressed, or be plain although its headers
say otherwise. Every declared encoding is therefore undone only where the bytes bear it out.
"""

import re
import zlib
from collections.abc import Callable
from typing import NamedTuple

import brotli
import zstandard

_HEAD_BYTES = 1 << 16
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_STATUS = re.compile(rb"HTTP/\d(?:\.\d)?[ \t]+(\d{3})")
_CHARSET = re.compile(r"""charset\s*=\s*["']?\s*([\w:.+-]+)""", re.I)
_CHUNK_SIZE = re.compile(rb"[ \t]*([0-9a-fA-F]{1,8})[ \t]*(?:;[^\r\n]{0,200})?\r?\n")
_MARKUP_START = re.compile(rb"[\s\xef\xbb\xbf]*<")
_GZIP = b"\x1f\x8b"
# Output of a step is lost where the step meets damage, so steps are small.
_STEP_BYTES = 1 << 12


class Response(NamedTuple):
    """A parsed response; header names are lower case, the last of several values counts."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        """Declared media type, lower case, without parameters; empty if none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def charset(self) -> str | None:
        """Declared charset, as written."""
        found = _CHARSET.search(self.headers.get("content-type", ""))
        return found.group(1) if found else None


class Body(NamedTuple):
    """A decoded body; `cut`: it was longer than the limit; `broken`: an encoding ended in an error."""

    data: bytes
    cut: bool
    broken: bool


class BodyError(ValueError):
    """A body that its declared encodings cannot be taken off."""


def parse_response(block: bytes) -> Response | None:
    """The response in a record's block; None if it holds none (such as a DNS answer)."""
    status = _STATUS.match(block)
    if status is None:
        return None
    end = _HEAD_END.search(block, 0, _HEAD_BYTES)
    head, body = (block[: end.start()], block[end.end() :]) if end else (block, b"")
    headers: dict[str, str] = {}
    name = ""
    for line in head.decode("latin-1").split("\n")[1:]:
        if line[:1] in (" ", "\t") and name:
            headers[name] += " " + line.strip()
            continue
        name, _, value = line.partition(":")
        name = name.strip().lower()
        headers[name] = value.strip()
    return Response(int(status.group(1)), headers, body)


def decode_body(response: Response, max_bytes: int) -> Body:
    """The body without its encodings, at most `max_bytes` of it; BodyError where they cannot be taken off."""
    data = response.body
    if "chunked" in response.headers.get("transfer-encoding", "").lower():
        data = _join_chunks(data)
    broken = False
    encodings = [name.strip().lower() for name in response.headers.get("content-encoding", "").split(",")]
    if data.startswith(_GZIP) and not {"gzip", "x-gzip"} & set(encodings):
        encodings.append("gzip")
    for encoding in reversed(encodings):
        if encoding in ("", "identity", "none", "utf-8", "chunked"):
            continue
        data, damaged = _undo(encoding, data, max_bytes + 1)
        broken = broken or damaged
    return Body(data[:max_bytes], len(data) > max_bytes, broken)


def _join_chunks(data: bytes) -> bytes:
    """`data` without its chunk sizes; unchanged if it is not chunked after all."""
    parts: list[bytes] = []
    at = 0
    while size := _CHUNK_SIZE.match(data, at):
        length = int(size.group(1), 16)
        start = size.end()
        if length == 0:
            return b"".join(parts)
        parts.append(data[start : start + length])
        at = start + length
        if at >= len(data):
            return b"".join(parts)
        if data.startswith(b"\r\n", at):
            at += 2
        elif data.startswith(b"\n", at):
            at += 1
        elif len(parts) == 1:
            return data  # text that begins with something like a size
    return b"".join(parts) if parts else data


def _undo(encoding: str, data: bytes, limit: int) -> tuple[bytes, bool]:
    """One content encoding taken off, and whether it ended in an error."""
    attempts = _DECODERS.get(encoding, ())
    for attempt in attempts:
        found, damaged = attempt(data, limit)
        if found or not data:
            return found, damaged
    if _MARKUP_START.match(data):
        return data, False  # decoded before it was archived
    if not attempts:
        raise BodyError(f"content encoding '{encoding[:40]}' is not known")
    raise BodyError(f"content encoding '{encoding}' does not fit the body, which begins {data[:8].hex(' ')}")


def _inflate(window_bits: int) -> Callable[[bytes, int], tuple[bytes, bool]]:
    def undo(data: bytes, limit: int) -> tuple[bytes, bool]:
        inflater = zlib.decompressobj(window_bits)
        return _in_steps(
            data,
            limit,
            lambda step, left: inflater.decompress(inflater.unconsumed_tail + step, left),
            zlib.error,
        )

    return undo


def _unbrotli(data: bytes, limit: int) -> tuple[bytes, bool]:
    decompressor = brotli.Decompressor()

    def more(step: bytes, left: int) -> bytes:
        return decompressor.process(step, output_buffer_limit=left)

    return _in_steps(data, limit, more, brotli.error)


def _unzstd(data: bytes, limit: int) -> tuple[bytes, bool]:
    reader = zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(data, read_across_frames=True)
    parts, size = [], 0
    try:
        while size < limit and (part := reader.read(min(_STEP_BYTES, limit - size))):
            parts.append(part)
            size += len(part)
    except zstandard.ZstdError:
        return b"".join(parts), True
    return b"".join(parts), False


def _in_steps(
    data: bytes, limit: int, more: Callable[[bytes, int], bytes], error: type[Exception]
) -> tuple[bytes, bool]:
    """Decompress piece by piece up to `limit` bytes of output, so that a bomb costs no more than that."""
    parts, size = [], 0
    try:
        for at in range(0, len(data), _STEP_BYTES):
            part = more(data[at : at + _STEP_BYTES], limit - size)
            parts.append(part)
            size += len(part)
            if size >= limit:
                break
    except error:
        return b"".join(parts), True
    return b"".join(parts), False


_ZLIB, _RAW, _GZIP_WINDOW = zlib.MAX_WBITS, -zlib.MAX_WBITS, zlib.MAX_WBITS | 16
_DECODERS: dict[str, tuple[Callable[[bytes, int], tuple[bytes, bool]], ...]] = {
    "gzip": (_inflate(_GZIP_WINDOW),),
    "x-gzip": (_inflate(_GZIP_WINDOW),),
    "deflate": (_inflate(_ZLIB), _inflate(_RAW)),
    "br": (_unbrotli,),
    "zstd": (_unzstd,),
}
