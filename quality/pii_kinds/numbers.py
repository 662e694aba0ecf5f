"""Numbers that a check digit or a fixed form gives away: Chinese ids and mobiles, payment cards, US social security.

A number is read as groups of digits with one separator between them (`Groups`); every kind then says how many of
the first groups it takes.
"""

import numpy as np
import numpy.typing as npt

from quality.pii_kinds.places import has_label, is_digit, packed
from text.jit import kernel
from text.words import Bytes, Place

MAX_GROUPS = 8
MAX_DIGITS = 24
# Separators by what they say: a close bracket ends an area code, spaced ones part two numbers.
NOTHING, BLANK, DASH, POINT, SLASH, CLOSED, OPENED, SPACED_DASH, SPACED_SLASH = range(9)

Numbers = npt.NDArray[np.int64]
Flag = bool | np.bool_


@kernel
def separator(data: Bytes, place: Place, high: Place) -> tuple[np.int64, np.int64]:
    """(kind, bytes) of the separator at `place`; (NOTHING, 0) where there is none."""
    if place >= high:
        return np.int64(NOTHING), np.int64(0)
    byte = data[place]
    after = data[place + 1] if place + 1 < high else np.uint8(0)
    last = data[place + 2] if place + 2 < high else np.uint8(0)
    kind, size = NOTHING, 1
    if byte == 32:
        if after == 40:
            kind, size = OPENED, 2
        elif (after == 45 or after == 47) and last == 32:
            kind, size = (SPACED_DASH if after == 45 else SPACED_SLASH), 3
        else:
            kind = BLANK
    elif byte == 45:
        kind = DASH
    elif byte == 46:
        kind = POINT
    elif byte == 47:
        kind = SLASH
    elif byte == 40:
        kind = OPENED
    elif byte == 41:
        kind, size = CLOSED, (2 if after == 32 or after == 45 else 1)
        if after == 32 and (last == 45 or last == 47):
            size = 4 if place + 3 < high and data[place + 3] == 32 else 3
    elif byte == 0xC2 and after == 0xA0:
        kind, size = BLANK, 2
    elif byte == 0xE2 and after == 0x80:
        if 0x90 <= last <= 0x93:
            kind, size = DASH, 3
        elif last == 0xAF or last == 0x89:
            kind, size = BLANK, 3
    return np.int64(kind), np.int64(size if kind != NOTHING else 0)


@kernel
def read_groups(
    data: Bytes,
    start: Place,
    high: Place,
    digits: Numbers,
    sizes: Numbers,
    ends: Numbers,
    separators: Numbers,
) -> int:
    """Number of digit groups from `start` on, at most MAX_GROUPS; fills digits, sizes, ends and separators.

    `separators[i]` stands after group i, NOTHING where no digit follows it. A group that would pass MAX_DIGITS
    is left out, and what stood before it ends in NOTHING.
    """
    n, total, place = 0, np.int64(0), np.int64(start)
    while n < MAX_GROUPS:
        first = place
        while place < high and is_digit(data[place]) and total + place - first < MAX_DIGITS:
            digits[total + place - first] = np.int64(data[place]) - 48
            place += 1
        if place < high and is_digit(data[place]):
            return n
        sizes[n], ends[n] = place - first, place
        total += place - first
        kind, size = separator(data, place, high)
        if kind == NOTHING or place + size >= high or not is_digit(data[place + size]):
            separators[n] = NOTHING
            return n + 1
        separators[n] = kind
        place += size
        n += 1
    return n


@kernel
def same_separators(separators: Numbers, n: int, first: int) -> Flag:
    """Groups `first` to n - 1 are parted alike, by blanks or by dashes."""
    kind = separators[first]
    if kind != BLANK and kind != DASH:
        return False
    alike = True
    for i in range(first, n - 1):
        alike = alike and separators[i] == kind
    return alike


@kernel
def parted(separators: Numbers, n: int, taken: int) -> Flag:
    """What follows the `taken` first of n groups is no more of the same number."""
    if taken >= n:
        return separators[n - 1] == NOTHING
    after = separators[taken - 1]
    if after != BLANK and after != SPACED_DASH and after != SPACED_SLASH and after != OPENED:
        return False
    return taken == 1 or separators[0] != after


