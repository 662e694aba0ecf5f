"""E-mail and IP addresses at a place in a text.

An e-mail address is `local@label.label…`: the local part of letters of any alphabet, digits and
`.`, `-`, `_`, `+`, `%`, `'`, 1 to 64 bytes, no point at its ends nor two in a row; the
domain of ASCII labels that ends in a known top-level domain. git@host, where repositories lie, is none.

An IP address counts where it is public: not in the ranges that IANA's special-purpose registries set apart, and
for IPv6 in 2000::/3, all that is given out.
"""

import numpy as np
import numpy.typing as npt

from quality.domains import TOP_LEVEL
from quality.pii_kinds.numbers import Flag
from quality.pii_kinds.places import has_label, is_alnum, is_digit, lower, packed
from text.jit import kernel
from text.unicode_classes import CLASS_SHIFT, LETTER, MARK
from text.words import Bytes, Place, Table, decode

_MAX_LOCAL, _MAX_LABEL, _MAX_DOMAIN = 64, 63, 253
_CLASS_SHIFT = np.uint32(CLASS_SHIFT)
_FACTOR = np.uint64(0x100000001B3)
_NONE = np.int64(-1)
_IP_LABELS = packed(
    ("ip", "ip address", "ip-adresse", "adresse ip", "ip addr", "ipv4", "host", "server", "ping", "from")
)
_VERSION_LABELS = packed(
    ("version", "ver", "v", "release", "build", "firmware", "update", "section", "sec", "chapter", "clause", "rev",
     "article", "rule", "figure", "table", "kernel", "driver", "patch", "version number", "版本", "版本号")
)  # fmt: skip
_MIN_PLAIN_IP_DIGITS = 8
_LARGEST_MAJOR_VERSION = 7


def _name_hash(name: str) -> np.uint64:
    value = 0
    for byte in name.encode():
        value = ((value ^ byte) * int(_FACTOR)) & 0xFFFFFFFFFFFFFFFF
    return np.uint64(value)


_TLD_HASHES = np.sort(np.array([_name_hash(name) for name in TOP_LEVEL], np.uint64))
_GIT = np.array([_name_hash("git")], np.uint64)
_IP_TEXT, _IP_BOUNDS = _IP_LABELS
_VERSION_TEXT, _VERSION_BOUNDS = _VERSION_LABELS

# Public IPv4 space is all but these: first address and one past the last, from IANA's special-purpose registry.
_SPECIAL = np.array(
    [
        (0x00000000, 0x01000000),  # 0.0.0.0/8
        (0x0A000000, 0x0B000000),  # 10.0.0.0/8
        (0x64400000, 0x64800000),  # 100.64.0.0/10
        (0x7F000000, 0x80000000),  # 127.0.0.0/8
        (0xA9FE0000, 0xA9FF0000),  # 169.254.0.0/16
        (0xAC100000, 0xAC200000),  # 172.16.0.0/12
        (0xC0000000, 0xC0000100),  # 192.0.0.0/24
        (0xC0000200, 0xC0000300),  # 192.0.2.0/24
        (0xC0A80000, 0xC0A90000),  # 192.168.0.0/16
        (0xC6120000, 0xC6140000),  # 198.18.0.0/15
        (0xC6336400, 0xC6336500),  # 198.51.100.0/24
        (0xCB007100, 0xCB007200),  # 203.0.113.0/24
        (0xE0000000, 0x100000000),  # 224.0.0.0/3: multicast, reserved
    ],
    np.int64,
)


@kernel
def _hash(data: Bytes, start: Place, end: Place) -> np.uint64:
    value = np.uint64(0)
    for place in range(start, end):
        value = (value ^ np.uint64(lower(data[place]))) * _FACTOR
    return value


@kernel
def _is_in(value: np.uint64, table: npt.NDArray[np.uint64]) -> bool | np.bool_:
    place = np.searchsorted(table, value)
    return place < len(table) and table[place] == value


