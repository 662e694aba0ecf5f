"""Records of a WARC, WET or WAT file, or of a part of it, whatever its state: damage is named and read past.

A part is a byte range of the file as it is stored. The records of a part are those whose member (gzip,
zstd) or whose first byte (uncompressed) begins in it, so parts that cover a file yield each record exactly
once. A file compressed as one single member has all its records in the part that holds the file's start;
parts of an uncompressed file read over what lies before them.

Where reading fails it goes on at the next member that begins a record; where there is none it starts again
before the damage in fastwarc's tolerant mode, which seeks the next header line by line and accepts bare
line feeds.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from fastwarc.warc import ArchiveIterator, WarcRecord, WarcRecordType

from pipelines.crawl.members import Container, begins_record, find_member, member_state, sniff, uncompressed
from pipelines.crawl.streams import ByteStream

# Kinds whose content is read: responses, and the converted text of WET files.
_READ = WarcRecordType.response | WarcRecordType.conversion
_WINDOW_CHUNKS = 6
# Blank lines between records, and line ends that may be one byte or two.
_SLACK_BYTES = 64
_REASONS = {"sound": "invalid_record", "corrupt": "corrupt_data", "cut": "cut_short"}
_FIRST_LINE_BYTES = len("WARC/1.0\r\n")


class Record(NamedTuple):
    """One record; `block` is its content up to a limit, empty for kinds that are only counted.

    `offset` is where its member begins in the stored file, `length` what its header promises in bytes,
    `missing` how many of these the file does not hold, `truncated` what the crawler said if it stored less
    than the server sent.
    """

    offset: int
    kind: str
    uri: str
    date: str
    content_type: str
    truncated: str
    block: bytes
    length: int
    missing: int


class Fault(NamedTuple):
    """Damage in a file: byte offset in the stored file, a short fixed name, and what a person should know."""

    offset: int
    reason: str
    detail: str


class _Invalid(ValueError):
    """Bytes that are no WARC record where one should begin."""


def read_records(
    stream: ByteStream, start: int, end: int | None, max_block_bytes: int
) -> Iterator[Record | Fault]:
    """Records that begin in [start, end) of a stored file (`end` None: to its end), and damage met."""
    container = sniff(stream)
    begin: int | None = 0
    if start and container.splittable:
        begin = find_member(stream, container, start, end)
    if begin is None:
        return
    # Files written with bare line feeds need fastwarc's tolerant mode throughout.
    tolerant = b"\r" not in uncompressed(stream, container, begin, _FIRST_LINE_BYTES)
    reader = _Reader(stream, container, begin, end, max_block_bytes, tolerant)
    for item in reader.items():
        if item.offset >= start or container.splittable:
            yield item


class _Window:
    """The stream as fastwarc reads it; remembers the last chunks, and errors that are the transport's own."""

    def __init__(self, stream: ByteStream, at: int, prefix: bytes) -> None:
        self._stream = stream
        self._prefix = prefix if at else b""
        # fastwarc takes a dictionary frame for one only at position 0: what it sees as n lies at n + shift.
        self.shift = self._position = at - len(self._prefix)
        self._chunks: list[tuple[int, bytes]] = []
        self.error: Exception | None = None
        stream.seek(at)

    def read(self, size: int = -1) -> bytes:
        """The next chunk, the dictionary frame before all others."""
        if self._prefix:
            chunk, self._prefix = self._prefix, b""
        else:
            try:
                chunk = self._stream.read(size)
            except Exception as error:
                self.error = error
                raise
            self._chunks = [*self._chunks[1 - _WINDOW_CHUNKS :], (self._position, chunk)]
        self._position += len(chunk)
        return chunk

    def tell(self) -> int:
        """Position of the next byte from where the reading began."""
        return self._position - self.shift

    def seek(self, offset: int, whence: int = 0) -> int:
        """Never wanted of a reader that goes forward."""
        raise OSError(f"a WARC reader sought to {offset} ({whence})")

    def close(self) -> None:
        """The stream belongs to the caller."""

    def peek(self, offset: int, size: int) -> bytes:
        """Remembered bytes at `offset`: `size` of them, fewer at the end, none if they are forgotten."""
        parts: list[bytes] = []
        for at, chunk in self._chunks:
            if size and at <= offset < at + len(chunk):
                part = chunk[offset - at : offset - at + size]
                parts.append(part)
                offset, size = offset + len(part), size - len(part)
        return b"".join(parts)

    def remembered(self) -> tuple[int, bytes]:
        """All remembered bytes and the offset of the first."""
        first = self._chunks[0][0] if self._chunks else self._position
        return first, b"".join(chunk for _, chunk in self._chunks)


