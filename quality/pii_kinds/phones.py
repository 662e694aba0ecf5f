"""Phone numbers: international, and national where the form or a label leaves no doubt.

Without a label: +CC and 8 to 15 digits; 00CC with separators; North America (212) 555-0123, 212-555-0123,
212.555.0123; France 0X XX XX XX XX; the usual British groups; area codes in brackets; China 0755-26990000.
After a label (Tel., phone, 电话 …) 7 to 15 digits in any groups but a date's.
"""

import numpy as np

from quality.pii_kinds.numbers import (
    BLANK,
    CLOSED,
    DASH,
    NOTHING,
    OPENED,
    POINT,
    SLASH,
    SPACED_DASH,
    SPACED_SLASH,
    Flag,
    Numbers,
    same_separators,
)
from quality.pii_kinds.places import packed
from text.jit import kernel

LABELS = (
    "tel", "telephone", "phone", "ph", "phone number", "telephone number", "phone no", "tel no",
    "mobile", "mobile number", "mob", "cell", "cell phone", "fax", "fax number", "telefax",
    "whatsapp", "call us at", "call us on", "hotline", "tel/fax", "telefon", "telefonnummer",
    "handy", "mobil", "fon", "tél", "téléphone", "telephone fax", "portable", "télécopie",
    "teléfono", "telefono", "telefone", "telef", "tlf", "móvil", "celular", "cellulare", "puh",
    "telefoon", "тел", "телефон", "факс", "电话", "電話", "手机", "手機", "传真", "傳真", "热线", "熱線", "座机",
    "联系电话", "联系方式", "咨询电话", "客服", "专线", "专线电话",
)  # fmt: skip
LABEL_TEXT, LABEL_BOUNDS = packed(LABELS)

_UNASSIGNED = np.zeros(100, np.bool_)
_UNASSIGNED[[28, 83, 89, *range(10)]] = True
_LAST_LOTTERY_NUMBER = 50


@kernel
def phone(
    n: int,
    digits: Numbers,
    sizes: Numbers,
    separators: Numbers,
    plus: Flag,
    bracket: Flag,
    label: Flag,
    after_number: Flag,
) -> int:
    """How many of the n groups are a phone number, 0 for none.

    `plus`: a + stands before; `bracket`: an open bracket stands before the first group; `label`: a word says that
    a phone number follows; `after_number`: digits and a blank stand before.
    """
    if plus:
        return international(n, digits, sizes, separators, 0, 8, bracket)
    if bracket and separators[0] != CLOSED:
        bracket = False
    if digits[0] == 0 and digits[1] == 0:
        if n == 1 or (sizes[0] < 3 and n < 3) or after_number:
            return 0
        return international(n, digits, sizes, separators, 2, 8, bracket)
    taken = north_american(n, digits, sizes, separators, bracket, label)
    if taken == 0:
        taken = trunk(n, digits, sizes, separators, bracket)
    if taken == 0 and label:
        taken = labelled(n, sizes, separators, bracket)
    if taken == 0 and sizes[0] == 3 and n >= 2 and (digits[0] == 4 or digits[0] == 8):
        service = digits[1] == 0 and digits[2] == 0 and sizes[1] == 7 and separators[0] == DASH
        taken = 2 if service else 0
    return taken if taken and finished(n, separators, taken) else 0


@kernel
def finished(n: int, separators: Numbers, taken: int) -> Flag:
    """What follows `taken` groups is another number: a list of phones, or figures after a blank."""
    after = separators[taken - 1]
    if taken == n:
        return after == NOTHING
    if after in (SLASH, SPACED_SLASH, SPACED_DASH, OPENED):
        return True
    if after != BLANK:
        return False
    for i in range(taken - 1):
        if separators[i] != BLANK:
            return True
    return taken == 1


@kernel
def international(
    n: int, digits: Numbers, sizes: Numbers, separators: Numbers, skipped: int, fewest: int, bracket: Flag
) -> int:
    """Groups of a number with country code after `skipped` digits; in one piece it has ten digits or more."""
    if digits[skipped] == 0 or _UNASSIGNED[digits[skipped] * 10 + digits[skipped + 1]]:
        return 0
    total, taken, opened = -skipped, 0, 1 if bracket else 0
    best = 0
    for i in range(n):
        total += sizes[i]
        if total > 15 or (sizes[i] > 12 and i > 0) or opened < 0 or opened > 1:
            break
        taken = i + 1
        after = separators[i]
        enough = total >= (fewest if taken > 1 else 10)
        apart = after != DASH and after != POINT and after != CLOSED
        if enough and opened == 0 and (apart or taken == n):
            best = taken
        if enough and after in (SLASH, SPACED_SLASH, SPACED_DASH):
            break
        opened += 1 if after == OPENED else 0
        opened -= 1 if after == CLOSED else 0
    return best


