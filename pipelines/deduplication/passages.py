"""Repeated passages over shards: narrow rows of hashes, merged by range, back to the shards as byte spans.

    documents + selected → PassageRowsStage → passage_rows, in each shard sorted by hash
    passage_rows → MergePassagesStage, one task a range of hashes → repeated_passages, sorted by place
    (substring: both once more, now for the windows of the repeated fingerprints)
    documents + selected + repeated_passages → CutPassagesStage → passage_cuts (row-aligned), passages_cut

A row group of passage_rows holds one range, and the row groups of repeated_passages few documents each, so a
task finds what is its own by the statistics of Parquet: everything is read about once, and memory is that of a
shard or a range.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dedup.passages import REPEATED, ROWS, PassageConfig, cut, id_halves, merge, rows_of, with_keys
from dedup.spans import Spans, remove_spans
from pipelines.decontamination.decontaminate_stage import selected_groups
from pipelines.engine import storage
from pipelines.engine.dataset import shard_path
from pipelines.engine.runner import RECORDS, ShardOutput, Stage, Task
from pipelines.schemas import PASSAGE_CUTS, PASSAGES_CUT, DatasetSchema
from text.hashing import hash64
from text.words import count_words

PASSAGE_ROWS = DatasetSchema("passage_rows", 1, ROWS)
REPEATED_PASSAGES = DatasetSchema("repeated_passages", 1, REPEATED)

EVIDENCE_CHARACTERS = 1000
BATCH_BYTES = 32 << 20
_PLACES_GROUP = 1 << 16
_ROW_BITS = 32
_HOST = r"(?i)^[a-z][a-z0-9+.-]*://(?:[^/?#@]*@)?(?:www\.)?(?P<host>[^/:?#]+)"

Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PassageRowsStage(Stage):
    """documents + selected → one row for each different passage of each selected document.

    A task is a shard of `documents`, its payload's `number` the shard's. `ranks` are by source. `repeated`
    and its `ranges` (shards) are of the fingerprints in the second round of the rule substring, else empty.
    """

    name: ClassVar[str] = "passage_rows"
    version: ClassVar[int] = 1

    documents: str
    selected: str
    ranks: dict[str, int]
    hash_ranges: int
    config: PassageConfig
    repeated: str = ""
    ranges: tuple[str, ...] = ()

    @property
    def outputs(self) -> tuple[DatasetSchema, ...]:
        """Rows of the shard, a row group for each range of hashes."""
        return (PASSAGE_ROWS,)

    def process(self, task: Task, out: ShardOutput) -> None:
        """Hash the selected documents of one shard."""
        number = int(task.payload["number"])
        wanted = _own_rows(self.repeated, self.ranges, number) if self.repeated else None
        parts = [ROWS.empty_table()]
        for first, documents, keep in _batches(self.documents, self.selected, task.name):
            rows = first + np.flatnonzero(keep)
            kept = documents.filter(pa.array(keep))
            told = None if wanted is None else _of_rows(wanted, rows)
            found = rows_of(kept["text"], self.config, told)
            parts.append(with_keys(found, _keys(kept, number << _ROW_BITS | rows, self.ranks)))
            out.count(RECORDS, kept.num_rows)
        table = pa.concat_tables(parts)
        table = table.take(pa.array(np.argsort(table["hash"].to_numpy(), kind="stable")))
        hashes = table["hash"].to_numpy()
        for hash_range in range(self.hash_ranges):
            low, high = _bounds(hash_range, self.hash_ranges)
            begin, end = np.searchsorted(hashes, low), np.searchsorted(hashes, high, side="right")
            out.write(PASSAGE_ROWS.name, table.slice(begin, end - begin))


@dataclass(frozen=True)
class MergePassagesStage(Stage):
    """passage_rows → what is repeated, for one range of hashes a task (payload `range`)."""

    name: ClassVar[str] = "merge_passages"
    version: ClassVar[int] = 1

    rows: str
    shards: tuple[str, ...]
    hash_ranges: int
    config: PassageConfig

    @property
    def outputs(self) -> tuple[DatasetSchema, ...]:
        """The repeated passages of the range by document."""
        return (REPEATED_PASSAGES,)

    def process(self, task: Task, out: ShardOutput) -> None:
        """Merge the range's rows of all shards."""
        low, high = _bounds(int(task.payload["range"]), self.hash_ranges)
        parts = [_rows_between(self.rows, shard, PASSAGE_ROWS, "hash", low, high) for shard in self.shards]
        rows = pa.concat_tables(parts)
        repeated = merge(rows, self.config)
        out.count(RECORDS, rows.num_rows)
        out.count("repeated_rows", repeated.num_rows)
        out.write(REPEATED_PASSAGES.name, repeated, _PLACES_GROUP)


