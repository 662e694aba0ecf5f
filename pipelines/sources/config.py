"""What a run config says about one curated source."""

import codecs
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

Role = Literal["webtext", "books1", "books2", "wikipedia", "other"]
Format = Literal["auto", "text", "lines", "jsonl", "json", "csv", "parquet", "mediawiki", "xml", "tagged"]

AUTO_ENCODING = "auto"

# Corpora come in archives beside notes on them; these are never documents of the corpus.
NOT_DOCUMENTS = [
    "README*",
    "LICENSE*",
    "LICENCE*",
    "COPYING*",
    "NOTICE*",
    "CONTENTS",
    "cats.txt",
    "*.dtd",
    "*.css",
    "*.xsl",
    ".*",
    "__MACOSX/*",
]


class SourceError(ValueError):
    """A source of the run config cannot be used as written; the message names source, file and remedy."""


class SourceConfig(BaseModel):
    """One curated source: its name, its role in the recipe, and how its files are read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(
        description="name of the source: letters, digits, '.', '_' and '-'",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
    )
    role: Role = Field(default="other", description="role in the mixture of GPT-3 Table 2.2")
    format: Format = Field(default="auto", description="format of every file, or auto: by the file's name")
    files: list[str] = Field(
        description="paths or globs (** for any depth), local, s3:// or gs://, or http(s):// addresses",
        min_length=1,
    )
    exclude: list[str] = Field(
        default=NOT_DOCUMENTS,
        description="globs of names, in folders and in zip archives, that are no documents",
    )
    text_field: str = Field(
        default="text",
        description="field that holds the text (jsonl, json, csv, parquet); 'a.b' looks into objects",
    )
    encoding: str = Field(
        default=AUTO_ENCODING,
        description="character set of text files; auto: byte order mark, else UTF-8 by line, else detected",
    )
    separator: str | None = Field(
        default=None,
        description="line that stands between two documents of a text file; unset: one document a file",
    )
    delimiter: str | None = Field(
        default=None,
        description="column separator of csv files; unset: tab for .tsv, else comma",
        min_length=1,
        max_length=1,
    )
    max_document_chars: int = Field(
        default=200_000, description="longer documents are split at paragraph boundaries, characters", ge=1000
    )

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        if value != AUTO_ENCODING:
            try:
                is_text = codecs.lookup(value)._is_text_encoding  # hex, rot13 and zlib are codecs as well
            except LookupError:
                is_text = False
            if not is_text:
                raise ValueError(f"unknown character set '{value}'; write auto, utf-8, gb18030, latin-1 …")
        return value
