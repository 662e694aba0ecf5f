"""Which reader a file gets: by the format of its source, else by its name."""

from typing import get_args

from pipelines.sources.config import Format, SourceConfig, SourceError
from pipelines.sources.members import Member
from pipelines.sources.read_json import read_json, read_jsonl
from pipelines.sources.read_mediawiki import read_mediawiki
from pipelines.sources.read_parquet import read_parquet
from pipelines.sources.read_table import read_csv
from pipelines.sources.read_tagged import read_tagged
from pipelines.sources.read_text import read_lines, read_text
from pipelines.sources.read_xml import is_mediawiki, read_xml
from pipelines.sources.records import Reader

_READERS: dict[str, Reader] = {
    "text": read_text,
    "lines": read_lines,
    "jsonl": read_jsonl,
    "json": read_json,
    "csv": read_csv,
    "parquet": read_parquet,
    "mediawiki": read_mediawiki,
    "xml": read_xml,
    "tagged": read_tagged,
}
_BY_SUFFIX = {
    ".txt": "text",
    ".text": "text",
    ".md": "text",
    ".rst": "text",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".xml": "xml",
}
_DUMPS = ("pages-articles", "pages-meta", "pages-logging")


def infer_format(bare: str) -> str | None:
    """Format by a file's bare name, None where the name does not tell.

    >>> infer_format("page.JSONL"), infer_format("enwiki-pages-articles1.xml-p1p2"), infer_format("ca01")
    ('jsonl', 'mediawiki', None)
    """
    name = bare.lower()
    if any(mark in name for mark in _DUMPS):
        return "mediawiki"
    dot = name.rfind(".")
    return _BY_SUFFIX.get(name[dot:]) if dot >= 0 else None


def check_format(config: SourceConfig, member: Member) -> None:
    """Raise SourceError where the source leaves the format open and the name does not tell it."""
    if config.format == "auto" and infer_format(member.bare) is None:
        formats = ", ".join(name for name in get_args(Format) if name != "auto")
        raise SourceError(
            f"source '{config.name}': the name of {member.path} does not tell its format; set format to one "
            f"of {formats}, or leave the file out by 'exclude'"
        )


def reader_of(config: SourceConfig, member: Member) -> Reader:
    """The reader for a member; an .xml file of no set format is searched for MediaWiki's root element."""
    check_format(config, member)
    if config.format != "auto":
        return _READERS[config.format]
    inferred = infer_format(member.bare)
    if inferred == "xml" and is_mediawiki(member):
        inferred = "mediawiki"
    return _READERS[str(inferred)]
