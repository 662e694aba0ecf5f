"""The table of classes and lower case, every code point against `unicodedata`."""

import subprocess
import sys
import unicodedata

import numpy as np
import pytest

from tests.text import reference
from text.unicode_classes import CLASS_SHIFT, LETTER, MARK, SEPARATOR, SOLO, UNSPACED_RANGES, word_table


def expected(code: int) -> int:
    character = chr(code)
    kind = unicodedata.category(character)[0]
    if kind not in "LMN":
        return SEPARATOR
    if kind == "M":
        return MARK
    return SOLO if reference.is_solo(character) else LETTER


def test_every_code_point_has_the_class_of_its_category_and_name():
    classes = word_table() >> CLASS_SHIFT
    wrong = [f"U+{code:04X}" for code in range(0x110000) if classes[code] != expected(code)]
    assert wrong == []


def test_every_code_point_folds_to_its_simple_lower_case():
    lower = word_table() & ((1 << CLASS_SHIFT) - 1)
    wrong = [f"U+{code:04X}" for code in range(0x110000) if chr(lower[code]) != reference.fold(chr(code))]
    assert wrong == []


@pytest.mark.parametrize(
    ("character", "kind"),
    [
        ("中", SOLO),
        ("𠀀", SOLO),
        ("々", SOLO),
        ("〇", SOLO),
        ("あ", SOLO),
        ("ー", SOLO),
        ("ｱ", SOLO),
        ("한", SOLO),
        ("ᄒ", LETTER),
        ("ก", SOLO),
        ("๑", LETTER),
        ("\u0e31", MARK),
        ("ཀ", SOLO),
        ("་", SEPARATOR),
        ("é", LETTER),
        ("½", LETTER),
        ("\u0301", MARK),
        ("_", SEPARATOR),
        ("'", SEPARATOR),
        ("\u200d", SEPARATOR),
        ("\x00", SEPARATOR),
        ("\ue000", SEPARATOR),
    ],
)
def test_class_of(character, kind):
    assert word_table()[ord(character)] >> CLASS_SHIFT == kind


def test_ranges_ascend_and_do_not_overlap():
    bounds = [bound for low, high, _ in UNSPACED_RANGES for bound in (low, high)]
    assert bounds == sorted(set(bounds))


def test_the_table_is_built_at_first_use_only():
    code = "import text.words, text.unicode_classes as u; print(u.word_table.cache_info().currsize)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"


def test_the_table_is_shared_and_read_only():
    assert word_table() is word_table()
    with pytest.raises(ValueError, match="read-only"):
        word_table()[0] = np.uint32(1)
