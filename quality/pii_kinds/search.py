"""One pass over the bytes of all texts that stops at digits and at @ and asks each kind what stands there."""

import numpy as np
import numpy.typing as npt

from quality.pii_kinds import addresses, numbers
from quality.pii_kinds.phones import phone
from quality.pii_kinds.places import has_label, is_alnum, is_digit, touches_placeholder
from text.jit import kernel
from text.words import Bytes, Place, Positions, Table

EMAIL, IP, PHONE, ZH_ID, ZH_MOBILE, CARD, SSN = range(7)
_MAX_RUN = 19  # digits in a row; more are no number of any kind
_MAX_LOCAL = 64
_NOTHING = np.int64(-1)


@kernel
def search(
    data: Bytes,
    offsets: Positions,
    wanted: npt.NDArray[np.bool_],
    letters: Table,
    label_text: Bytes,
    label_bounds: Positions,
) -> tuple[Positions, Positions, Positions, Positions]:
    """Rows, kinds, starts and ends (in `data`) of all finds of the wanted kinds."""
    found = np.empty((64, 4), np.int64)
    digits = np.zeros(numbers.MAX_DIGITS, np.int64)
    sizes, ends, separators = np.zeros((3, numbers.MAX_GROUPS), np.int64)
    n = 0
    for row in range(len(offsets) - 1):
        low, high = offsets[row], offsets[row + 1]
        place = low
        while place < high:
            byte = data[place]
            at = byte == 64
            if not at and not is_digit(byte):
                place += 1
                continue
            kind, start, end, after = np.int64(-1), place, place, place + 1
            if at:
                start, end = addresses.email(data, low, place, high, letters)
                kind = np.int64(EMAIL if end > 0 else -1)
            else:
                kind, start, end, after = _number(
                    data, low, place, high, digits, sizes, ends, separators, label_text, label_bounds
                )
                if kind >= 0:
                    kind, start, end = _or_email(data, low, kind, start, end, high, letters)
            if kind < 0 or touches_placeholder(data, low, start, end, high):
                place = max(after, end) if kind >= 0 else after
                continue
            low = place = end
            if wanted[kind]:
                if n == len(found):
                    grown = np.empty((2 * n, 4), np.int64)
                    grown[:n] = found
                    found = grown
                found[n, 0], found[n, 1], found[n, 2], found[n, 3] = row, kind, start, end
                n += 1
    return found[:n, 0].copy(), found[:n, 1].copy(), found[:n, 2].copy(), found[:n, 3].copy()


@kernel
def _or_email(
    data: Bytes, low: Place, kind: np.int64, start: Place, end: Place, high: Place, letters: Table
) -> tuple[np.int64, np.int64, np.int64]:
    """The find, or the e-mail address whose local part holds it."""
    at = end
    while (
        at < high
        and at - end <= _MAX_LOCAL
        and (is_alnum(data[at]) or data[at] == 46 or data[at] == 45 or data[at] == 95)
    ):
        at += 1
    if at < high and data[at] == 64:
        first, last = addresses.email(data, low, at, high, letters)
        if last > 0 and first < end:
            return np.int64(EMAIL), first, last
    return kind, np.int64(start), np.int64(end)


