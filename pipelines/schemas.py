"""Every dataset's columns, types, units and meaning; readers and writers check against this file alone."""

from dataclasses import dataclass

import pyarrow as pa

from pipelines.engine.encodings import ENCODING

UTC_MS = pa.timestamp("ms", tz="UTC")


class SchemaError(ValueError):
    """A table does not have the columns that its dataset promises."""


@dataclass(frozen=True)
class DatasetSchema:
    """Name, version and columns of a dataset; the version changes when a column's type or meaning does.

    Files of an `extensible` dataset may hold further columns, which depend on the run config; writers have a schema
    of their own for them.
    """

    name: str
    version: int
    schema: pa.Schema
    extensible: bool = False

    def conform(self, table: pa.Table | pa.RecordBatch, where: str) -> pa.Table:
        """`table` with exactly these columns in this order, cast; `where` names it in the SchemaError."""
        if isinstance(table, pa.RecordBatch):
            table = pa.Table.from_batches([table])
        self._check_names(table.schema, where)
        columns = []
        for field in self.schema:
            column = table.column(field.name)
            if column.type != field.type:
                try:
                    column = column.cast(field.type)
                except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                    raise SchemaError(
                        f"{where}: column '{field.name}' of dataset '{self.name}' should be {field.type}, "
                        f"found {column.type} ({error})"
                    ) from None
            if not field.nullable and column.null_count:
                raise SchemaError(
                    f"{where}: column '{field.name}' of dataset '{self.name}' has {column.null_count} nulls; "
                    "none are allowed"
                )
            columns.append(column)
        return pa.table(columns, schema=self.schema)

    def check(self, schema: pa.Schema, where: str) -> None:
        """Raise SchemaError unless `schema` (of the file `where`) has this dataset's columns and types."""
        self._check_names(schema, where, self.extensible)
        for field in self.schema:
            found = schema.field(field.name).type
            if found != field.type:
                raise SchemaError(
                    f"{where}: column '{field.name}' of dataset '{self.name}' should be {field.type}, found {found}"
                )

    def _check_names(self, schema: pa.Schema, where: str, further: bool = False) -> None:
        missing = [name for name in self.schema.names if name not in schema.names]
        extra = [] if further else [name for name in schema.names if name not in self.schema.names]
        if missing or extra:
            raise SchemaError(
                f"{where}: dataset '{self.name}' v{self.version} lacks columns {missing} and has unknown {extra}"
            )


def _column(
    name: str, kind: pa.DataType, meaning: str, nullable: bool = False, unlike: bool = False
) -> pa.Field:
    """A column; `unlike` where hardly a value repeats, so that a dictionary would cost time and room alone."""
    told = {"meaning": meaning} | ({ENCODING.decode(): "PLAIN"} if unlike else {})
    return pa.field(name, kind, nullable, told)


_DOC_ID = _column(
    "doc_id", pa.string(), "128-bit xxh3 of source, snapshot, url and payload digest; hex", unlike=True
)
_SOURCE = _column("source", pa.string(), "name of the source in the run config")

DOCUMENTS = DatasetSchema(
    "documents",
    1,
    pa.schema(
        [
            _DOC_ID,
            _SOURCE,
            _column(
                "url",
                pa.string(),
                "address of the page, or path of the file and the record in it",
                unlike=True,
            ),
            _column(
                "snapshot", pa.string(), "crawl snapshot (CC-MAIN-YYYY-WW), else the fetch date, else empty"
            ),
            _column("fetched_at", UTC_MS, "time of the fetch, UTC", nullable=True),
            _column(
                "payload_digest", pa.string(), "128-bit xxh3 of the decoded payload's bytes; hex", unlike=True
            ),
            _column("media_type", pa.string(), "media type of the payload, lower case, without parameters"),
            _column("charset", pa.string(), "character set that the payload was decoded with"),
            _column("text", pa.string(), "extracted text, UTF-8", unlike=True),
            _column("n_bytes", pa.int64(), "UTF-8 bytes of text"),
            _column("n_words", pa.int64(), "words of text (text.words)"),
        ]
    ),
)

SIGNALS = DatasetSchema(
    "signals",
    2,
    pa.schema(
        [
            _DOC_ID,
            _column("language", pa.string(), "lid.176 code, 'und' where nothing could be said"),
            _column("language_score", pa.float32(), "probability of the language, 0..1"),
            _column("quality_score", pa.float64(), "P(curated) of the quality classifier, 0..1", unlike=True),
        ]
    ),
    extensible=True,
)
"""What every signals dataset holds; `pipelines.signals.signals_schema` adds what the run config measures."""

