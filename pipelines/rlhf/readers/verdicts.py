"""Ranks of two answers by what a verdict says."""

from collections.abc import Mapping

from pipelines.rlhf.fields import Fields, RowError

FIRST = (1, 2)
SECOND = (2, 1)
TIE = (1, 1)


def ranks_of(label: Fields, meaning: Mapping[int, tuple[int, int]]) -> tuple[int, int]:
    """The ranks that `meaning` gives a whole number; RowError for one that it does not know."""
    value = label.integer()
    if value not in meaning:
        known = ", ".join(map(str, sorted(meaning)))
        raise RowError("unknown_verdict", f"field '{label.path}' is {value}; this layout knows {known}")
    return meaning[value]
