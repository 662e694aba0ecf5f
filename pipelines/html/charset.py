"""Bytes of the web to text: which character set a payload really is in, decoded without mojibake.

The order of evidence is that of browsers (WHATWG Encoding and HTML standards) with one change that crawls
need: what the bytes prove goes before what a header claims.

1. a byte order mark;
2. strictly valid UTF-8 with enough multi-byte characters, which no other character set produces by chance;
3. the charset of the HTTP header, then the one of a <meta> or XML declaration, each only if the bytes decode
   under it (a Latin-1 header, which any bytes satisfy, gives way to a multi-byte declaration that decodes);
4. resiliparse's statistical detector; 5. windows-1252.

Labels mean what browsers take them to mean: GB2312 and GBK are read as GB18030, Shift_JIS as windows-31J,
ISO-8859-1 and US-ASCII as windows-1252, EUC-KR as windows-949.
"""

import codecs
import re
from typing import NamedTuple

from resiliparse.parse.encoding import detect_encoding, map_encoding_to_html5

_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))

# What resiliparse's names, and labels that it does not know, are in Python: supersets wherever there is one.
_CODECS = {
    "utf-8": "utf-8",
    "utf_8": "utf-8",
    "utf8mb4": "utf-8",
    "utf-16-le": "utf-16-le",
    "utf-16-be": "utf-16-be",
    "gbk": "gb18030",
    "gb18030": "gb18030",
    "cp936": "gb18030",
    "windows-936": "gb18030",
    "euc-cn": "gb18030",
    "hz": "hz",
    "hz-gb-2312": "hz",
    "big5": "big5hkscs",
    "cp950": "cp950",
    "shift_jis": "cp932",
    "cp932": "cp932",
    "euc_jp": "euc_jis_2004",
    "iso2022_jp": "iso2022_jp_ext",
    "euc_kr": "cp949",
    "cp949": "cp949",
    "iso-2022-kr": "iso2022_kr",
    "iso8859-11": "cp874",
    "mac-roman": "mac_roman",
    "x-mac-cyrillic": "mac_cyrillic",
    "iso8859-9": "cp1254",
    "iso8859-1": "cp1252",
}
_SINGLE_BYTE = re.compile(r"(cp125[0-8]|cp866|cp874|iso8859-\d{1,2}|koi8-[ru])$")
# Every byte means something in these: that a payload decodes proves nothing.
_ANYTHING_GOES = frozenset({"cp1252"})
_MULTI_BYTE = frozenset({
    "utf-8", "gb18030", "hz", "big5hkscs", "cp950", "cp932", "euc_jis_2004", "iso2022_jp_ext", "cp949",
    "iso2022_kr",
})  # fmt: skip

_HEAD_BYTES = 8192
_META = re.compile(
    rb"""<(?:meta\s[^>]{0,512}?charset|\?xml\s[^>]{0,256}?encoding)\s*=\s*["']?\s*([\w:.+-]{2,40})""", re.I
)
# Latin-script sets that the detector picks on as little as one odd quotation mark: windows-1252 is likelier.
_RARE_LATIN = re.compile(r"(cp125[0478]|iso8859-([2-4]|9|1[03-6]))$")
_MIN_LETTER_SHARE = 0.01
_NON_ASCII = re.compile(r"[^\x00-\x7f]")
# Continuation bytes beyond which valid UTF-8 is no coincidence: a GBK or windows-125x text this long fails.
_PROOF_BYTES = 12
# Share of undecodable characters among the non-ASCII ones up to which a declaration is believed all the same:
# pages quote a line in another encoding.
_MAX_BAD_SHARE = 0.05
_CUT_BYTES = 4  # a payload may end in the middle of a character
_DETECT_BYTES = 131072


class Decoded(NamedTuple):
    """Text, the Python codec that it was decoded with, and the payload itself if it is the text in UTF-8."""

    text: str
    charset: str
    utf8: bytes | None = None


