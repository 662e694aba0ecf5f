"""What each code point means to the segmenter: its class and its lower case, in one table.

The classes follow the general categories of the interpreter's `unicodedata`, version `UNICODE_VERSION`;
characters that only a later version assigns are separators:

    SEPARATOR  everything that is none of the below
    LETTER     L* and N*
    MARK       M*
    SOLO       L* and Nl inside UNSPACED_RANGES: characters of scripts written without spaces

The lower case is Unicode's simple one-to-one mapping: the first character of Python's `chr(c).lower()`, which
has a second one for U+0130 alone.
"""

import unicodedata
from functools import cache

import numpy as np
import numpy.typing as npt

UNICODE_VERSION = unicodedata.unidata_version

SEPARATOR, LETTER, MARK, SOLO = 0, 1, 2, 3
CLASS_SHIFT = 21  # a code point needs 21 bits; the class sits above it

# Scripts whose lines break by dictionary or between any two characters (UAX #14: classes SA, ID, CJ, H2, H3,
# and of AK and AS those written without spaces), and Tibetan, as inclusive ranges of blocks.
UNSPACED_RANGES: tuple[tuple[int, int, str], ...] = (
    (0x0E00, 0x0E7F, "Thai"),
    (0x0E80, 0x0EFF, "Lao"),
    (0x0F00, 0x0FFF, "Tibetan"),
    (0x1000, 0x109F, "Myanmar"),
    (0x1780, 0x17FF, "Khmer"),
    (0x1950, 0x197F, "Tai Le"),
    (0x1980, 0x19DF, "New Tai Lue"),
    (0x1A20, 0x1AAF, "Tai Tham"),
    (0x1B00, 0x1B7F, "Balinese"),
    (0x3005, 0x3007, "Han iteration mark, closing mark and zero"),
    (0x3021, 0x3029, "Hangzhou numerals"),
    (0x3031, 0x3035, "Kana repeat marks"),
    (0x3038, 0x303C, "Hangzhou numerals, Han and kana marks"),
    (0x3040, 0x30FF, "Hiragana and Katakana"),
    (0x3100, 0x312F, "Bopomofo"),
    (0x31A0, 0x31BF, "Bopomofo Extended"),
    (0x31F0, 0x31FF, "Katakana Phonetic Extensions"),
    (0x3400, 0x4DBF, "Han Extension A"),
    (0x4E00, 0x9FFF, "Han"),
    (0xA000, 0xA48F, "Yi"),
    (0xA980, 0xA9DF, "Javanese"),
    (0xA9E0, 0xA9FF, "Myanmar Extended-B"),
    (0xAA60, 0xAA7F, "Myanmar Extended-A"),
    (0xAA80, 0xAADF, "Tai Viet"),
    (0xAC00, 0xD7A3, "Hangul Syllables"),
    (0xF900, 0xFAFF, "Han Compatibility"),
    (0xFF66, 0xFF9F, "Halfwidth Katakana"),
    (0x11700, 0x1174F, "Ahom"),
    (0x16FE0, 0x18D7F, "Tangut, Khitan, Nushu and their marks"),
    (0x1AFF0, 0x1B2FF, "Kana Extended, Supplement and Small, Nushu"),
    (0x20000, 0x3FFFF, "Han Extensions B and later"),
)

# Planes 4 to 13 are unassigned and 15 to 16 private use: separators without asking.
_ASSIGNED = ((0x0, 0x40000), (0xE0000, 0xF0000))


@cache
def word_table() -> npt.NDArray[np.uint32]:
    """Per code point `class << CLASS_SHIFT | lower case`, uint32[0x110000], read-only, built at first use."""
    table = np.arange(0x110000, dtype=np.uint32)
    for first, stop in _ASSIGNED:
        characters = [chr(code) for code in range(first, stop)]
        major = np.frombuffer("".join(map(unicodedata.category, characters)).encode(), np.uint8).reshape(
            -1, 2
        )
        classes = np.zeros(stop - first, np.uint32)
        classes[np.isin(major[:, 0], np.frombuffer(b"LN", np.uint8))] = LETTER
        classes[major[:, 0] == ord("M")] = MARK
        solo = (major[:, 0] == ord("L")) | ((major[:, 0] == ord("N")) & (major[:, 1] == ord("l")))
        classes[solo & _unspaced(first, stop)] = SOLO
        table[first:stop] = [ord(character.lower()[0]) for character in characters]
        table[first:stop] |= classes << CLASS_SHIFT
    table.setflags(write=False)
    return table


def _unspaced(first: int, stop: int) -> npt.NDArray[np.bool_]:
    inside = np.zeros(0x110000, np.bool_)
    for low, high, _ in UNSPACED_RANGES:
        inside[low : high + 1] = True
    return inside[first:stop]
