"""What stands beside a candidate: letters that make it part of something else, labels, placeholders.

Kernels for kernels. `low` is the first byte that may be read (start of the text or end of the last match), `high`
the end of the text. Every look to either side is bounded, so that no input makes the search more than linear.
"""

import numpy as np

from text.jit import kernel
from text.words import Bytes, Place

_ALNUM, _DIGIT, _UPPER = 1, 2, 4
_GAP = 4  # bytes of punctuation over which a placeholder still touches a candidate
_PLACEHOLDER_BYTES = 32
_LABEL_GAP = 12


def _classes() -> Bytes:
    table = np.zeros(256, np.uint8)
    for code in range(128):
        character = chr(code)
        table[code] = (
            _ALNUM * character.isalnum() | _DIGIT * character.isdigit() | _UPPER * (character.isupper())
        )
    table[ord("_")] = _UPPER
    return table


_TABLE = _classes()


@kernel
def is_digit(byte: np.uint8) -> bool | np.bool_:
    """0 to 9."""
    return 48 <= byte <= 57


@kernel
def is_alnum(byte: np.uint8) -> bool | np.bool_:
    """An ASCII letter or digit."""
    return _TABLE[byte] & _ALNUM != 0


@kernel
def lower(byte: np.uint8) -> np.uint8:
    """ASCII lower case."""
    return byte | np.uint8(32) if 65 <= byte <= 90 else byte


@kernel
def touches_placeholder(data: Bytes, low: Place, start: Place, end: Place, high: Place) -> bool | np.bool_:
    """A placeholder (`<NAME>`, `[NAME]`) ends at `start`, or begins after `end` and at most a little punctuation.

    What is left before a mask was already refused because of what stood there: without this a second
    application would find more than the first. To the left nothing before the last find is ever read.
    """
    place = start - 1
    if place >= low and (data[place] == 62 or data[place] == 93):
        name = place - 1
        while name >= low and name > place - _PLACEHOLDER_BYTES and _TABLE[data[name]] & _UPPER:
            name -= 1
        if name < place - 1 and name >= low and (data[name] == 60 or data[name] == 91):
            return True
    place = end
    while place < high and place < end + _GAP and not is_alnum(data[place]):
        if data[place] == 60 or data[place] == 91:
            name = place + 1
            while name < high and name < place + _PLACEHOLDER_BYTES and _TABLE[data[name]] & _UPPER:
                name += 1
            if name > place + 1 and name < high and (data[name] == 62 or data[name] == 93):
                return True
        place += 1
    return False


@kernel
def has_label(data: Bytes, low: Place, start: Place, labels: Bytes, bounds: np.ndarray) -> bool | np.bool_:
    """One of the labels (lower case, label i is `labels[bounds[i]:bounds[i + 1]]`) ends just before `start`.

    Blanks and a few signs (points, colons, dashes, open brackets) may stand between, `_LABEL_GAP` bytes at most.
    """
    stop = start
    while stop > low and start - stop < _LABEL_GAP:
        byte = data[stop - 1]
        if byte in (9, 32, 35, 40, 43, 45, 46, 58, 124):  # tab, blank, # ( + - . : |
            stop -= 1
        elif byte == 0xA0 and stop - 2 >= low and data[stop - 2] == 0xC2:
            stop -= 2
        elif byte == 0x9A and stop - 3 >= low and data[stop - 2] == 0xBC and data[stop - 3] == 0xEF:
            stop -= 3  # the full-width colon
        else:
            break
    for label in range(len(bounds) - 1):
        first, size = bounds[label], bounds[label + 1] - bounds[label]
        begin = stop - size
        if begin < low:
            continue
        same = True
        for i in range(size):
            if lower(data[begin + i]) != labels[first + i]:
                same = False
                break
        ascii_label = labels[first] < 128
        if same and not (ascii_label and begin > low and is_alnum(data[begin - 1])):
            return True
    return False


def packed(labels: tuple[str, ...]) -> tuple[Bytes, np.ndarray]:
    """Labels in the form `has_label` takes."""
    parts = [label.encode() for label in labels]
    bounds = np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64)
    return np.frombuffer(b"".join(parts), np.uint8), bounds
