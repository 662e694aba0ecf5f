"""Plain text: one document a file, one between two separator lines, or one a line."""

from collections.abc import Iterator

from pipelines.sources.config import SourceConfig
from pipelines.sources.decode import TextLines
from pipelines.sources.members import Member
from pipelines.sources.records import Entry, Record


def read_text(member: Member, config: SourceConfig) -> Iterator[Entry]:
    """The whole file as one record, or the parts between lines that equal `separator`; held in memory."""
    lines = TextLines(member, config.encoding)
    part: list[str] = []
    number = 1
    for line in lines:
        if config.separator is not None and line.strip() == config.separator:
            if any(not kept.isspace() for kept in part):
                yield Record(str(number), "".join(part), lines.charset)
            number += 1
            part = []
        else:
            part.append(line)
    if config.separator is None or any(not kept.isspace() for kept in part):
        yield Record(str(number), "".join(part), lines.charset)


def read_lines(member: Member, config: SourceConfig) -> Iterator[Entry]:
    """Each line that is not blank as one record, by its number from 1."""
    lines = TextLines(member, config.encoding)
    for number, line in enumerate(lines, 1):
        if not line.isspace():
            yield Record(str(number), line, lines.charset)
