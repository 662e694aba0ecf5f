"""One form for all text: newlines as \\n, no control characters, valid Unicode, at most one blank line."""

import re
from collections.abc import Iterator

_NEWLINES = re.compile("\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ufeff]")
_SURROGATES = re.compile("[\ud800-\udfff]")
_BLANK_LINES = re.compile("\n{3,}")


def normalise(text: str) -> str:
    """`text` in the one form; characters that are kept are not changed.

    >>> normalise("a \\r\\nb\\x00\\r\\r\\rc\\x85")
    'a\\nb\\n\\nc'
    """
    text = _NEWLINES.sub("\n", text)
    text = _CONTROLS.sub("", text)
    text = _SURROGATES.sub("\ufffd", text)
    text = "\n".join(line.rstrip() for line in text.split("\n"))
    return _BLANK_LINES.sub("\n\n", text).strip()


def split_text(text: str, limit: int) -> Iterator[str]:
    """Pieces of at most `limit` characters and of like length, cut at a blank line, else line, else space.

    A novel of 500,000 characters becomes three thirds, not two full pieces and a rest.
    """
    start = 0
    while len(text) - start > limit:
        left = len(text) - start
        pieces = -(-left // limit)
        # A tenth above the even share: without the slack each cut falls short and the last piece overflows.
        size = min(limit, int(left / pieces * 1.1) + 1)
        end = _boundary(text, start + size // 2, start + size)
        yield text[start:end].strip()
        start = end
    yield text[start:].strip()


def _boundary(text: str, low: int, high: int) -> int:
    for mark in ("\n\n", "\n", " "):
        found = text.rfind(mark, low, high)
        if found >= 0:
            return found + len(mark)
    return high