@dataclass(frozen=True)
class CutPassagesStage(Stage):
    """documents + selected + repeated_passages → the spans to cut from each document, and why.

    Tasks are as in PassageRowsStage. A document that the cuts leave fewer than `min_words_left` words is to go.
    """

    name: ClassVar[str] = "cut_passages"
    version: ClassVar[int] = 1

    documents: str
    selected: str
    repeated: str
    ranges: tuple[str, ...]
    min_words_left: int
    config: PassageConfig

    @property
    def outputs(self) -> tuple[DatasetSchema, ...]:
        """Spans by document, and one row of evidence a span."""
        return (PASSAGE_CUTS, PASSAGES_CUT)

    def process(self, task: Task, out: ShardOutput) -> None:
        """Find the spans of one shard."""
        repeated = _own_rows(self.repeated, self.ranges, int(task.payload["number"]))
        for first, documents, keep in _batches(self.documents, self.selected, task.name):
            mine = _of_rows(repeated, np.arange(first, first + documents.num_rows))
            spans = cut(documents["text"], mine, self.config)
            enough = _enough_left(documents["text"], spans, self.min_words_left)
            out.write(PASSAGE_CUTS.name, _cuts(documents["doc_id"], enough, spans))
            out.write(PASSAGES_CUT.name, _evidence(documents, spans, mine, self.config.rule))
            out.count(RECORDS, int(keep.sum()))
            out.count("cut_documents", int(np.count_nonzero(np.diff(spans.offsets))))
            out.count("cut_spans", len(spans.starts))
            out.count("cut_bytes", int(np.sum(spans.ends - spans.starts)))
            out.count("selected_bytes", pc.sum(documents["n_bytes"].filter(pa.array(keep))).as_py() or 0)
            out.count("too_few_words_left", int(np.count_nonzero(~enough)))


def sites(urls: pa.ChunkedArray, sources: pa.ChunkedArray) -> pa.ChunkedArray:
    """The host of each address, lower case and without "www."; the source's name where there is none."""
    hosts = pc.struct_field(pc.extract_regex(urls, _HOST), "host")
    return pc.coalesce(pc.utf8_lower(hosts), sources)


def _keys(documents: pa.Table, places: Int64s, ranks: dict[str, int]) -> dict[str, Int64s]:
    high, low = id_halves(documents["doc_id"])
    names = pa.array(sorted(ranks), pa.string())
    numbers = np.array([ranks[name] for name in sorted(ranks)], np.int64)
    index = pc.index_in(documents["source"], value_set=names)
    if index.null_count:
        unknown = documents["source"].filter(pc.is_null(index))[0]
        raise ValueError(f"source '{unknown}' of a document has no rank; the ranks are of {sorted(ranks)}")
    return {
        "place": places,
        "rank": numbers[index.to_numpy()],
        "id_high": high,
        "id_low": low,
        "site": hash64(sites(documents["url"], documents["source"])).view(np.int64),
    }


def _batches(
    documents: str, selected: str, shard: str
) -> Iterator[tuple[int, pa.Table, npt.NDArray[np.bool_]]]:
    """Rows of a shard in parts of some `BATCH_BYTES` of text: (first row, documents, which are selected)."""
    columns = ["doc_id", "source", "url", "text", "n_bytes"]
    first = 0
    for group, chosen in selected_groups(documents, selected, shard, columns):
        keep = np.asarray(chosen["keep"])
        parts = np.cumsum(group["n_bytes"].to_numpy()) // BATCH_BYTES
        edges = np.flatnonzero(np.diff(parts, prepend=-1, append=-1))
        for begin, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            yield first + begin, group.slice(begin, end - begin), keep[begin:end]
        first += group.num_rows


