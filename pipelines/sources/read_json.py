"""JSON: one object a line, or a file that is one array or one object."""

import json
from collections.abc import Iterator

from pipelines.sources.config import SourceConfig
from pipelines.sources.decode import TextLines
from pipelines.sources.fields import text_of
from pipelines.sources.members import Member
from pipelines.sources.records import BadRecord, Entry


def read_jsonl(member: Member, config: SourceConfig) -> Iterator[Entry]:
    """One record a line, by its number from 1; blank lines are none."""
    lines = TextLines(member, config.encoding)
    for number, line in enumerate(lines, 1):
        if line.isspace():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield BadRecord(str(number), "broken_json", f"line {number}: {error}")
            continue
        yield text_of(row, config.text_field, str(number), lines.charset)


def read_json(member: Member, config: SourceConfig) -> Iterator[Entry]:
    """The objects of an array by their number from 1, or a single object; held in memory.

    Many files named .json hold one object a line; they are read as such.
    """
    lines = TextLines(member, config.encoding)
    try:
        content = json.loads("".join(lines))
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            yield from read_jsonl(member, config)
        else:
            yield BadRecord(str(error.lineno), "broken_json", f"line {error.lineno}: {error.msg}")
        return
    except (ValueError, RecursionError) as error:
        yield BadRecord("1", "broken_json", str(error))
        return
    rows = content if isinstance(content, list) else [content]
    for number, row in enumerate(rows, 1):
        yield text_of(row, config.text_field, str(number), lines.charset)
