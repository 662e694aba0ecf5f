"""First pass of packing: a global shuffle that moves tokens once and text never.

For each tokens shard one file: every training document as often as the mixture draws it, every validation
document once, sorted by bucket, a bucket's rows in row groups of their own. The second pass
(pipelines.mixing.pack) takes one bucket at a time and reads its row groups from all files.

The order is global: by bucket, then by a draw from (id, epoch, seed), ties by id and epoch; how the corpus
was cut into shards does not enter.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field

from pipelines.engine import storage
from pipelines.engine.dataset import iter_shard, read_shard, shard_path
from pipelines.engine.runner import ShardOutput, Stage, Task
from pipelines.mixing.mixture import repeats
from pipelines.mixing.tokenize import VALIDATION
from pipelines.schemas import TOKENS, DatasetSchema
from text.hashing import uniform


def _column(name: str, kind: pa.DataType, meaning: str) -> pa.Field:
    return pa.field(name, kind, False, {"meaning": meaning})


BUCKETED_TOKENS = DatasetSchema(
    "bucketed_tokens",
    1,
    pa.schema(
        [
            _column(
                "bucket",
                pa.int32(),
                "part of the shuffle; from `buckets` on, the sources' validation documents",
            ),
            _column("order", pa.float64(), "place within the bucket, a draw in 0..1"),
            _column("doc_id", pa.string(), "id of the piece"),
            _column("source", pa.string(), "name of the source in the run config"),
            _column("split", pa.string(), "train or validation"),
            _column("epoch", pa.int32(), "number of the repetition, from 0"),
            _column("n_tokens", pa.int64(), "tokens of the piece, end of text included"),
            _column("input_ids", pa.list_(pa.int32()), "tokens of the piece, end of text not included"),
        ]
    ),
)

_KEY = ["order", "doc_id", "epoch"]
_CONTENT = ["doc_id", "source", "input_ids"]
_ORDER = [(name, "ascending") for name in _KEY]


class PackError(ValueError):
    """The tokens cannot be packed as configured."""


class PackConfig(BaseModel):
    """Length of the sequences and size of the shuffle."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    context: int = Field(default=2048, description="tokens the model sees; a sequence holds one more", ge=1)
    buckets: int = Field(
        default=64,
        description="parts of the training shuffle; one part, about 24 bytes a token, must fit in memory",
        ge=1,
    )
    seed: int = Field(default=0, description="seed of the order and of the choice behind fractional epochs")


def draw(rows: pa.Table, epochs: Mapping[str, float], config: PackConfig) -> pa.Table:
    """Where the drawings of TOKENS rows go: a table (row, bucket, order, epoch), sorted by bucket and order.

    `rows` has doc_id, source and split. A training row is drawn `mixture.repeats` times at its source's
    epochs, a validation row once. Training buckets are 0 .. buckets - 1, drawn from (id, epoch, seed); the
    validation bucket of the i-th source by name is buckets + i. Raises PackError for a source that is
    missing in `epochs`.
    """
    names = sorted(epochs)
    number = pc.index_in(rows["source"], pa.array(names, pa.string()))
    if number.null_count:
        stray = rows["source"].filter(pc.is_null(number))[0]
        raise PackError(f"source '{stray}' has tokens but no line in the mixture plan, which has {names}")
    ids, source = rows["doc_id"].combine_chunks(), number.to_numpy()
    held_out = pc.equal(rows["split"], VALIDATION).to_numpy()
    times = held_out.astype(np.int64)
    for i, name in enumerate(names):
        mine = np.flatnonzero((source == i) & ~held_out)
        times[mine] = repeats(ids.take(pa.array(mine)), epochs[name], config.seed)
    parts = [
        _draw_epoch(ids, np.flatnonzero(times > epoch), epoch, config)
        for epoch in range(times.max(initial=1))
    ]
    drawn = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    row = drawn["row"]
    drawn["bucket"] = np.where(held_out[row], config.buckets + source[row], drawn["bucket"]).astype(np.int32)
    return pa.table(drawn).sort_by([("bucket", "ascending"), ("order", "ascending")])


def _draw_epoch(ids: pa.Array, row: np.ndarray, epoch: int, config: PackConfig) -> dict[str, np.ndarray]:
    drawn = ids.take(pa.array(row))
    return {
        "row": row,
        "bucket": (uniform(drawn, config.seed, f"bucket, epoch {epoch}") * config.buckets).astype(np.int32),
        "order": uniform(drawn, config.seed, f"order, epoch {epoch}"),
        "epoch": np.full(len(row), epoch, np.int32),
    }


