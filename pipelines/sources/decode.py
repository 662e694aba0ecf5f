"""Bytes to text: byte order marks, UTF-8, and what old corpora hold instead."""

import codecs
import io
from collections.abc import Iterator
from contextlib import closing

from resiliparse.parse.encoding import detect_encoding

from pipelines.sources.config import AUTO_ENCODING
from pipelines.sources.members import DAMAGE, Member

_HEAD_BYTES = 256 << 10
_BLOCK_BYTES = 8 << 10
_BYTE_ORDER_MARKS = (  # UTF-32 first: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WESTERN = "windows-1252"


class TextLines:
    """The lines of a member with their line ends; `charset` names how the lines so far were decoded.

    With the encoding auto, a line that is no UTF-8 is read as the character set detected in the first
    256 KiB, or as windows-1252 where those are UTF-8. Old corpora mix both in one file, so the choice is made
    per line. Bytes that mean nothing in the character set become U+FFFD.
    """

    def __init__(self, member: Member, encoding: str) -> None:
        self._member = member
        self._encoding = encoding
        self.charset = "utf-8" if encoding == AUTO_ENCODING else encoding

    def __iter__(self) -> Iterator[str]:
        marked, fallback = self._encoding, ""
        if self._encoding == AUTO_ENCODING:
            marked, fallback = self._look()
        with closing(self._member.open()) as stream:
            if marked:
                self.charset = marked.removesuffix("-sig")
                # newline="": the reader of csv needs the line ends as they are.
                yield from io.TextIOWrapper(stream, marked, errors="replace", newline="")
            else:
                yield from self._by_line(io.BufferedReader(stream), fallback)

    def _look(self) -> tuple[str, str]:
        """Encoding by byte order mark, else the fallback for lines that are no UTF-8."""
        head = self._head()
        for mark, name in _BYTE_ORDER_MARKS:
            if head.startswith(mark):
                return name, ""
        try:
            codecs.getincrementaldecoder("utf-8")().decode(head)
        except UnicodeDecodeError:
            found = detect_encoding(head) or _WESTERN
            return "", _WESTERN if codecs.lookup(found).name in ("utf-8", "ascii", "cp1252") else found
        return "", _WESTERN

    def _head(self) -> bytes:
        """The first bytes, or those before the damage, which reading will report."""
        head = b""
        with closing(self._member.open()) as stream:
            try:
                while len(head) < _HEAD_BYTES and (block := stream.read(_BLOCK_BYTES)):
                    head += block
            except DAMAGE:
                return head
        return head

    def _by_line(self, stream: io.BufferedReader, fallback: str) -> Iterator[str]:
        for line in stream:
            try:
                yield line.decode("utf-8")
            except UnicodeDecodeError:
                self.charset = fallback
                yield line.decode(fallback, "replace")
