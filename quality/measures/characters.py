"""What each code point means to the measures: bit flags in one table.

White space and letters are Python's (`str.isspace`, `str.isalpha`); characters of scripts written without
spaces are those of `text.unicode_classes`, but for Hangul, whose words stand between spaces.
"""

from functools import cache

import numpy as np
import numpy.typing as npt

from text.unicode_classes import CLASS_SHIFT, SOLO, word_table

SPACE, LETTER, UNSPACED, TERMINAL, BULLET, CLOSER, PEER_PUNCTUATION, RUN = (1 << bit for bit in range(8))
CAPITAL = SPACE  # of a word's first character, which is no space

# Unicode's property Sentence_Terminal as FineWeb's authors use it: its newest additions are not in it, the
# Khmer colon and end marks are.
SENTENCE_TERMINALS: tuple[tuple[int, int], ...] = (
    *((0x21, 0x21), (0x2E, 0x2E), (0x3F, 0x3F), (0x589, 0x589), (0x61D, 0x61F), (0x6D4, 0x6D4)),
    *((0x700, 0x702), (0x7F9, 0x7F9), (0x837, 0x837), (0x839, 0x839), (0x83D, 0x83E), (0x964, 0x965)),
    *((0x104A, 0x104B), (0x1362, 0x1362), (0x1367, 0x1368), (0x166E, 0x166E), (0x1735, 0x1736)),
    *((0x17D4, 0x17D6), (0x17D9, 0x17DA), (0x1803, 0x1803), (0x1809, 0x1809), (0x1944, 0x1945)),
    *((0x1AA8, 0x1AAB), (0x1B5A, 0x1B5B), (0x1B5E, 0x1B5F), (0x1B7D, 0x1B7E), (0x1C3B, 0x1C3C)),
    *((0x1C7E, 0x1C7F), (0x203C, 0x203D), (0x2047, 0x2049), (0x2E2E, 0x2E2E), (0x2E3C, 0x2E3C)),
    *((0x2E53, 0x2E54), (0x3002, 0x3002), (0xA4FF, 0xA4FF), (0xA60E, 0xA60F), (0xA6F3, 0xA6F3)),
    *((0xA6F7, 0xA6F7), (0xA876, 0xA877), (0xA8CE, 0xA8CF), (0xA92F, 0xA92F), (0xA9C8, 0xA9C9)),
    *((0xAA5D, 0xAA5F), (0xAAF0, 0xAAF1), (0xABEB, 0xABEB), (0xFE52, 0xFE52), (0xFE56, 0xFE57)),
    *((0xFF01, 0xFF01), (0xFF0E, 0xFF0E), (0xFF1F, 0xFF1F), (0xFF61, 0xFF61), (0x10A56, 0x10A57)),
    *((0x10F55, 0x10F59), (0x10F86, 0x10F89), (0x11047, 0x11048), (0x110BE, 0x110C1)),
    *((0x11141, 0x11143), (0x111C5, 0x111C6), (0x111CD, 0x111CD), (0x111DE, 0x111DF)),
    *((0x11238, 0x11239), (0x1123B, 0x1123C), (0x112A9, 0x112A9), (0x1144B, 0x1144C)),
    *((0x115C2, 0x115C3), (0x115C9, 0x115D7), (0x11641, 0x11642), (0x1173C, 0x1173E)),
    *((0x11944, 0x11944), (0x11946, 0x11946), (0x11A42, 0x11A43), (0x11A9B, 0x11A9C)),
    *((0x11C41, 0x11C42), (0x11EF7, 0x11EF8), (0x11F43, 0x11F44), (0x16A6E, 0x16A6F)),
    *((0x16AF5, 0x16AF5), (0x16B37, 0x16B38), (0x16B44, 0x16B44), (0x16E98, 0x16E98)),
    *((0x1BC9F, 0x1BC9F), (0x1DA88, 0x1DA88)),
)

BULLETS = "•‣⁃●○◦▪▫■□◆*-–"
"""A line that begins with one is a list item: DCLM's and RedPajama's. The em dash is not: it opens dialogue."""

CLOSERS = "\"'”’»)]}」』）】》〉〕］"
"""May stand between a sentence's end mark and the end of the line."""

# What datatrove does not count as a word where a token holds nothing else; other symbols it does count.
_PEER_PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~«»´–—’“”„…∶━►、。〈〉《》「」【】！％（），．：；？～"
_RUNS = ".-~|/\\^`+@…"  # of these, a run is one token
_HANGUL = (0xAC00, 0xD7A3)


@cache
def character_table() -> npt.NDArray[np.uint8]:
    """Flags of every code point, uint8[0x110000], read-only, built at first use."""
    table = np.zeros(0x110000, np.uint8)
    for code in range(0x40000):
        character = chr(code)
        table[code] = character.isspace() * SPACE + character.isalpha() * LETTER
    unspaced = (word_table() >> CLASS_SHIFT) == SOLO
    unspaced[_HANGUL[0] : _HANGUL[1] + 1] = False
    table[unspaced] |= UNSPACED
    for first, last in SENTENCE_TERMINALS:
        table[first : last + 1] |= TERMINAL | PEER_PUNCTUATION
    for characters, flag in (
        (BULLETS, BULLET),
        (CLOSERS, CLOSER),
        (_PEER_PUNCTUATION, PEER_PUNCTUATION),
        (_RUNS, RUN),
    ):
        table[[ord(character) for character in characters]] |= flag
    for first, last in ((0x0, 0x8), (0xB, 0x1F), (0x7F, 0x9F)):
        table[first : last + 1] |= PEER_PUNCTUATION
    table.setflags(write=False)
    return table
