"""CSV and TSV with a header line."""

import csv
from collections.abc import Iterator

from pipelines.sources.config import SourceConfig, SourceError
from pipelines.sources.decode import TextLines
from pipelines.sources.fields import text_of
from pipelines.sources.members import Member
from pipelines.sources.records import BadRecord, Entry

_MAX_FIELD_CHARS = 1 << 28  # Python's own limit of 131,072 is shorter than a book


def read_csv(member: Member, config: SourceConfig) -> Iterator[Entry]:
    """One record a data row, by its number from 1; the first line names the columns.

    SourceError where that line lacks the text column: every row would be lost.
    """
    lines = TextLines(member, config.encoding)
    delimiter = config.delimiter or ("\t" if member.bare.lower().endswith(".tsv") else ",")
    csv.field_size_limit(_MAX_FIELD_CHARS)
    rows = csv.DictReader(_without_nul(lines), delimiter=delimiter)
    try:
        columns = rows.fieldnames
    except csv.Error as error:
        yield BadRecord("1", "broken_csv", f"the line of column names: {error}")
        return
    if columns is not None and config.text_field not in columns:
        raise SourceError(
            f"source '{config.name}', {member.path}: no column '{config.text_field}'; set text_field to one of "
            f"its columns ({', '.join(columns) or 'none'}) and delimiter to the mark between them, or leave the "
            "file out by 'exclude'"
        )
    number = 0
    while True:
        number += 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield BadRecord(str(number), "broken_csv", f"row {number}: {error}")
            continue
        fields = {name: value for name, value in row.items() if name is not None}
        yield text_of(fields, config.text_field, str(number), lines.charset)


def _without_nul(lines: TextLines) -> Iterator[str]:
    for line in lines:
        yield line.replace("\0", "")