@kernel
def _in_local(byte: np.uint8) -> bool | np.bool_:
    if is_alnum(byte):
        return True
    return byte == 46 or byte == 45 or byte == 95 or byte == 43 or byte == 37 or byte == 39


@kernel
def email(data: Bytes, low: Place, at: Place, high: Place, letters: Table) -> tuple[np.int64, np.int64]:
    """(start, end) of the e-mail address whose @ stands at `at`; (-1, -1) where there is none."""
    nothing = _NONE, _NONE
    start = _local_start(data, low, at, letters)
    # An apostrophe may be a quotation mark before the address.
    while start < at and (data[start] == 39 or data[start] == 46 or data[start] == 45 or data[start] == 37):
        start += 1
    if start >= at or data[at - 1] == 46 or at - start > _MAX_LOCAL:
        return nothing
    for place in range(start, at - 1):
        if data[place] == 46 and data[place + 1] == 46:
            return nothing
    if start > low and data[start - 1] == 64:
        return nothing
    if start - 1 > low and data[start - 1] == 47 and data[start - 2] == 47:
        return nothing  # a user's name in a link: ssh://somebody@…
    if _is_in(_hash(data, start, at), _GIT):
        return nothing
    end = _domain_end(data, at + 1, high)
    if end < 0 or (end < high and data[end] == 64):
        return nothing
    return np.int64(start), end


@kernel
def _local_start(data: Bytes, low: Place, at: Place, letters: Table) -> np.int64:
    start = np.int64(at)
    while start > low and at - start <= _MAX_LOCAL:
        byte = data[start - 1]
        if byte < 128:
            if not _in_local(byte):
                break
            start -= 1
            continue
        first = start - 1
        while first > low and first > start - 4 and data[first] & 0xC0 == 0x80:
            first -= 1
        code, size = decode(data, first, start)
        kind = letters[code] >> _CLASS_SHIFT if code >= 0 and first + size == start else np.uint32(0)
        if kind != LETTER and kind != MARK:
            break
        start = first
    return start


@kernel
def _domain_end(data: Bytes, start: Place, high: Place) -> np.int64:
    """End of the longest domain of two or more labels from `start` on that a known top level ends; or -1."""
    best, label, labels = _NONE, np.int64(start), 0
    place = label
    while place <= high and place - start <= _MAX_DOMAIN:
        if place < high and (is_alnum(data[place]) or data[place] == 45):
            place += 1
            continue
        size = place - label
        if size == 0 or size > _MAX_LABEL or data[label] == 45 or data[place - 1] == 45:
            break
        if place < high and (data[place] == 95):
            break
        labels += 1
        if labels > 1 and _is_in(_hash(data, label, place), _TLD_HASHES):
            best = place
        if place >= high or data[place] != 46:
            break
        label = place + 1
        place = label
    return best


@kernel
def ipv4(data: Bytes, low: Place, start: Place, high: Place) -> tuple[np.int64, bool | np.bool_]:
    """(end, counts) of four decimal bytes from `start`, or (-1, False) where something else stands there.

    `counts` where the address is public and no part of a version, a section number or a longer row of
    numbers. Fewer than eight digits that could be a version (2.1.10.3, 9.0.7.0) count only with a word before
    them that says what they are, or in a link.
    """
    place, value, digits = np.int64(start), np.int64(0), np.int64(0)
    for part in range(4):
        if part:
            if place >= high or data[place] != 46:
                return _NONE, False
            place += 1
        first, number = place, np.int64(0)
        while place < high and place - first < 4 and is_digit(data[place]):
            number = number * 10 + np.int64(data[place]) - 48
            place += 1
        size = place - first
        if size == 0 or size > 3 or number > 255 or (size > 1 and data[first] == 48):
            return _NONE, False
        value = value << 8 | number
        digits += size
    if place < high and (is_alnum(data[place]) or data[place] == 95 or data[place] == 64):
        return _NONE, False
    if place + 1 < high and is_digit(data[place + 1]) and (data[place] == 46 or data[place] == 44):
        return _NONE, False
    return place, _is_public4(value) and _stands_alone(data, low, start, digits, value)