@dataclass(frozen=True)
class BucketStage(Stage):
    """Tokens shard → its drawings by bucket; `epochs` by source as in the mixture plan."""

    name: ClassVar[str] = "bucket_tokens"
    version: ClassVar[int] = 1

    tokens: str
    epochs: dict[str, float]
    config: PackConfig

    @property
    def outputs(self) -> tuple[DatasetSchema, ...]:
        """The bucketed tokens."""
        return (BUCKETED_TOKENS,)

    def process(self, task: Task, out: ShardOutput) -> None:
        """Write the drawings of the tokens shard that has the task's name, a row group a bucket."""
        rows = read_shard(self.tokens, task.name, TOKENS).combine_chunks()
        sizes = pc.add(pc.cast(pc.list_value_length(rows["input_ids"]), pa.int64()), 1)
        drawn = draw(rows, self.epochs, self.config)
        buckets = drawn["bucket"].to_numpy()
        for bucket in np.unique(buckets):
            start, end = np.searchsorted(buckets, [bucket, bucket + 1])
            part = drawn.slice(start, end - start)
            table = rows.append_column("n_tokens", sizes).take(part["row"])
            for name in ("bucket", "order", "epoch"):
                table = table.append_column(name, part[name])
            out.write(BUCKETED_TOKENS.name, table)
        out.count("documents", len(buckets))


def bucket_sizes(folder: str, shards: Sequence[str]) -> dict[int, int]:
    """Tokens in each bucket over all shards, end of text included, from the narrow columns alone."""
    sizes: Counter[int] = Counter()
    for shard in shards:
        for rows in iter_shard(folder, shard, BUCKETED_TOKENS, ["bucket", "n_tokens"]):
            for row in rows.group_by("bucket").aggregate([("n_tokens", "sum")]).to_pylist():
                sizes[row["bucket"]] += row["n_tokens_sum"]
    return dict(sizes)


def read_bucket(folder: str, shards: Sequence[str], bucket: int, limit: int | None = None) -> pa.Table:
    """The documents of a bucket in the global order: doc_id, source and input_ids.

    With `limit`, only the first of them until they hold that many tokens, end of text included; files that
    hold none of those are read for their narrow columns only.
    """
    keys = [_rows(folder, shard, bucket, [*_KEY, "n_tokens"]) for shard in shards]
    counts = [table.num_rows for table in keys]
    places = pa.concat_tables(keys)
    places = places.append_column("shard", pa.array(np.repeat(np.arange(len(shards)), counts)))
    places = places.append_column("row", pa.array(np.concatenate([np.arange(n) for n in counts])))
    places = places.sort_by(_ORDER)
    if limit is not None:
        sizes = places["n_tokens"].to_numpy()
        places = places.slice(0, int(np.searchsorted(np.cumsum(sizes) - sizes, limit)))
    used, row = places["shard"].to_numpy(), places["row"].to_numpy()
    needed = np.unique(used)
    tables = [_rows(folder, shards[number], bucket, _CONTENT) for number in needed]
    if not tables:
        return pa.schema([BUCKETED_TOKENS.schema.field(name) for name in _CONTENT]).empty_table()
    offsets = np.cumsum([0, *(table.num_rows for table in tables)])
    return pa.concat_tables(tables).take(pa.array(offsets[np.searchsorted(needed, used)] + row))


def _rows(folder: str, shard: str, bucket: int, columns: list[str]) -> pa.Table:
    """A bucket's rows in one file, in its order, from the row groups whose statistics admit the bucket."""
    path = shard_path(folder, shard)
    with storage.open_input(path) as stream:
        file = pq.ParquetFile(stream)
        BUCKETED_TOKENS.check(file.schema_arrow, path)
        groups = [group for group in range(file.num_row_groups) if _may_hold(file, group, bucket)]
        table = file.read_row_groups(groups, columns=["bucket", *columns])
        return table.filter(pc.equal(table["bucket"], bucket)).select(columns)


def _may_hold(file: Any, group: int, bucket: int) -> bool:
    statistics = file.metadata.row_group(group).column(0).statistics
    return statistics is None or statistics.min <= bucket <= statistics.max
