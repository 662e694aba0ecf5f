"""How varied the kept text is, by source: hosts, domains, languages, formats, and distinct words and n-grams.

Counts of everything but n-grams are a tally that adds up over shards. Distinct n-grams are measured on a
sample of equal size by source (pipelines.mixing.sample), since their share falls with the length of any text:
shares of samples of unequal size say nothing about the sources.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.engine.dataset import read_shard
from pipelines.engine.runner import ShardOutput, Stage, Task
from pipelines.schemas import CORPUS, DOCUMENTS, DatasetSchema
from quality.domains import registered_domain
from text.ngrams import ngrams
from text.words import segment


def _column(name: str, kind: pa.DataType, meaning: str, nullable: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable, {"meaning": meaning})


TALLY = DatasetSchema(
    "diversity_tally",
    1,
    pa.schema(
        [
            _column("source", pa.string(), "name of the source in the run config"),
            _column("figure", pa.string(), "total, language, media_type or host"),
            _column("key", pa.string(), "the language, media type or host; empty for the total"),
            _column("documents", pa.int64(), "pieces of text"),
            _column("n_bytes", pa.int64(), "UTF-8 bytes of text"),
        ]
    ),
)

_HISTOGRAM = pa.map_(pa.string(), pa.int64())

DIVERSITY = DatasetSchema(
    "diversity",
    1,
    pa.schema(
        [
            _column("source", pa.string(), "name of the source in the run config"),
            _column("documents", pa.int64(), "pieces of text"),
            _column("n_bytes", pa.int64(), "UTF-8 bytes of text"),
            _column("hosts", pa.int64(), "distinct hosts of the addresses; 0 where texts come from files"),
            _column("domains", pa.int64(), "distinct registered domains (quality.domains)"),
            _column(
                "top10_domains_share",
                pa.float64(),
                "share of the documents that the ten largest domains hold, 0..1",
            ),
            _column("languages", _HISTOGRAM, "documents by lid.176 code, most first"),
            _column("media_types", _HISTOGRAM, "documents by media type of the page, most first"),
            _column("sample_words", pa.int64(), "words of the sample behind the next three", nullable=True),
            _column(
                "distinct_1grams", pa.float64(), "distinct words / words (type-token ratio)", nullable=True
            ),
            _column("distinct_2grams", pa.float64(), "distinct word 2-grams / 2-grams", nullable=True),
            _column("distinct_3grams", pa.float64(), "distinct word 3-grams / 3-grams", nullable=True),
        ]
    ),
)


def hosts(urls: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Lower-case host of each http(s) address without port and user; null for anything else."""
    pattern = r"^(?i:https?)://(?:[^/?#@]*@)?(?P<host>\[[0-9A-Fa-f:.]+\]|[^/?#:@\[\]]+)"
    found = pc.struct_field(pc.extract_regex(urls, pattern), "host")
    return pc.utf8_rtrim(pc.utf8_lower(found), ".")


def tally(corpus: pa.Table, media_types: pa.Array | pa.ChunkedArray | None = None) -> pa.Table:
    """The TALLY of rows with source, url, language, n_bytes and, where given, their pages' media types."""
    nothing = pa.array([""] * corpus.num_rows, pa.string())
    keys = {"total": nothing, "language": corpus["language"], "host": hosts(corpus["url"])}
    if media_types is not None:
        keys["media_type"] = media_types
    parts = []
    for figure, key in keys.items():
        rows = pa.table({"source": corpus["source"], "key": key, "n_bytes": corpus["n_bytes"]})
        counts = rows.filter(pc.is_valid(rows["key"])).group_by(["source", "key"])
        added = counts.aggregate([("n_bytes", "count"), ("n_bytes", "sum")])
        added = added.rename_columns({"n_bytes_count": "documents", "n_bytes_sum": "n_bytes"})
        label = pa.array([figure] * added.num_rows, pa.string())
        parts.append(added.append_column("figure", label).select(TALLY.schema.names).cast(TALLY.schema))
    return pa.concat_tables(parts)