def decode(payload: bytes, declared: str | None = None, markup: bool = True) -> Decoded:
    """`payload` as text; `declared` is the HTTP header's charset; `markup`: <meta> counts. Never raises."""
    for mark, codec in _BOMS:
        if payload.startswith(mark):
            return Decoded(payload[len(mark) :].decode(codec, "replace"), codec)
    labels = [codec_of(declared), _declared_in_markup(payload) if markup else None]
    claims = _in_order(labels)
    utf8 = _strict(payload, "utf-8")
    if utf8 is not None:
        extra = len(payload) - len(utf8)
        if extra >= _PROOF_BYTES or not claims or "utf-8" in claims or not _says_more(payload, extra, claims):
            return Decoded(utf8, "utf-8", payload)
    for codec in claims:
        found = _believable(payload, codec)
        if found is not None:
            return Decoded(found, codec)
    return _guess(payload, utf8)


def codec_of(label: str | None) -> str | None:
    """Python codec for a charset label of the web; None where the label means nothing."""
    if not label:
        return None
    wanted = label.strip(" \t\r\n\"';,").lower()
    if not wanted.isascii():
        return None
    name = wanted if wanted in _CODECS else map_encoding_to_html5(wanted, fallback_utf8=False) or ""
    return _CODECS.get(name) or (name if _SINGLE_BYTE.match(name) else None)


def _declared_in_markup(payload: bytes) -> str | None:
    found = _META.search(payload, 0, _HEAD_BYTES)
    codec = codec_of(found.group(1).decode("ascii", "ignore")) if found else None
    # A declaration that could be read as ASCII is not in UTF-16, whatever it says (HTML standard, 13.2.3.2).
    return "utf-8" if codec in ("utf-16-le", "utf-16-be") else codec


def _in_order(labels: list[str | None]) -> list[str]:
    """The claims in the order to try them, each once."""
    claims = [label for label in dict.fromkeys(labels) if label]
    if len(claims) == 2 and claims[0] in _ANYTHING_GOES and claims[1] in _MULTI_BYTE:
        claims.reverse()
    return claims


def _says_more(payload: bytes, extra: int, claims: list[str]) -> bool:
    """Whether a claim could read something else in bytes that are valid UTF-8 too."""
    escaped = b"\x1b" in payload or b"~{" in payload or b"\x00" in payload
    return extra > 0 or (
        escaped and claims[0] in ("iso2022_jp_ext", "iso2022_kr", "hz", "utf-16-le", "utf-16-be")
    )


def _strict(payload: bytes, codec: str) -> str | None:
    try:
        return payload.decode(codec)
    except UnicodeError:
        return None


def _believable(payload: bytes, codec: str) -> str | None:
    """The text if `payload` decodes, a cut last character and a few errors aside, else None."""
    try:
        return payload.decode(codec)
    except UnicodeDecodeError as error:
        if error.start >= len(payload) - _CUT_BYTES:
            return payload[: error.start].decode(codec, "replace")
    text = payload.decode(codec, "replace")
    bad = text.count("\ufffd")
    if codec in _ANYTHING_GOES or bad <= _MAX_BAD_SHARE * len(_NON_ASCII.findall(text)):
        return text
    return None


def _guess(payload: bytes, utf8: str | None) -> Decoded:
    if utf8 is not None:
        return Decoded(utf8, "utf-8", payload)
    codec = codec_of(detect_encoding(payload, max_len=_DETECT_BYTES)) or "cp1252"
    text = _believable(payload, codec)
    if text is None or (_RARE_LATIN.match(codec) and _letter_share(text) < _MIN_LETTER_SHARE):
        return Decoded(payload.decode("cp1252", "replace"), "cp1252")
    return Decoded(text, codec)


def _letter_share(text: str) -> float:
    """Share of the characters that are letters outside ASCII."""
    return sum(character.isalpha() for character in _NON_ASCII.findall(text)) / max(1, len(text))
