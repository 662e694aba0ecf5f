"""Tables and blocks of markdown for reports, cards and the Dagster UI."""

import re
from collections.abc import Sequence
from typing import Any

CELL_CHARACTERS = 160


def markdown_rows(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A markdown table of any cells, long ones cut."""
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    lines += ["| " + " | ".join(_cell(value) for value in row) + " |" for row in rows]
    return "\n".join(lines)


def first_rows(rows: Sequence[Sequence[Any]], most: int, whole: str = "") -> list[list[Any]]:
    """The header and the first `most` rows; where there are more, a last row says how many, `whole` where to look.

    >>> first_rows([["n"], [1], [2], [3]], 2)
    [['n'], [1], ['… 2 more']]
    """
    shown = [list(row) for row in rows]
    if len(shown) - 1 <= most:
        return shown
    # The row that tells takes a place of its own among `most`.
    left = len(shown) - most
    told = f"… {left:,} more" + (f", all in {whole}" if whole else "")
    return [*shown[:most], [told, *[""] * (len(shown[0]) - 1)]]


def code_block(text: str) -> str:
    """`text` between fences that are longer than any in it."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def _cell(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        told = str(value)
    elif isinstance(value, int):
        told = f"{value:,}"
    else:
        told = f"{value:.4g}" if isinstance(value, float) else str(value)
    told = told.replace("|", "\\|").replace("\n", " ")
    return told if len(told) <= CELL_CHARACTERS else told[: CELL_CHARACTERS - 1] + "…"