def _bounds(number: int, ranges: int) -> tuple[int, int]:
    """First and last hash (signed) of a range."""
    edges = [(1 << 64) * k // ranges - (1 << 63) for k in (number, number + 1)]
    return edges[0], edges[1] - 1


def _own_rows(folder: str, ranges: Sequence[str], shard: int) -> pa.Table:
    """The REPEATED rows of one shard, `place` turned into the row, sorted by it and the hash (unsigned)."""
    low, high = shard << _ROW_BITS, ((shard + 1) << _ROW_BITS) - 1
    parts = [_rows_between(folder, name, REPEATED_PASSAGES, "place", low, high) for name in ranges]
    table = pa.concat_tables([REPEATED.empty_table(), *parts])
    rows = table["place"].to_numpy() - low
    order = np.lexsort((table["hash"].to_numpy().view(np.uint64), rows))
    return table.set_column(0, REPEATED.field("place"), pa.array(rows)).take(pa.array(order))


def _of_rows(repeated: pa.Table, rows: Int64s) -> pa.Table:
    """The part of `_own_rows` that is of these ascending `rows`, `place` turned into the place among them."""
    places = repeated["place"].to_numpy()
    begin = np.searchsorted(places, rows[0]) if len(rows) else 0
    end = np.searchsorted(places, rows[-1], side="right") if len(rows) else 0
    numbers = np.searchsorted(rows, places[begin:end])
    return repeated.slice(begin, end - begin).set_column(0, REPEATED.field("place"), pa.array(numbers))


def _rows_between(
    folder: str, shard: str, schema: DatasetSchema, column: str, low: int, high: int
) -> pa.Table:
    """The rows of a shard with low <= `column` <= high; row groups without any are not read."""
    path = shard_path(folder, shard)
    with storage.open_input(path) as stream:
        file = pq.ParquetFile(stream)
        schema.check(file.schema_arrow, path)
        index = file.schema_arrow.get_field_index(column)
        groups = []
        for group in range(file.num_row_groups):
            told = file.metadata.row_group(group).column(index).statistics
            if told is None or not told.has_min_max or (told.min <= high and told.max >= low):
                groups.append(group)
        table = file.read_row_groups(groups) if groups else schema.schema.empty_table()
    inside = pc.and_(pc.greater_equal(table[column], low), pc.less_equal(table[column], high))
    return schema.conform(table.filter(inside), path)


def _enough_left(texts: pa.ChunkedArray, spans: Spans, min_words: int) -> npt.NDArray[np.bool_]:
    enough = np.ones(len(texts), np.bool_)
    touched = np.flatnonzero(np.diff(spans.offsets))
    # Rows between two touched ones have no spans, so the touched rows' own offsets lie one behind the other.
    offsets = np.append(spans.offsets[touched], len(spans.starts))
    left = remove_spans(texts.take(pa.array(touched)), spans.starts, spans.ends, offsets)
    enough[touched] = count_words(left) >= min_words
    return enough


def _cuts(doc_ids: pa.ChunkedArray, enough: npt.NDArray[np.bool_], spans: Spans) -> pa.Table:
    offsets = pa.array(spans.offsets.astype(np.int32))
    return pa.table(
        {
            "doc_id": doc_ids,
            "keep": pa.array(enough),
            "starts": pa.ListArray.from_arrays(offsets, pa.array(spans.starts)),
            "ends": pa.ListArray.from_arrays(offsets, pa.array(spans.ends)),
        }
    )


def _evidence(documents: pa.Table, spans: Spans, repeated: pa.Table, rule: str) -> pa.Table:
    rows = np.repeat(np.arange(documents.num_rows), np.diff(spans.offsets))
    told = repeated.take(pa.array(spans.evidence))
    halves = [told[name].to_numpy() for name in ("holder_high", "holder_low")]
    holders = np.stack(halves, axis=1).astype(">i8").tobytes().hex()
    return pa.table(
        {
            "doc_id": documents["doc_id"].take(pa.array(rows)),
            "source": documents["source"].take(pa.array(rows)),
            "rule": pa.array([rule] * len(rows), pa.string()),
            "start": spans.starts,
            "end": spans.ends,
            "text": pa.array(_excerpts(documents["text"], rows, spans), pa.string()),
            "n_documents": told["n_documents"],
            "n_occurrences": told["n_occurrences"],
            "n_sites": told["n_sites"],
            "first_doc_id": pa.array([holders[i : i + 32] for i in range(0, len(holders), 32)], pa.string()),
        }
    )


def _excerpts(texts: pa.ChunkedArray, rows: Int64s, spans: Spans) -> list[str]:
    """The beginning of each span's text, at most `EVIDENCE_CHARACTERS`."""
    excerpts = []
    row, raw = -1, b""
    for i, start, end in zip(rows.tolist(), spans.starts.tolist(), spans.ends.tolist(), strict=True):
        if i != row:
            row, raw = i, texts[i].as_py().encode()
        part = raw[start : min(end, start + 4 * EVIDENCE_CHARACTERS)]
        excerpts.append(part.decode("utf-8", "ignore")[:EVIDENCE_CHARACTERS])
    return excerpts
