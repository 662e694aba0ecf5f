"""Packing: a global shuffle that never shuffles text, then sequences of context + 1 tokens without padding.

Pass 1 (BucketStage) writes one file for each tokens shard: every training document as often as the mixture draws
it, every validation document once, sorted by bucket, a bucket's rows in row groups of their own. Pass 2 (PackStage)
reads one bucket's row groups from all files, puts its documents in order and cuts them into sequences.

The order is global: by bucket, then by a draw from (id, epoch, seed), ties by id and epoch. All training documents,
each followed by the end of text, are one stream; the validation documents of each source are one stream each, in
one bucket. A stream is cut every context + 1 tokens, across buckets too: a bucket's task also reads the few documents
behind it that complete its last sequence, and leaves out what completes the one before. So only the end of a stream, at
most `context` tokens, is lost, and the sequences do not depend on how the corpus was sharded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field

from pipelines.buckets import BUCKETED_TOKENS, bucket_sizes, read_bucket
from pipelines.dataset import read_shard
from pipelines.mixture import repeats
from pipelines.runner import ShardOutput, Stage, Task
from pipelines.schemas import TOKENS, DatasetSchema, pretraining_schema
from pipelines.tokenize import TRAIN, VALIDATION
from text.hashing import uniform

ROW_GROUP = 64  # random access reads whole row groups

Int64 = npt.NDArray[np.int64]


class PackError(ValueError):
    """The tokens cannot be packed as configured."""


class PackConfig(BaseModel):
    """Length of the sequences and size of the shuffle."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    context: int = Field(2048, description="tokens the model sees; sequences hold one more", ge=1)
    buckets: int = Field(
        64, description="parts of the training shuffle; one part (about 16 bytes a token) must fit in memory", ge=1
    )
    seed: int = Field(0, description="seed of the order and of the documents that a fractional epoch repeats")


class PackPlan(NamedTuple):
    """The tasks of pass 2, and by stream ("train", "validation/<source>") its tokens and those that are lost."""

    tasks: list[Task]
    tokens: dict[str, int]
    lost: dict[str, int]


def draw(rows: pa.Table, epochs: Mapping[str, float], config: PackConfig) -> pa.Table:
    """Where each drawing of the TOKENS rows goes: columns row, bucket, order, epoch, in bucket order.

    A training row is drawn `repeats` times by its source's epochs, a validation row once. Training buckets are
    0 .. buckets - 1, by a draw from (id, epoch, seed); the i-th source by name has the validation bucket buckets + i.
    Raises PackError for a source that is missing in `epochs`.
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
        drawn = np.flatnonzero((source == i) & ~held_out)
        times[drawn] = repeats(ids.take(pa.array(drawn)), epochs[name], config.seed)
    parts = []
    for epoch in range(int(times.max(initial=0))):
        row = np.flatnonzero(times > epoch)
        drawn_ids = ids.take(pa.array(row))
        bucket = (uniform(drawn_ids, config.seed, f"bucket, epoch {epoch}") * config.buckets).astype(np.int32)
        bucket = np.where(held_out[row], config.buckets + source[row], bucket)
        order = uniform(drawn_ids, config.seed, f"order, epoch {epoch}")
        parts.append((row, bucket.astype(np.int32), order, np.full(len(row), epoch, np.int32)))
    if not parts:
        parts = [(np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0), np.zeros(0, np.int32))]
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    drawn = pa.table(dict(zip(["row", "bucket", "order", "epoch"], columns, strict=True)))
    return drawn.sort_by([("bucket", "ascending"), ("order", "ascending"), ("row", "ascending")])


def plan_packing(sizes: Mapping[int, int], sources: Sequence[str], config: PackConfig) -> PackPlan:
    """The tasks of pass 2 for buckets of `sizes` tokens (end of text included), of the mixture's `sources`.

    Buckets in which no sequence begins get no task, so that no file is empty.
    """
    names = sorted(sources)
    streams = {TRAIN: (f"{TRAIN}-", 0, config.buckets)}
    for i, name in enumerate(names):
        streams[f"{VALIDATION}/{name}"] = (f"{VALIDATION}-", config.buckets + i, 1)
    plan = PackPlan([], {}, {})
    for stream, (prefix, first, n) in streams.items():
        counts = [int(sizes.get(bucket, 0)) for bucket in range(first, first + n)]
        plan.tasks.extend(_stream_tasks(prefix, first, first if prefix != f"{TRAIN}-" else 0, counts, config))
        plan.tokens[stream] = sum(counts)
        plan.lost[stream] = sum(counts) % (config.context + 1)
    return plan


