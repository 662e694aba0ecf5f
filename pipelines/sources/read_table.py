"""CSV and TSV with a header line."""

import csv
from collections.abc import Iterator

from pipelines.sources.config import SourceConfig
from pipelines.sources.decode import TextLines
from pipelines.sources.fields import text_of
from pipelines.sources.members import Member
from pipelines.sources.records import BadRecord, Entry

_MAX_FIELD_CHARS = 1 << 28  # Python's own limit of 131,072 is shorter than a book


def read_csv(member: Member, config: SourceConfig) -> Iterator[Entry]:
    """One record a data row, by its number from 1; the first line names the columns."""
    lines = TextLines(member, config.encoding)
    delimiter = config.delimiter or ("\t" if member.bare.lower().endswith(".tsv") else ",")
    csv.field_size_limit(_MAX_FIELD_CHARS)
    rows = csv.DictReader(_without_nul(lines), delimiter=delimiter)
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