@kernel
def north_american(
    n: int, digits: Numbers, sizes: Numbers, separators: Numbers, bracket: Flag, label: Flag
) -> int:
    """Groups of a 3 3 4 number, perhaps after a 1."""
    first = skipped = 0
    if sizes[0] == 1 and digits[0] == 1 and n >= 4 and not bracket:
        first = skipped = 1
    if n < first + 2 or sizes[first] != 3 or (digits[skipped] < 2 and not label):
        return 0
    area_bracket = bracket if first == 0 else separators[0] == OPENED
    if area_bracket:
        if separators[first] != CLOSED:
            return 0
        if sizes[first + 1] == 7:
            return first + 2
        if n < first + 3 or sizes[first + 1] != 3 or sizes[first + 2] != 4:
            return 0
        middle = separators[first + 1]
        return first + 3 if middle in (DASH, POINT, BLANK, SPACED_DASH) else 0
    if n < first + 3 or sizes[first + 1] != 3 or sizes[first + 2] != 4:
        return 0
    one, two = separators[first], separators[first + 1]
    dashed = one in (DASH, SLASH, BLANK, SPACED_DASH) and two == DASH
    pointed = one == POINT and two == POINT
    blank = one == BLANK and two == BLANK and (label or first == 1)
    return first + 3 if dashed or pointed or blank else 0


@kernel
def trunk(n: int, digits: Numbers, sizes: Numbers, separators: Numbers, bracket: Flag) -> int:
    """Groups of a national number that is unmistakable by its form: most begin with the trunk prefix 0."""
    second = digits[1]
    if bracket:
        return bracketed(n, digits, sizes, separators)
    if digits[0] != 0 or second == 0 or n < 2:
        return 0
    if n >= 5 and sizes[0] == 2 and sizes[1] == 2 and sizes[2] == 2 and sizes[3] == 2 and sizes[4] == 2:
        return 5 if french(digits, separators) else 0
    if separators[0] == DASH and (sizes[1] == 8 or sizes[1] == 7):
        city = (sizes[0] == 3 and (second <= 2)) or (sizes[0] == 4 and second >= 3)
        if city and n >= 3 and separators[1] == DASH and sizes[2] <= 5:
            return 3  # an extension
        return 2 if city else 0
    if second == 4 or second == 5 or second == 6 or second == 9 or separators[0] == POINT:
        return 0
    if n >= 3 and (sizes[0] == 3 and sizes[1] == 4 and sizes[2] == 4) and same_separators(separators, 3, 0):
        return 3
    if n >= 3 and (sizes[0] == 4 and sizes[1] == 3 and sizes[2] == 4) and same_separators(separators, 3, 0):
        return 3
    if n >= 3 and (sizes[0] == 5 and sizes[1] == 3 and sizes[2] == 3) and same_separators(separators, 3, 0):
        return 3
    return 2 if sizes[0] == 5 and sizes[1] == 6 and (separators[0] == BLANK or separators[0] == DASH) else 0


@kernel
def bracketed(n: int, digits: Numbers, sizes: Numbers, separators: Numbers) -> int:
    """Groups after an area code in brackets: (0711) 123456, (11) 91234-5678, (010)62551234."""
    if n < 2:
        return 0
    if digits[0] == 0 and digits[1] > 0 and 2 <= sizes[0] <= 6:
        total, taken = sizes[0], 1
        while taken < n and total + sizes[taken] <= 12:
            total += sizes[taken]
            taken += 1
            if separators[taken - 1] != BLANK and separators[taken - 1] != DASH:
                break
        return taken if total >= 9 else 0
    brazil = sizes[0] == 2 and n >= 3 and (sizes[1] == 4 or sizes[1] == 5) and sizes[2] == 4 and digits[0] > 0
    return 3 if brazil and (separators[1] == DASH or separators[1] == BLANK) else 0


@kernel
def french(digits: Numbers, separators: Numbers) -> Flag:
    """0X XX XX XX XX parted alike; rows of rising small numbers are a calendar's or a lottery's."""
    kind = separators[0]
    if kind != BLANK and kind != POINT and kind != DASH:
        return False
    rising, before = True, np.int64(-1)
    for i in range(5):
        if i < 4 and separators[i] != kind:
            return False
        pair = digits[2 * i] * 10 + digits[2 * i + 1]
        rising = rising and before < pair <= _LAST_LOTTERY_NUMBER
        before = pair
    return not rising


@kernel
def labelled(n: int, sizes: Numbers, separators: Numbers, bracket: Flag) -> int:
    """Groups of 7 to 15 digits behind a label; dates and single short numbers are none."""
    total, best, opened = np.int64(0), 0, 1 if bracket else 0
    for i in range(n):
        total += sizes[i]
        if total > 15 or opened < 0 or opened > 1:
            break
        after = separators[i]
        if total >= 7 and opened == 0:
            best = i + 1
        if (
            after in (SPACED_SLASH, SPACED_DASH)
            or (after == SLASH and total >= 7)
            or (after == BLANK and total >= 11)
        ):
            break
        opened += 1 if after == OPENED else 0
        opened -= 1 if after == CLOSED else 0
    dated = (
        best == 3 and (sizes[0] == 4 or sizes[2] == 4) and sizes[1] <= 2 and (sizes[0] <= 2 or sizes[2] <= 2)
    )
    return 0 if dated else best
