"""Slow, independent implementations of what text/ documents: Python strings and big integers only."""

import unicodedata

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15
BASE = 0xD6E8FEB86659FD93
# Read off Unicode character names, not off the ranges that the segmenter uses.
SOLO_NAMES = (
    "CJK UNIFIED IDEOGRAPH-",
    "CJK COMPATIBILITY IDEOGRAPH-",
    "IDEOGRAPHIC ITERATION MARK",
    "IDEOGRAPHIC CLOSING MARK",
    "IDEOGRAPHIC NUMBER ZERO",
    "VERTICAL IDEOGRAPHIC ITERATION MARK",
    "MASU MARK",
    "OLD CHINESE",
    "VERTICAL KANA REPEAT",
    "HANGZHOU NUMERAL",
    "HIRAGANA",
    "KATAKANA",
    "HENTAIGANA",
    "HALFWIDTH KATAKANA",
    "BOPOMOFO",
    "HANGUL SYLLABLE",
    "THAI ",
    "LAO ",
    "KHMER ",
    "MYANMAR ",
    "TIBETAN ",
    "TAI LE ",
    "NEW TAI LUE ",
    "TAI THAM ",
    "TAI VIET ",
    "AHOM ",
    "JAVANESE ",
    "BALINESE ",
    "YI ",
    "TANGUT ",
    "NUSHU ",
    "KHITAN SMALL SCRIPT",
)


def fmix64(x: int) -> int:
    x ^= x >> 33
    x = x * 0xFF51AFD7ED558CCD & MASK
    x ^= x >> 33
    x = x * 0xC4CEB9FE1A85EC53 & MASK
    return x ^ x >> 33


def _blocks(raw: bytes) -> list[int]:
    return [int.from_bytes(raw[i : i + 8], "little") for i in range(0, len(raw), 8)]


def hash64(raw: bytes, seed: int) -> int:
    h = fmix64(seed + GOLDEN * (len(raw) + 1) & MASK)
    for block in _blocks(raw):
        h = fmix64(h ^ block)
    return h


def word_hash(word: str) -> int:
    h = GOLDEN
    for block in _blocks("".join(fold(c) for c in word).encode()):
        h = fmix64(h ^ block)
    return h


def fold(character: str) -> str:
    return "i" if character == "\u0130" else character.lower()


def is_solo(character: str) -> bool:
    category = unicodedata.category(character)
    # unicodedata knows no names for Tangut ideographs.
    tangut = 0x17000 <= ord(character) <= 0x18D08
    name = unicodedata.name(character, "TANGUT " if tangut else "")
    return (category[0] == "L" or category == "Nl") and name.startswith(SOLO_NAMES)


def words(raw: bytes) -> list[tuple[int, int, int]]:
    """(hash, start, end) of every word of a document's bytes."""
    found: list[tuple[int, int, str]] = []
    position, open_word, alone = 0, False, False
    # A malformed byte becomes one lone surrogate, hence category Cs and one byte long.
    for character in raw.decode("utf-8", "surrogateescape"):
        size = len(character.encode("utf-8", "surrogateescape"))
        kind = unicodedata.category(character)[0]
        if kind not in "LMN":
            open_word = alone = False
        elif kind == "M" or (open_word and not alone and not is_solo(character)):
            if not open_word:
                found.append((position, position, ""))
            start, _, text = found.pop()
            found.append((start, position + size, text + character))
            open_word = True
        else:
            found.append((position, position + size, character))
            open_word, alone = True, is_solo(character)
        position += size
    return [(word_hash(text), start, end) for start, end, text in found]


def grams(hashes: list[int], n: int) -> list[int]:
    if not hashes:
        return []
    k = min(n, len(hashes))
    return [gram(hashes[i : i + k]) for i in range(len(hashes) - k + 1)]


def gram(hashes: list[int]) -> int:
    k = len(hashes)
    r = sum(h * pow(BASE, k - 1 - i, 1 << 64) for i, h in enumerate(hashes))
    return fmix64(r + k * GOLDEN & MASK)