_ID_WEIGHTS = np.array([7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2], np.int64)
_ID_CHECKS = np.array([1, 0, 10, 9, 8, 7, 6, 5, 4, 3, 2], np.int64)
_MONTH_DAYS = np.array([31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], np.int64)
_PROVINCES = np.zeros(100, np.bool_)
_PROVINCES[
    [*range(11, 16), *range(21, 24), *range(31, 38), *range(41, 47), *range(50, 55), *range(61, 66)]
] = True
_PROVINCES[[71, 81, 82, 83, 91]] = True
_FIRST_YEAR, _LAST_YEAR = 1900, 2035


@kernel
def _number(digits: Numbers, first: int, size: int) -> np.int64:
    value = np.int64(0)
    for i in range(first, first + size):
        value = value * 10 + digits[i]
    return value


@kernel
def zh_id(
    data: Bytes, high: Place, n: int, digits: Numbers, sizes: Numbers, ends: Numbers, separators: Numbers
) -> np.int64:
    """End of a resident identity number (GB 11643: 17 digits and a check digit or X), or -1.

    Written in one piece or as region, date of birth and order parted by blanks or dashes. The region's province,
    the date and the check digit (ISO 7064 MOD 11-2) must be right.
    """
    taken = 0
    if sizes[0] == 18 or sizes[0] == 17:
        taken = 1
    elif n >= 3 and sizes[0] == 6 and sizes[1] == 8 and (sizes[2] == 4 or sizes[2] == 3):
        taken = 3 if same_separators(separators, 3, 0) else 0
    if taken == 0:
        return np.int64(-1)
    short = sizes[taken - 1] == 17 or sizes[taken - 1] == 3
    end = ends[taken - 1]
    if short:
        if end >= high or data[end] | 32 != 120:
            return np.int64(-1)
        end += 1
    elif not parted(separators, n, taken):
        return np.int64(-1)
    check, total = (np.int64(10) if short else digits[17]), np.int64(0)
    for i in range(17):
        total += digits[i] * _ID_WEIGHTS[i]
    year, month, day = _number(digits, 6, 4), _number(digits, 10, 2), _number(digits, 12, 2)
    dated = _FIRST_YEAR <= year <= _LAST_YEAR and 1 <= month <= 12 and 1 <= day <= _MONTH_DAYS[month - 1]
    right = dated and _ID_CHECKS[total % 11] == check and _PROVINCES[_number(digits, 0, 2)]
    return end if right else np.int64(-1)


@kernel
def is_mobile(digits: Numbers, first: int) -> Flag:
    """Eleven digits from `first` on begin as the numbers given to Chinese mobile operators do."""
    if digits[first] != 1:
        return False
    second, third = digits[first + 1], digits[first + 2]
    if second == 3 or second == 8:
        return True
    if second == 4:
        return third >= 4
    if second == 5:
        return third != 4
    if second == 6:
        return third == 2 or 5 <= third <= 7
    if second == 7:
        return third <= 8
    return second == 9 and third != 4


@kernel
def zh_mobile(
    n: int, digits: Numbers, sizes: Numbers, ends: Numbers, separators: Numbers, plus: Flag
) -> np.int64:
    """End of a Chinese mobile number, or -1: 11 digits, in one piece or as 3 4 4, perhaps after 86."""
    first, skipped = 0, 0
    if sizes[0] == 13 and plus and digits[0] == 8 and digits[1] == 6:
        return ends[0] if is_mobile(digits, 2) and parted(separators, n, 1) else np.int64(-1)
    if n > 1 and sizes[0] == 2 and digits[0] == 8 and digits[1] == 6:
        if separators[0] != BLANK and separators[0] != DASH and separators[0] != CLOSED:
            return np.int64(-1)
        first, skipped = 1, 2
    elif n > 1 and sizes[0] == 4 and _number(digits, 0, 4) == 86:
        first, skipped = 1, 4
    elif plus:
        return np.int64(-1)
    taken = 0
    if sizes[first] == 11:
        taken = first + 1
    elif n >= first + 3 and sizes[first] == 3 and sizes[first + 1] == 4 and sizes[first + 2] == 4:
        taken = first + 3 if same_separators(separators, first + 3, first) else 0
    if taken == 0 or not is_mobile(digits, skipped):
        return np.int64(-1)
    if taken < n and separators[taken - 1] == SLASH:
        return ends[taken - 1]  # two numbers: 138…/139…
    return ends[taken - 1] if parted(separators, n, taken) else np.int64(-1)