@kernel
def _number(
    data: Bytes,
    low: Place,
    start: Place,
    high: Place,
    digits: Positions,
    sizes: Positions,
    ends: Positions,
    separators: Positions,
    label_text: Bytes,
    label_bounds: Positions,
) -> tuple[np.int64, np.int64, np.int64, np.int64]:
    """(kind, start, end, next place to look) of what begins with the digit at `start`; kind -1 for nothing."""
    begin = np.int64(start)
    if data[start] == 50 or data[start] == 51:  # 2 or 3: all of public IPv6
        end, public = addresses.ipv6(data, low, start, high)
        if end > 0:
            return np.int64(IP) if public else _NOTHING, begin, end, end
    end, public = addresses.ipv4(data, low, start, high)
    if end > 0:
        return np.int64(IP) if public else _NOTHING, begin, end, end
    after = begin
    while after < high and is_digit(data[after]):
        after += 1
    if after - begin > _MAX_RUN or not _free_before(data, low, begin):
        return _NOTHING, begin, begin, after
    n = numbers.read_groups(data, start, high, digits, sizes, ends, separators)
    plus = begin > low and data[begin - 1] == 43
    bracket_at = begin - 2 if plus else begin - 1
    bracket = bracket_at >= low and data[bracket_at] == 40
    first = begin - np.int64(plus)
    if not plus and not (bracket and separators[0] == numbers.CLOSED):
        kind, end = _checked(data, low, start, high, n, digits, sizes, ends, separators)
        if kind >= 0:
            return kind, begin, end, end
    end = numbers.zh_mobile(n, digits, sizes, ends, separators, plus)
    if end > 0 and not (bracket and separators[0] == numbers.CLOSED) and _free_after(data, end, high):
        return np.int64(ZH_MOBILE), first, end, end
    label = has_label(data, low, first, label_text, label_bounds)
    after_number = begin - 1 > low and data[begin - 1] == 32 and is_digit(data[begin - 2])
    taken = phone(n, digits, sizes, separators, plus, bracket, label, after_number)
    if taken == 0 or not _free_after(data, ends[taken - 1], high):
        return _NOTHING, begin, begin, after
    closed = False
    for i in range(taken - 1):
        closed = closed or separators[i] == numbers.CLOSED
    first = np.int64(bracket_at) if bracket and closed else first
    return np.int64(PHONE), first, ends[taken - 1], ends[taken - 1]


@kernel
def _checked(
    data: Bytes,
    low: Place,
    start: Place,
    high: Place,
    n: int,
    digits: Positions,
    sizes: Positions,
    ends: Positions,
    separators: Positions,
) -> tuple[np.int64, np.int64]:
    """(kind, end) of a number that its own digits or form give away; kind -1 for nothing."""
    end = numbers.zh_id(data, high, n, digits, sizes, ends, separators)
    if end > 0 and _free_after(data, end, high):
        return np.int64(ZH_ID), end
    end = numbers.credit_card(n, digits, sizes, ends, separators)
    if end > 0 and _free_after(data, end, high):
        return np.int64(CARD), end
    end = numbers.us_ssn(data, low, start, n, digits, sizes, ends, separators)
    if end > 0 and _free_after(data, end, high):
        return np.int64(SSN), end
    return _NOTHING, end


@kernel
def _free_before(data: Bytes, low: Place, start: Place) -> bool | np.bool_:
    """No letter, sign or currency joins the digits from the left."""
    if start == low:
        return True
    byte = data[start - 1]
    if byte == 43 or byte == 40:  # + and (: look before them
        return start - 1 == low or not (
            is_alnum(data[start - 2]) or data[start - 2] == 95 or data[start - 2] == 61
        )
    joined = (
        byte == 95
        or byte == 64
        or byte == 35
        or byte == 61
        or byte == 38
        or byte == 37
        or byte == 36
        or byte == 47
    )
    if is_alnum(byte) or joined:
        return byte == 47 and start - 2 >= low and data[start - 2] == 32
    if byte == 46 or byte == 44 or byte == 45 or byte == 58:
        # A point, a comma, a dash, a colon: part of a longer number or name where something precedes it.
        close = start - 2 >= low and (is_digit(data[start - 2]) or (byte == 45 and is_alnum(data[start - 2])))
        return not close
    if byte >= 0x80 and start - 2 >= low:
        pound = data[start - 2] == 0xC2 and (byte == 0xA3 or byte == 0xA5)
        euro = byte == 0xAC and data[start - 2] == 0x82
        yen = byte == 0xA5 and data[start - 2] == 0xBF
        return not (pound or euro or yen)
    return True


@kernel
def _free_after(data: Bytes, end: Place, high: Place) -> bool | np.bool_:
    """No letter, digit or sign joins the digits from the right."""
    if end >= high:
        return True
    byte = data[end]
    if is_alnum(byte) or byte == 95 or byte == 64 or byte == 37 or byte == 61:
        return False
    if byte == 46 or byte == 44 or byte == 45 or byte == 58 or byte == 47:
        return not (end + 1 < high and is_alnum(data[end + 1])) or byte == 47 or byte == 44
    return True