SKETCHES = "sketches"
"""Name of the dataset whose schema `sketches_schema` makes."""


def sketches_schema(num_perm: int, bands: int) -> DatasetSchema:
    """The sketches of signatures of `num_perm` components that are cut into `bands` bands."""
    return DatasetSchema(
        SKETCHES,
        1,
        pa.schema(
            [
                _DOC_ID,
                _column(
                    "exact_hash",
                    pa.string(),
                    "128-bit xxh3 of the whitespace-normalised text; hex",
                    unlike=True,
                ),
                _column("n_shingles", pa.int64(), "distinct shingles behind the signature"),
                _column(
                    "signature", pa.list_(pa.uint32(), num_perm), "MinHash (datasketch affine32)", unlike=True
                ),
                _column("band_keys", pa.list_(pa.int64(), bands), "LSH bucket key by band", unlike=True),
            ]
        ),
    )


DUPLICATES = DatasetSchema(
    "duplicates",
    1,
    pa.schema(
        [
            _DOC_ID,
            _SOURCE,
            _column("survivor_id", pa.string(), "document that stays in place of this one"),
            _column("survivor_source", pa.string(), "source of the survivor"),
            _column("kind", pa.string(), "exact or near"),
            _column("jaccard", pa.float32(), "Jaccard similarity of the shingle sets with the survivor"),
            _column("cluster_size", pa.int64(), "documents in the cluster, survivor included"),
        ]
    ),
)

CORPUS = DatasetSchema(
    "corpus",
    1,
    pa.schema(
        [
            _column(
                "doc_id",
                pa.string(),
                "id of the piece: the document's own where nothing was cut",
                unlike=True,
            ),
            _column("parent_id", pa.string(), "document that the piece comes from"),
            _SOURCE,
            _column("url", pa.string(), "address of the page"),
            _column("language", pa.string(), "lid.176 code"),
            _column("text", pa.string(), "text of the piece, UTF-8", unlike=True),
            _column("n_bytes", pa.int64(), "UTF-8 bytes of text"),
            _column("n_words", pa.int64(), "words of text (text.words)"),
        ]
    ),
)

PASSAGE_CUTS = DatasetSchema(
    "passage_cuts",
    1,
    pa.schema(
        [
            _column("doc_id", pa.string(), "id of the document; row-aligned with documents"),
            _column("keep", pa.bool_(), "false: the cuts leave too few words, the document goes as a whole"),
            _column("starts", pa.list_(pa.int64()), "byte offsets in the text at which cut passages begin"),
            _column("ends", pa.list_(pa.int64()), "byte offsets behind them; ascending, none overlap"),
        ]
    ),
)

PASSAGES_CUT = DatasetSchema(
    "passages_cut",
    1,
    pa.schema(
        [
            _DOC_ID,
            _SOURCE,
            _column("rule", pa.string(), "rule that cut it: c4, ccnet, boilerplate or substring"),
            _column("start", pa.int64(), "byte offset of the span in the document's text"),
            _column("end", pa.int64(), "byte offset behind the span"),
            _column("text", pa.string(), "what was cut, its first 1000 characters"),
            _column("n_documents", pa.int64(), "documents that hold the span's most frequent passage"),
            _column("n_occurrences", pa.int64(), "times that this passage stands in them"),
            _column("n_sites", pa.int64(), "sites (hosts) that they are from"),
            _column("first_doc_id", pa.string(), "document that holds the first copy of the passage"),
        ]
    ),
)

CONTAMINATION = DatasetSchema(
    "contamination",
    1,
    pa.schema(
        [
            _DOC_ID,
            _SOURCE,
            _column("benchmark", pa.string(), "benchmark that holds the n-gram"),
            _column("gram", pa.string(), "the n-gram as it stands in the document"),
            _column("start", pa.int64(), "byte offset of the n-gram in the text after passages were cut"),
            _column("end", pa.int64(), "byte offset behind the n-gram, in the same text"),
            _column("n_documents", pa.int64(), "documents of the corpus that hold the n-gram"),
            _column("action", pa.string(), "cut, or ignored_frequent where too many documents hold it"),
        ]
    ),
)

