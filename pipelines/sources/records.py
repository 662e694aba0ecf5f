"""What a reader yields: a text, a record that cannot be used, or one that is none by its format."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from pipelines.sources.config import SourceConfig
from pipelines.sources.members import Member


class Record(NamedTuple):
    """The text of one record, its place in the file (line, row or page number) and its character set."""

    place: str
    text: str
    charset: str


class BadRecord(NamedTuple):
    """A record that cannot be used: short fixed reason, and what a person needs to mend it."""

    place: str
    reason: str
    detail: str


class Skipped(NamedTuple):
    """A record that is no document by the format's rules, such as a redirect; it is only counted."""

    reason: str


Entry = Record | BadRecord | Skipped
Reader = Callable[[Member, SourceConfig], Iterator[Entry]]
