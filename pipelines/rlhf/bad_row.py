"""A row that is none: what a file holds in its place."""

from typing import NamedTuple


class BadRow(NamedTuple):
    """Short fixed reason, and what a person needs to mend it."""

    reason: str
    detail: str