@dataclass
class _Reader:
    """Reads forward; reads again from `unit`, the last member that began, past `delivered` of its records.

    A record is held until its member was read to the end without error, a fault until the next record.
    """

    stream: ByteStream
    container: Container
    begin: int
    end: int | None
    max_block_bytes: int
    tolerant: bool

    def __post_init__(self) -> None:
        self.unit, self.delivered = self.begin, 0
        self.found_any = self.stopped = False
        self.held: Record | None = None
        self.pending: list[Fault] = []

    def items(self) -> Iterator[Record | Fault]:
        """All records and faults up to the end of the part."""
        going = True
        while going:
            window = _Window(self.stream, self.unit, self.container.prefix)
            try:
                yield from self._records(window)
                going = False
            except (OSError, ValueError, RuntimeError) as error:
                if window.error is not None:
                    raise window.error from error
                yield from self._name(error)
                going = self._recover(_is_about_header(error))
                continue
            if not self.stopped:
                yield from self._cut_header(window)
        if (
            self.found_any
            or self.begin
            or self.stopped
            or any(f.reason == "corrupt_data" for f in self.pending)
        ):
            yield from self.pending
        else:
            yield _nothing_in(window)

    def _records(self, window: _Window) -> Iterator[Record | Fault]:
        skip, self.delivered = self.delivered, 0
        expected: int | None = None
        for found in ArchiveIterator(window, parse_http=False, quirks_mode=self.tolerant):
            offset = found.stream_pos + window.shift
            yield from self._release()
            if self.end is not None and offset >= self.end and self._begins_record(window, offset):
                self.stopped = True
                return
            if found.record_type == WarcRecordType.unknown and "Content-Length" not in found.headers:
                raise _Invalid("no WARC header")
            if expected is not None and offset > expected + _SLACK_BYTES:
                self.pending.clear()
                yield Fault(
                    expected,
                    "invalid_record",
                    f"{offset - expected} bytes before the next record belong to none",
                )
            if self.tolerant and not self.container.splittable:
                expected = offset + _header_bytes(found) + found.content_length
            if offset != self.unit and self._begins_member(window, offset):
                self.unit, self.delivered, skip = offset, 0, 0
            if self.delivered >= skip:
                self.held = _read(found, offset, self.max_block_bytes)
            self.delivered += 1
        yield from self._release_last()

    def _release(self) -> Iterator[Record | Fault]:
        if self.held is not None:
            yield from self.pending
            yield self.held
            self.held, self.found_any = None, True
            self.pending.clear()

    def _release_last(self) -> Iterator[Record | Fault]:
        """fastwarc does not check the last member of a file to its end."""
        if self.held is not None and self.container.splittable and self.delivered == 1:
            state = member_state(self.stream, self.container, self.unit).state
            if state == "corrupt" or (state == "cut" and not self.held.missing):
                self.held = None
                self.pending.append(Fault(self.unit, _REASONS[state], "this record's data is damaged"))
        yield from self._release()

    def _begins_member(self, window: _Window, offset: int) -> bool:
        if not self.container.splittable:
            return True
        return window.peek(offset, len(self.container.magic)) == self.container.magic

    def _begins_record(self, window: _Window, offset: int) -> bool:
        """Like `find_member`, so that the parts of a file agree on where each begins and ends."""
        if not self.container.splittable:
            return True
        return begins_record(window.peek(offset, self.container.probe_bytes), self.container)

    def _name(self, error: Exception) -> Iterator[Record | Fault]:
        """Say where the damage lies: in the member that began last, or in the one behind it."""
        if self.container.splittable:
            yield from self._name_member(error)
            return
        yield from self._release()
        where = "behind the record that begins here" if self.delivered else "this record cannot be read"
        self.pending.append(Fault(self.unit, "invalid_record", f"{where}: {error}; read on after it"))

    def _name_member(self, error: Exception) -> Iterator[Record | Fault]:
        state, end = member_state(self.stream, self.container, self.unit)
        if state == "corrupt" and self.delivered == 1:
            self.held, self.delivered = None, 0
        yield from self._release()
        if state == "sound" and self.delivered:
            behind = member_state(self.stream, self.container, end).state
            starts = uncompressed(self.stream, self.container, end, len("WARC/")) == b"WARC/"
            self.stopped = self.end is not None and end >= self.end
            if self.stopped and starts:
                return  # the next part finds it
            if behind != "absent" and not (behind == "sound" and starts):
                self.unit, self.delivered, state = end, 0, behind
        detail = f"this record's data, or what follows in its member, cannot be read: {error}"
        self.pending.append(Fault(self.unit, _REASONS[state], detail))

    def _recover(self, about_header: bool) -> bool:
        """Decide where to go on; False if there is nowhere."""
        if self.stopped:
            return False
        inside = about_header and self.delivered > 1 and not self.tolerant
        if self.container.splittable and not inside:
            following = find_member(self.stream, self.container, self.unit + 1, self.end)
            if following is not None:
                self.unit, self.delivered = following, 0
                return True
        if about_header and not self.tolerant:
            self.tolerant = True
            return True
        return False

    def _cut_header(self, window: _Window) -> Iterator[Fault]:
        """A member at the file's end of which not even the record's header is whole."""
        if not self.container.splittable or not self.found_any or self.pending:
            return
        first, data = window.remembered()
        skip = max(0, self.unit + bool(self.delivered) - first)
        at = find_member(io.BytesIO(data[skip:]), self.container, 0, None)
        if at is not None and (self.end is None or first + skip + at < self.end):
            yield Fault(first + skip + at, "cut_short", "the file ends in this record's header")


def _nothing_in(window: _Window) -> Fault:
    if window.tell() == 0:
        return Fault(0, "empty_file", "the file has no bytes")
    return Fault(0, "not_warc", "the file holds no WARC record")


def _is_about_header(error: Exception) -> bool:
    return isinstance(error, _Invalid) or "header" in str(error)


def _header_bytes(found: WarcRecord) -> int:
    """Length of a record's header, as written with single line feeds."""
    return len("WARC/1.0\n\n") + sum(
        len(f"{name}: {value}\n".encode()) for name, value in found.headers.to_tuples()
    )


def _read(found: WarcRecord, offset: int, limit: int) -> Record:
    headers, length = found.headers, found.content_length
    block = found.reader.read(min(limit, length)) if found.record_type & _READ else b""
    missing = length - len(block) if found.record_type & _READ and len(block) < min(limit, length) else 0
    return Record(
        offset=offset,
        kind=str(found.record_type),
        uri=(headers.get("WARC-Target-URI") or "").strip().removeprefix("<").removesuffix(">"),
        date=headers.get("WARC-Date") or "",
        content_type=(headers.get("Content-Type") or "").strip().lower(),
        truncated=headers.get("WARC-Truncated") or "",
        block=block,
        length=length,
        missing=missing,
    )