def merge(tallies: Iterable[pa.Table]) -> pa.Table:
    """One TALLY for all, sorted, equal however the rows were cut."""
    keys = ["source", "figure", "key"]
    grouped = pa.concat_tables([TALLY.schema.empty_table(), *tallies]).group_by(keys)
    added = grouped.aggregate([("documents", "sum"), ("n_bytes", "sum")])
    added = added.rename_columns({"documents_sum": "documents", "n_bytes_sum": "n_bytes"})
    return added.select(TALLY.schema.names).sort_by([(key, "ascending") for key in keys]).cast(TALLY.schema)


def summarise(tallies: Iterable[pa.Table], sample: pa.Table) -> pa.Table:
    """The DIVERSITY table, one row a source, from the shards' tallies and a TEXT_SAMPLE of equal bytes by
    source.
    """
    merged = merge(tallies)
    rows = []
    for source in pc.unique(merged["source"]).to_pylist():
        mine = merged.filter(pc.equal(merged["source"], source))
        texts = sample.filter(pc.equal(sample["source"], source))["text"]
        rows.append({"source": source, **_counts(mine), **distinct_ngrams(texts)})
    return pa.Table.from_pylist(rows, schema=DIVERSITY.schema)


def distinct_ngrams(texts: pa.Array | pa.ChunkedArray) -> dict[str, Any]:
    """Words of `texts` and the share of distinct ones among its word 1-, 2- and 3-grams; null without
    words.
    """
    words = segment(texts)
    found: dict[str, Any] = {"sample_words": len(words.hashes)}
    for n in (1, 2, 3):
        hashes = ngrams(words, n).hashes
        found[f"distinct_{n}grams"] = len(np.unique(hashes)) / len(hashes) if len(hashes) else None
    return found


def as_dict(diversity: pa.Table) -> dict[str, dict[str, Any]]:
    """A DIVERSITY table as plain values by source, histograms as dicts."""
    rows = {row.pop("source"): row for row in diversity.to_pylist()}
    for row in rows.values():
        row["languages"], row["media_types"] = dict(row["languages"]), dict(row["media_types"])
    return rows


def _counts(mine: pa.Table) -> dict[str, Any]:
    total = mine.filter(pc.equal(mine["figure"], "total"))
    by_host = dict(_histogram(mine, "host"))
    domains: dict[str, int] = {}
    for host, n in by_host.items():
        domain = registered_domain(host) or host
        domains[domain] = domains.get(domain, 0) + n
    documents = total["documents"][0].as_py()
    return {
        "documents": documents,
        "n_bytes": total["n_bytes"][0].as_py(),
        "hosts": len(by_host),
        "domains": len(domains),
        "top10_domains_share": sum(sorted(domains.values(), reverse=True)[:10]) / documents,
        "languages": _histogram(mine, "language"),
        "media_types": _histogram(mine, "media_type"),
    }


def _histogram(mine: pa.Table, figure: str) -> list[tuple[str, int]]:
    rows = mine.filter(pc.equal(mine["figure"], figure))
    rows = rows.sort_by([("documents", "descending"), ("key", "ascending")])
    return list(zip(rows["key"].to_pylist(), rows["documents"].to_pylist(), strict=True))


@dataclass(frozen=True)
class DiversityStage(Stage):
    """Corpus shard and the documents shard of the same name → tally; both fields are versions' folders."""

    name: ClassVar[str] = "diversity"
    version: ClassVar[int] = 1

    corpus: str
    documents: str

    @property
    def outputs(self) -> tuple[DatasetSchema, ...]:
        """The tally dataset."""
        return (TALLY,)

    def process(self, task: Task, out: ShardOutput) -> None:
        """Tally the shard that has the task's name; no text is read."""
        columns = ["parent_id", "source", "url", "language", "n_bytes"]
        corpus = read_shard(self.corpus, task.name, CORPUS, columns)
        pages = read_shard(self.documents, task.name, DOCUMENTS, ["doc_id", "media_type"])
        row = pc.index_in(corpus["parent_id"], pages["doc_id"])
        out.write(TALLY.name, tally(corpus, pages["media_type"].take(row)))
