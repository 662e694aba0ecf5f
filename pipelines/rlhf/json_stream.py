"""The elements of a JSON array one by one, so that a file larger than memory can be read."""

import json
from collections.abc import Iterator
from typing import Any

from pipelines.rlhf.bad_row import BadRow

_NUMBER = ".eE+-0123456789"
_SPACE = " \t\r\n"
_FIRST_CHARS = 1 << 16


def array_items(pieces: Iterator[str], max_chars: int) -> Iterator[Any]:
    """The elements of the array whose text comes in `pieces`; a BadRow in place of the first that cannot be read.

    An element longer than `max_chars` and one that is no JSON end the array: nobody knows where the next begins.
    """
    window = _Window(pieces)
    window.skip(_SPACE)
    window.position += 1  # the opening bracket
    decoder = json.JSONDecoder()
    while True:
        window.skip(_SPACE + ",")
        if window.at_end:
            yield BadRow("broken_json", "the array has no closing bracket; the file is cut off")
            return
        if window.text[window.position] == "]":
            return
        found = window.decode(decoder, max_chars)
        yield found
        if isinstance(found, BadRow):
            return


class _Window:
    """The part of the text that is in memory; `position` is where reading goes on."""

    def __init__(self, pieces: Iterator[str]) -> None:
        self._pieces = pieces
        self.text = ""
        self.position = 0

    @property
    def at_end(self) -> bool:
        """Whether nothing is left, here and in the file."""
        return self.position >= len(self.text) and not self._more(1)

    def skip(self, characters: str) -> None:
        """Go on to the first character that is none of these."""
        while not self.at_end and self.text[self.position] in characters:
            self.position += 1

    def decode(self, decoder: json.JSONDecoder, max_chars: int) -> Any:
        """The value here, with as much more of the text as it takes; a BadRow where there is none."""
        wanted = _FIRST_CHARS
        while True:
            grown = self._more(wanted)
            try:
                value, end = decoder.raw_decode(self.text, self.position)
            except (ValueError, RecursionError) as error:
                if grown and wanted <= max_chars and not isinstance(error, RecursionError):
                    wanted *= 2
                    continue
                return self._broken(error, grown, max_chars)
            if grown and self.text[end : end + 1] in _NUMBER:  # nothing or a part of one: a number may go on
                wanted *= 2
                continue
            self.position = end
            return value

    def _broken(self, error: Exception, grown: bool, max_chars: int) -> "BadRow":
        if grown and not isinstance(error, RecursionError):
            return BadRow(
                "row_too_long", f"no end within {max_chars:,} characters; the rest of the file is not read"
            )
        return BadRow("broken_json", f"{error}; the rest of the array is not read")

    def _more(self, wanted: int) -> bool:
        """Have `wanted` characters from the position on; False where the file ends before them."""
        parts = [self.text[self.position :]]
        size = len(parts[0])
        if size >= wanted:
            return True
        for piece in self._pieces:
            parts.append(piece)
            size += len(piece)
            if size >= wanted:
                break
        self.text, self.position = "".join(parts), 0
        return size >= wanted