@kernel
def _is_public4(value: np.int64) -> bool | np.bool_:
    for i in range(len(_SPECIAL)):
        if _SPECIAL[i, 0] <= value < _SPECIAL[i, 1]:
            return value == 0xC0000009 or value == 0xC000000A  # 192.0.0.9 and .10 are global anycast
    return True


@kernel
def _stands_alone(
    data: Bytes, low: Place, start: Place, digits: np.int64, value: np.int64
) -> bool | np.bool_:
    linked: Flag = False
    if start > low:
        byte = data[start - 1]
        if is_alnum(byte) or byte == 95 or byte == 45 or byte == 46 or byte == 43 or byte == 61:
            return False
        if byte == 47:
            linked = start - 2 >= low and data[start - 2] == 47
            if not linked:
                return False  # a version: Agent/91.0.72.124
    if has_label(data, low, start, _VERSION_TEXT, _VERSION_BOUNDS):
        return False
    if linked or digits >= _MIN_PLAIN_IP_DIGITS:
        return True
    heading = start == low or data[start - 1] == 10
    first = value >> 24
    zeros = value & 0xFF == 0 or value & 0xFF00 == 0 or value & 0xFF0000 == 0
    if not heading and (first > 99 or (first > _LARGEST_MAJOR_VERSION and not zeros)):
        return True  # no version begins so, or has no zero
    return has_label(data, low, start, _IP_TEXT, _IP_BOUNDS)


@kernel
def _hex(byte: np.uint8) -> np.int64:
    if is_digit(byte):
        return np.int64(byte) - 48
    folded = byte | 32
    return np.int64(folded) - 87 if 97 <= folded <= 102 else _NONE


@kernel
def ipv6(data: Bytes, low: Place, start: Place, high: Place) -> tuple[np.int64, bool | np.bool_]:
    """(end, counts) of an IPv6 address of 2000::/3 from `start`, or (-1, False) where there is none.

    Eight groups of one to four hex digits, or fewer with one `::`; a dotted IPv4 tail is not read. `counts` where
    it is public.
    """
    nothing = _NONE, False
    if start > low and (is_alnum(data[start - 1]) or data[start - 1] == 58 or data[start - 1] == 95):
        return nothing
    if start + 4 >= high or data[start + 4] != 58:
        return nothing
    groups, gap, first, second, place = 0, -1, np.int64(0), np.int64(0), np.int64(start)
    while groups < 9:
        size, value = 0, np.int64(0)
        while place < high and size < 5 and _hex(data[place]) >= 0:
            value = value << 4 | _hex(data[place])
            place += 1
            size += 1
        if size > 4:
            return nothing
        if size:
            first, second = (value if groups == 0 else first), (value if groups == 1 and gap < 0 else second)
            groups += 1
        if place >= high or data[place] != 58:
            break
        if place + 1 < high and data[place + 1] == 58:
            if gap >= 0:
                return nothing
            gap = groups
            place += 2
            if place >= high or _hex(data[place]) < 0:
                break
        elif place + 1 < high and _hex(data[place + 1]) >= 0:
            place += 1
        else:
            break  # a colon after the address
    whole = (groups == 8 and gap < 0) or (groups < 8 and gap >= 0)
    if not whole or (place < high and (is_alnum(data[place]) or data[place] == 95)):
        return nothing
    if place + 1 < high and (data[place] == 46 or data[place] == 58) and is_alnum(data[place + 1]):
        return nothing
    if place < high and data[place] == 58 and place + 1 < high and data[place + 1] == 58:
        return nothing
    return place, _is_public6(first, second)


@kernel
def _is_public6(first: np.int64, second: np.int64) -> bool | np.bool_:
    if first < 0x2000 or first > 0x3FFF:
        return False
    special = first == 0x2001 and (second < 0x200 or second == 0xDB8)
    documentation = first == 0x3FFF and second < 0x1000
    return not special and not documentation and first != 0x2002
