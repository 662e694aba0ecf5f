"""What the nesting scan must know of HTML elements: bit flags by the FNV-1a hash of the lower-case name."""

import numpy as np

from text.jit import kernel

VOID, RAW, PLAIN, SPECIAL, SCOPE, FORMATTING, IMPLIED_END, CLOSES_P = (1 << n for n in range(8))
PARAGRAPH, ITEM, DEFINITION, CELL, ROW, ROWS, TABLE, OPTION = (1 << n for n in range(8, 16))
SELECT, INPUT, SCRIPT, FOREIGN, ROOT = (1 << n for n in range(16, 21))

# HTML standard, 13.2.4.2-3 (special and formatting elements, scopes), 13.2.6.4.7 (what closes a p).
_ELEMENTS = {
    VOID: """
        area base basefont bgsound br col embed frame hr img input keygen link meta param source track wbr""",
    RAW: "script style textarea title xmp iframe noembed noframes",
    PLAIN: "plaintext",
    SPECIAL: """
        address applet article aside blockquote body button caption center colgroup dd details dir
        div dl dt fieldset figcaption figure footer form frameset h1 h2 h3 h4 h5 h6 head header
        hgroup html li listing main marquee menu nav noscript object ol p pre search section select
        summary table tbody td template tfoot th thead tr ul""",
    SCOPE: """
        applet caption html table td th marquee object template foreignobject desc annotation-xml mi
        mo mn ms mtext""",
    FORMATTING: "a b big code em font i nobr s small strike strong tt u",
    IMPLIED_END: "dd dt li optgroup option p rb rp rt rtc",
    CLOSES_P: """
        address article aside blockquote center details dialog dir div dl fieldset figcaption figure
        footer header hgroup main menu nav ol p search section summary ul h1 h2 h3 h4 h5 h6 pre
        listing form table li dd dt hr xmp plaintext""",
    PARAGRAPH: "p",
    ITEM: "li",
    DEFINITION: "dd dt",
    CELL: "td th",
    ROW: "tr",
    ROWS: "tbody thead tfoot",
    TABLE: "table",
    OPTION: "option optgroup",
    SELECT: "select",
    INPUT: "input textarea keygen",
    SCRIPT: "script",
    FOREIGN: "svg math",
    ROOT: "html head body",
}
_SLOTS = 1024


def hash_name(name: str) -> int:
    """64-bit FNV-1a of a lower-case element name."""
    value = 0xCBF29CE484222325
    for byte in name.encode():
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


def _table() -> tuple[np.ndarray, np.ndarray]:
    """Open-addressed table: name hashes and flags; 0 marks a free slot."""
    bits: dict[str, int] = {}
    for flag, names in _ELEMENTS.items():
        for name in names.split():
            bits[name] = bits.get(name, 0) | flag
    hashes, flags = np.zeros(_SLOTS, np.uint64), np.zeros(_SLOTS, np.int64)
    for name, value in sorted(bits.items()):
        slot = hash_name(name) % _SLOTS
        while hashes[slot]:
            slot = (slot + 1) % _SLOTS
        hashes[slot], flags[slot] = hash_name(name), value
    return hashes, flags


_HASHES, _FLAGS = _table()
_MASK = np.uint64(_SLOTS - 1)
_FREE = np.uint64(0)


@kernel
def name_bits(name: np.uint64) -> int:
    """Flags of the element whose name hashes to `name`; 0 for an unknown one."""
    slot = np.int64(name & _MASK)
    while _HASHES[slot] != _FREE:
        if _HASHES[slot] == name:
            return _FLAGS[slot]
        slot = (slot + 1) % _SLOTS
    return 0
