"""Stages around the index: describe a batch, look it up band by band, add what stays."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dedup.incremental import short_sets
from dedup.index import BandRows, grow, meet
from dedup.lsh import exact_keys
from dedup.minhash import MinHashConfig, shingles
from pipelines.deduplication.dedup_index import (
    BANDS,
    band_names,
    batch_keys_schema,
    batch_schema,
    read_band,
    snapshot_day,
    survivors_schema,
)
from pipelines.deduplication.document_rows import AlignmentError
from pipelines.deduplication.sketch import schema_of
from pipelines.engine.dataset import iter_shard, read_shard
from pipelines.engine.runner import RECORDS, ShardOutput, Stage, Task
from pipelines.schemas import DOCUMENTS, SELECTION, SIGNALS, DatasetSchema

Int64s = npt.NDArray[np.int64]


def _number(name: str, meaning: str) -> pa.Field:
    return pa.field(name, pa.int64(), False, {"meaning": meaning})


MEETINGS = DatasetSchema(
    "index_meetings",
    1,
    pa.schema(
        [
            _number("key", "bucket that several documents share"),
            _number("row", "row of the batch, -1 for an indexed document"),
            _number("order", "number of the indexed document, -1 for one of the batch"),
        ]
    ),
)
REMOVED = DatasetSchema(
    "index_removed",
    1,
    pa.schema(
        [
            _number("row", "row of the batch, ascending"),
            _number("order", "number of its survivor in the index, -1 where the batch holds it"),
            _number("survivor_row", "row of its survivor in the batch, -1 where the index holds it"),
        ]
    ),
)
ADDED = DatasetSchema(
    "index_added",
    1,
    pa.schema([_number("key", "shared bucket"), _number("order", "number of a survivor that comes into it")]),
)
REMOVED_SHARD = "removed"
SURVIVORS_A_GROUP = 1 << 10
KEYS_A_GROUP = 1 << 17


@dataclass(frozen=True)
class DescribeBatchStage(Stage):
    """documents + signals + sketches + selection → index_batch and its keys: selected rows, without text.

    `ranks` are sources and the places of their roles, as [source, place] (a stage's fields are JSON values).
    """

    name: ClassVar[str] = "describe_batch"
    version: ClassVar[int] = 1

    documents: str
    signals: str
    sketches: str
    selection: str
    ranks: list[list[Any]]
    minhash: MinHashConfig

    @property
    def outputs(self) -> tuple[DatasetSchema, ...]:
        """What the index keeps of a document, and its bucket keys, row for row."""
        return (batch_schema(self.minhash.num_perm), batch_keys_schema(self.minhash.bands))

    def process(self, task: Task, out: ShardOutput) -> None:
        """Describe the selected documents of one shard, one row group of `documents` at a time."""
        signals = read_shard(self.signals, task.name, SIGNALS, ["doc_id", "quality_score"])
        selection = read_shard(self.selection, task.name, SELECTION, ["doc_id", "keep"])
        sketches = read_shard(
            self.sketches,
            task.name,
            schema_of(self.minhash),
            ["doc_id", "exact_hash", "signature", "band_keys"],
        )
        start = 0
        columns = ["doc_id", "source", "url", "snapshot", "fetched_at", "text", "n_words"]
        for documents in iter_shard(self.documents, task.name, DOCUMENTS, columns):
            parts = [table.slice(start, len(documents)) for table in (signals, selection, sketches)]
            for name, part in zip(("signals", "selection", "sketches"), parts, strict=True):
                if not part["doc_id"].equals(documents["doc_id"]):
                    raise AlignmentError(
                        f"{task.name}: '{name}' does not hold the rows of 'documents' in order; make it again"
                    )
            start += len(documents)
            keep = parts[1]["keep"]
            self._write(
                documents.filter(keep), parts[0].filter(keep), parts[2].filter(keep).combine_chunks(), out
            )

    def _write(self, documents: pa.Table, signals: pa.Table, sketches: pa.Table, out: ShardOutput) -> None:
        sets = short_sets(shingles(documents["text"], self.minhash))
        lists = pa.ListArray.from_arrays(
            pa.array(sets.offsets, pa.int32()), pa.array(sets.hashes.astype(np.uint32))
        )
        ranks = dict(self.ranks)
        described = documents.select(["doc_id", "source", "snapshot", "url", "n_words"])
        for name, column in (
            ("day", _days(documents)),
            ("source_rank", pa.array([ranks[s] for s in documents["source"].to_pylist()], pa.int64())),
            ("quality_score", signals["quality_score"]),
            ("exact_hash", sketches["exact_hash"]),
            ("signature", sketches["signature"]),
            ("shingles", lists),
        ):
            described = described.append_column(name, column)
        batch, keys = self.outputs
        out.write(batch.name, described)
        out.write(keys.name, _keys(sketches))
        out.count(RECORDS, len(documents))


@dataclass(frozen=True)
class MeetStage(Stage):
    """index_batch_keys + bands of the index → who shares a bucket, one task a band.

    `shards` are those of the batch; `bands` is a version folder, empty where there is no index yet.
    """

    name: ClassVar[str] = "meet_index"
    version: ClassVar[int] = 1

    keys: str
    shards: list[str]
    minhash: MinHashConfig
    bands: str

    @property
    def outputs(self) -> tuple[DatasetSchema, ...]:
        """Shared buckets by band."""
        return (MEETINGS,)

    def process(self, task: Task, out: ShardOutput) -> None:
        """Merge one column of the batch with one file of the index."""
        met = meet(
            _batch_keys(self.keys, self.shards, self.minhash, task.name), read_band(self.bands, task.name)
        )
        out.write(MEETINGS.name, pa.table(list(met), schema=MEETINGS.schema))


@dataclass(frozen=True)
class GrowBandsStage(Stage):
    """bands + index_batch_keys + what was decided → the next version's bands, one task a band.

    `base` is the number of survivors before; the batch's own follow in the order of its rows.
    """

    name: ClassVar[str] = "grow_bands"
    version: ClassVar[int] = 1

    keys: str
    shards: list[str]
    minhash: MinHashConfig
    bands: str
    removed: str
    added: str
    base: int

    @property
    def outputs(self) -> tuple[DatasetSchema, ...]:
        """The bands."""
        return (BANDS,)

    def process(self, task: Task, out: ShardOutput) -> None:
        """Merge the batch into one band."""
        keys = _batch_keys(self.keys, self.shards, self.minhash, task.name)
        added = read_shard(self.added, task.name, ADDED)
        shared = BandRows(np.asarray(added["key"]), np.asarray(added["order"]))
        survivors = survivor_numbers(read_shard(self.removed, REMOVED_SHARD, REMOVED), self.base, len(keys))
        grown = grow(read_band(self.bands, task.name), keys, survivors, shared)
        out.write(BANDS.name, pa.table(list(grown), schema=BANDS.schema), KEYS_A_GROUP)


@dataclass(frozen=True)
class KeepSurvivorsStage(Stage):
    """index_batch → survivors: the rows that stay, numbered; the payload tells first row and number."""

    name: ClassVar[str] = "keep_survivors"
    version: ClassVar[int] = 1

    batch: str
    num_perm: int
    removed: str
    number: int

    @property
    def outputs(self) -> tuple[DatasetSchema, ...]:
        """The batch's part of the survivors."""
        return (survivors_schema(self.num_perm),)

    def process(self, task: Task, out: ShardOutput) -> None:
        """Number and keep the survivors of one shard."""
        gone = np.asarray(read_shard(self.removed, REMOVED_SHARD, REMOVED, ["row"])["row"])
        row, order = task.payload["row"], task.payload["order"]
        for described in iter_shard(self.batch, task.name, batch_schema(self.num_perm)):
            stays = ~np.isin(np.arange(row, row + len(described)), gone)
            kept = described.filter(pa.array(stays))
            numbers = pa.array(np.arange(order, order + len(kept)))
            batch = pa.array(np.full(len(kept), self.number, dtype=np.int64))
            kept = kept.append_column("order", numbers).append_column("batch", batch)
            out.write(self.outputs[0].name, kept, SURVIVORS_A_GROUP)
            row += len(described)
            order += len(kept)


def survivor_numbers(removed: pa.Table, base: int, n: int) -> Int64s:
    """For each of the batch's `n` rows the number in the index of the document that stays for it."""
    rows = np.asarray(removed["row"])
    stays = np.ones(n, dtype=np.bool_)
    stays[rows] = False
    numbers = base + np.cumsum(stays) - 1
    held = np.asarray(removed["survivor_row"])
    order = np.asarray(removed["order"])
    numbers[rows] = np.where(held >= 0, numbers[np.maximum(held, 0)], order)
    return numbers.astype(np.int64)


def _batch_keys(folder: str, shards: list[str], minhash: MinHashConfig, band: str) -> Int64s:
    schema = batch_keys_schema(minhash.bands)
    parts = [np.asarray(read_shard(folder, shard, schema, [band])[band]) for shard in shards]
    return np.concatenate([np.empty(0, dtype=np.int64), *parts])


def _keys(sketches: pa.Table) -> pa.Table:
    lists = sketches["band_keys"].combine_chunks()
    bands = lists.type.list_size
    columns = [
        *np.asarray(lists.flatten()).reshape(len(sketches), bands).T,
        exact_keys(sketches["exact_hash"]),
    ]
    return pa.table([pa.array(np.ascontiguousarray(c)) for c in columns], names=band_names(bands))


def _days(documents: pa.Table) -> pa.Array:
    """The snapshot's day, else that of the fetch, else 0: texts without a date count as the oldest."""
    known = {label: snapshot_day(label) for label in pc.unique(documents["snapshot"]).to_pylist()}
    labels = pa.array([known[label] for label in documents["snapshot"].to_pylist()], pa.int64())
    fetched = documents["fetched_at"].cast(pa.int64())
    return pc.coalesce(labels, pc.divide(fetched, 86_400_000), pa.scalar(0, pa.int64()))