PERSONAL_DATA = DatasetSchema(
    "personal_data",
    1,
    pa.schema(
        [
            _column("doc_id", pa.string(), "id of the piece in the corpus"),
            _SOURCE,
            _column("kind", pa.string(), "kind of personal data (quality.pii.KINDS)"),
            _column(
                "start", pa.int64(), "byte offset in the piece's text, of the placeholder where replaced"
            ),
            _column("end", pa.int64(), "byte offset behind it, in the same text"),
            _column("text", pa.string(), "what was found: as personal as the documents themselves"),
            _column("replaced", pa.bool_(), "whether a placeholder stands in its place"),
        ]
    ),
)

DECISIONS = DatasetSchema(
    "decisions",
    2,
    pa.schema(
        [
            _DOC_ID,
            _SOURCE,
            _column("keep", pa.bool_(), "whether the document is in the corpus, whole or in pieces"),
            _column("reason", pa.string(), "member of pipelines.reasons.Reason"),
            _column("figure", pa.float64(), "the measured figure behind the reason", nullable=True),
            _column("limit", pa.float64(), "the threshold or draw it was held against", nullable=True),
            _column(
                "evidence",
                pa.string(),
                "by reason: survivor id, benchmark, language, signal, list and entry, listed word, kinds of data",
                nullable=True,
            ),
        ]
    ),
)

SELECTION = DatasetSchema("selection", 2, DECISIONS.schema)

SELECTED = DatasetSchema(
    "selected",
    1,
    pa.schema(
        [
            _DOC_ID,
            _SOURCE,
            _column("language", pa.string(), "lid.176 code"),
            _column("keep", pa.bool_(), "whether it passed the selection and is no duplicate"),
        ]
    ),
)

TOKENS = DatasetSchema(
    "tokens",
    1,
    pa.schema(
        [
            _column("doc_id", pa.string(), "id of the piece"),
            _SOURCE,
            _column("split", pa.string(), "train or validation, by the parent document's id"),
            _column("input_ids", pa.list_(pa.int32()), "tokens of the piece, end of text not included"),
        ]
    ),
)

MIXTURE_PLAN = DatasetSchema(
    "mixture_plan",
    1,
    pa.schema(
        [
            _SOURCE,
            _column(
                "role", pa.string(), "role in the recipe: crawl, webtext, books1, books2, wikipedia, other"
            ),
            _column("documents", pa.int64(), "training pieces at hand"),
            _column("tokens", pa.int64(), "training tokens at hand, end of text included"),
            _column("weight", pa.float64(), "share of the drawn tokens that was asked for, 0..1"),
            _column("epochs", pa.float64(), "times each token is drawn on average"),
            _column("drawn_tokens", pa.int64(), "tokens drawn: tokens x epochs"),
            _column("drawn_share", pa.float64(), "share of all drawn tokens, 0..1"),
            _column("paper_tokens", pa.float64(), "GPT-3 Table 2.2: tokens", nullable=True),
            _column("paper_weight", pa.float64(), "GPT-3 Table 2.2: weight, 0..1", nullable=True),
            _column("paper_epochs", pa.float64(), "GPT-3 Table 2.2: epochs at 300 B tokens", nullable=True),
        ]
    ),
)


def pretraining_schema(context: int) -> DatasetSchema:
    """The packed dataset for sequences of `context` + 1 tokens."""
    return DatasetSchema(
        "pretraining",
        1,
        pa.schema(
            [
                _column("input_ids", pa.list_(pa.int32(), context + 1), "one training sequence, always full"),
                _column("source", pa.string(), "source that most of the sequence's tokens come from"),
                _column("doc_ids", pa.list_(pa.string()), "documents in the sequence, in order"),
                _column("sources", pa.list_(pa.string()), "source of each of doc_ids"),
                _column(
                    "boundaries", pa.list_(pa.int32()), "position of each document's first token in input_ids"
                ),
                _column("split", pa.string(), "train or validation"),
            ]
        ),
    )


DEAD_LETTERS = DatasetSchema(
    "dead_letters",
    1,
    pa.schema(
        [
            _column("stage", pa.string(), "stage that could not use the record"),
            _column("shard", pa.string(), "shard that it was read for"),
            _column("record", pa.string(), "file and offset, row or address of the record"),
            _column("reason", pa.string(), "short fixed name of what was wrong"),
            _column("detail", pa.string(), "message for the person who looks into it"),
        ]
    ),
)
