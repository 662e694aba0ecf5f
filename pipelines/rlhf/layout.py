"""What a layout is: the form of a file's rows, a test for that form, and the reader of one row."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pipelines.rlhf.fields import Fields
from pipelines.rlhf.records import Output
from pipelines.rlhf.source_config import RlhfSourceConfig

ReadRow = Callable[[Fields, RlhfSourceConfig], Iterator[Output]]


@dataclass(frozen=True, slots=True)
class Layout:
    """A named layout of rows.

    `form` shows a row; `fits` looks at keys and types of one raw row alone; `read` gives the records of a row or
    raises RowError. `labels` says what the layout's labels mean: a layout that has it must be named in the config.
    """

    name: str
    form: str
    fits: Callable[[Any], bool]
    read: ReadRow
    labels: str | None = None


def has_texts(row: Any, *names: str) -> bool:
    """Whether the row is an object with a text in each of these fields."""
    return isinstance(row, dict) and all(isinstance(row.get(name), str) for name in names)


def lacks(row: Any, *names: str) -> bool:
    """Whether the row is an object with nothing in any of these fields."""
    return isinstance(row, dict) and all(row.get(name) is None for name in names)
