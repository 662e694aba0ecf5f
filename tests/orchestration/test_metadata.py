"""Tables in the UI are cut in the open: the last row counts what is not shown."""

import pytest

from orchestration.metadata import MOST_TABLE_ROWS, shown_table
from pipelines.markdown import first_rows


@pytest.mark.parametrize(
    ("n", "rows", "last"),
    [
        pytest.param(3, 3, "| r2 | 2 |", id="short"),
        pytest.param(MOST_TABLE_ROWS, MOST_TABLE_ROWS, f"| r{MOST_TABLE_ROWS - 1} | ", id="just fits"),
        pytest.param(MOST_TABLE_ROWS + 1, MOST_TABLE_ROWS, "| … 2 more |  |", id="one too many"),
        pytest.param(5000, MOST_TABLE_ROWS, f"| … {5000 - MOST_TABLE_ROWS + 1:,} more |  |", id="many"),
    ],
)
def test_the_last_row_counts_those_that_are_not_shown(n: int, rows: int, last: str) -> None:
    lines = shown_table([["name", "number"], *([f"r{i}", i] for i in range(n))]).split("\n")
    assert len(lines) == rows + 2
    assert lines[-1].startswith(last)


def test_a_cut_table_says_where_the_whole_is_and_is_not_cut_again() -> None:
    once = first_rows([["n"], *([i] for i in range(10))], 4, "the dataset d")
    assert once == [["n"], [0], [1], [2], ["… 7 more, all in the dataset d"]]
    assert first_rows(once, 4) == once