@kernel
def _issued(digits: Numbers, size: int | np.int64) -> Flag:
    """The issuer's first digits and the length go together."""
    two, three, four = _number(digits, 0, 2), _number(digits, 0, 3), _number(digits, 0, 4)
    if digits[0] == 4:
        return size == 13 or size == 16 or size == 19
    if 51 <= two <= 55 or 2221 <= four <= 2720:
        return size == 16
    if two == 34 or two == 37:
        return size == 15
    if two == 36 or two == 38 or 300 <= three <= 305:
        return size == 14
    if four == 6011 or two == 65 or 644 <= three <= 649:
        return size == 16 or size == 19
    if 3528 <= four <= 3589:
        return size == 16
    return two == 62 and 16 <= size <= 19


@kernel
def luhn(digits: Numbers, size: int | np.int64) -> Flag:
    """ISO/IEC 7812's check digit is right."""
    total = np.int64(0)
    for i in range(size):
        value = digits[size - 1 - i] * (1 + i % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


@kernel
def credit_card(n: int, digits: Numbers, sizes: Numbers, ends: Numbers, separators: Numbers) -> np.int64:
    """End of a payment card's number, or -1: an issuer's prefix and length, the check digit, cards' usual groups.

    13 to 19 digits in one piece, or 4 4 4 4 (and 1 to 3 more), 4 6 5, 4 6 4, all parted by blanks or all by
    dashes.
    """
    size, taken = np.int64(0), 0
    if 13 <= sizes[0] <= 19:
        size, taken = sizes[0], 1
    elif sizes[0] == 4 and n >= 3 and sizes[1] == 6 and (sizes[2] == 5 or sizes[2] == 4):
        size, taken = 10 + sizes[2], 3
    elif sizes[0] == 4 and n >= 4 and sizes[1] == 4 and sizes[2] == 4 and sizes[3] == 4:
        more = sizes[4] if n > 4 and sizes[4] <= 3 and separators[3] == separators[0] else np.int64(0)
        size, taken = 16 + more, (5 if more else 4)
    if taken == 0 or (taken > 1 and not same_separators(separators, taken, 0)):
        return np.int64(-1)
    if not parted(separators, n, taken) or not _issued(digits, size) or not luhn(digits, size):
        return np.int64(-1)
    return ends[taken - 1]


_SSN_LABELS = ("ssn", "ssn is", "ssn number", "ss#", "social security", "social security no",
               "social security number", "social security number is")  # fmt: skip
_SSN_TEXT, _SSN_BOUNDS = packed(_SSN_LABELS)


@kernel
def us_ssn(
    data: Bytes,
    low: Place,
    start: Place,
    n: int,
    digits: Numbers,
    sizes: Numbers,
    ends: Numbers,
    separators: Numbers,
) -> np.int64:
    """End of a US social security number, or -1: AAA-GG-SSSS with a label before it, none of the unissued blocks."""
    shaped = (
        n >= 3 and sizes[0] == 3 and sizes[1] == 2 and sizes[2] == 4 and same_separators(separators, 3, 0)
    )
    if not shaped or not parted(separators, n, 3):
        return np.int64(-1)
    area = _number(digits, 0, 3)
    unissued = (
        area == 0 or area == 666 or area >= 900 or _number(digits, 3, 2) == 0 or _number(digits, 5, 4) == 0
    )
    labelled = not unissued and has_label(data, low, start, _SSN_TEXT, _SSN_BOUNDS)
    return ends[2] if labelled else np.int64(-1)
