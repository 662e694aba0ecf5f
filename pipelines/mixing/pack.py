"""Second pass of packing: one bucket's documents in order, cut into sequences of context + 1 tokens.

All training documents in the global order of pipelines.mixing.buckets, each followed by the end of text, are one
stream; so are the validation documents of each source, so that the loss by source is clean. A stream is cut
every context + 1 tokens, across buckets too: the task of a bucket also reads the few documents behind it
that complete its last sequence, and leaves out the tokens that complete the sequence before. So only the
end of a stream, at most `context` tokens, is lost, every task stands alone, and the sequences do not depend
on the sharding of the corpus.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.engine.runner import ShardOutput, Stage, Task
from pipelines.mixing.buckets import PackConfig, PackError, read_bucket
from pipelines.mixing.tokenize import TRAIN, VALIDATION
from pipelines.schemas import DatasetSchema, pretraining_schema

ROW_GROUP = 64  # random access reads whole row groups: 64 rows 2.5 M tokens/s, 1,024 rows 0.14


class PackPlan(NamedTuple):
    """The tasks of the second pass, and by stream (train, validation/<source>) all tokens and lost ones."""

    tasks: list[Task]
    tokens: dict[str, int]
    lost: dict[str, int]


class Documents(NamedTuple):
    """Documents laid end to end: `tokens` int32, each document's start (int64), its id and source."""

    tokens: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int64]
    doc_ids: pa.Array
    sources: pa.Array


def plan_packing(sizes: Mapping[int, int], sources: Sequence[str], config: PackConfig) -> PackPlan:
    """The tasks for buckets of `sizes` tokens (`buckets.bucket_sizes`) of the mixture plan's `sources`.

    Task names are the files' names: train-<bucket>, validation-<number of the source by name>. A bucket in
    which no whole sequence begins gets no task, so that no file is empty. Raises PackError where nothing
    fills a sequence.
    """
    train = list(range(config.buckets))
    tasks = _stream_tasks(TRAIN, train, sizes, config)
    tokens = {TRAIN: sum(sizes.get(bucket, 0) for bucket in train)}
    for number, source in enumerate(sorted(sources)):
        bucket = config.buckets + number
        tasks += _stream_tasks(VALIDATION, [bucket], sizes, config)
        tokens[f"{VALIDATION}/{source}"] = sizes.get(bucket, 0)
    if tokens[TRAIN] <= config.context:
        raise PackError(
            f"{tokens[TRAIN]} training tokens do not fill one sequence of {config.context + 1}: "
            "give the job more text or lower config key ops.pretraining.config.context"
        )
    return PackPlan(tasks, tokens, {stream: n % (config.context + 1) for stream, n in tokens.items()})


def _stream_tasks(split: str, buckets: list[int], sizes: Mapping[int, int], config: PackConfig) -> list[Task]:
    length = config.context + 1
    counts = [sizes.get(bucket, 0) for bucket in buckets]
    ends = np.cumsum(counts).tolist()
    whole = ends[-1] // length * length
    tasks = []
    for bucket, count, end in zip(buckets, counts, ends, strict=True):
        start = end - count
        skip, need = -start % length, -end % length
        if start + skip >= min(end, whole):
            continue
        followers = [
            b for b, n, e in zip(buckets, counts, ends, strict=True) if n and end <= e - n < end + need
        ]
        number = bucket if split == TRAIN else bucket - config.buckets
        payload = {"bucket": bucket, "tokens": count, "skip": skip, "need": need, "followers": followers}
        tasks.append(Task(f"{split}-{number:05d}", {"split": split, **payload}))
    return tasks


def lay_out(tables: Sequence[pa.Table], end_of_text: int) -> Documents:
    """Documents of `read_bucket` tables one behind the other, each followed by `end_of_text`."""
    table = pa.concat_tables(tables).combine_chunks()
    ids = table["input_ids"].combine_chunks()
    sizes = ids.value_lengths().to_numpy().astype(np.int64) + 1
    ends = np.cumsum(sizes)
    tokens = np.full(int(sizes.sum()), end_of_text, np.int32)
    is_text = np.ones(len(tokens), bool)
    is_text[ends - 1] = False
    tokens[is_text] = ids.flatten().to_numpy()
    return Documents(tokens, ends - sizes, table["doc_id"].combine_chunks(), table["source"].combine_chunks())


def cut(documents: Documents, skip: int, context: int, split: str) -> pa.Table:
    """All whole sequences from token `skip` on, as rows of schemas.pretraining_schema(context).

    A document that spans sequences is named in each; its boundary in the later ones is 0. The row's source
    is the one with most tokens in it, the first by name where several have as many.
    """
    length = context + 1
    n = max(len(documents.tokens) - skip, 0) // length
    begins = skip + np.arange(n, dtype=np.int64) * length
    first = np.searchsorted(documents.starts, begins, side="right") - 1
    behind = np.searchsorted(documents.starts, begins + length, side="left")
    sizes = behind - first
    row = np.repeat(np.arange(n), sizes)
    offsets = np.cumsum([0, *sizes]).astype(np.int32)
    document = np.arange(len(row)) - offsets[:-1][row] + first[row]
    starts = np.maximum(documents.starts[document] - begins[row], 0)
    ends = np.append(starts[1:], length)
    ends[offsets[1:] - 1] = length
    sources = documents.sources.take(pa.array(document))
    values = documents.tokens[skip : skip + n * length]

    def lists(flat: pa.Array) -> pa.ListArray:
        return pa.ListArray.from_arrays(pa.array(offsets), flat)

    columns = {
        "input_ids": pa.FixedSizeListArray.from_arrays(pa.array(values, pa.int32()), length),
        "source": _main_sources(sources, row, ends - starts, n),
        "doc_ids": lists(documents.doc_ids.take(pa.array(document))),
        "sources": lists(sources),
        "boundaries": lists(pa.array(starts, pa.int32())),
        "split": pa.array([split] * n, pa.string()),
    }
    return pa.table(columns, schema=pretraining_schema(context).schema)


def _main_sources(
    sources: pa.Array, row: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64], n: int
) -> pa.Array:
    coded = sources.dictionary_encode()
    names = coded.dictionary.take(pc.sort_indices(coded.dictionary))
    code = pc.index_in(coded.dictionary, names).to_numpy()[coded.indices.to_numpy()]
    counts = np.zeros((n, max(len(names), 1)), np.int64)
    np.add.at(counts, (row, code), sizes)
    return names.take(pa.array(counts.argmax(axis=1)))


@dataclass(frozen=True)
class PackStage(Stage):
    """One bucket of every file in `buckets`/`shards` → one file of sequences; tasks come from
    `plan_packing`.
    """

    name: ClassVar[str] = "pack"
    version: ClassVar[int] = 1

    buckets: str
    shards: list[str]
    end_of_text: int
    config: PackConfig

    @property
    def outputs(self) -> tuple[DatasetSchema, ...]:
        """The packed dataset."""
        return (pretraining_schema(self.config.context),)

    def process(self, task: Task, out: ShardOutput) -> None:
        """Pack the bucket that the task names, with the head of those behind it."""
        given = task.payload
        tables = [read_bucket(self.buckets, self.shards, given["bucket"])]
        self._check(tables[0], given["tokens"])
        need = given["need"]
        for follower in given["followers"]:
            tables.append(read_bucket(self.buckets, self.shards, follower, need))
            need -= tokens_of(tables[-1])
        documents = lay_out(tables, self.end_of_text)
        # Tokens behind `need` belong to the next bucket's sequences.
        documents = documents._replace(tokens=documents.tokens[: given["tokens"] + given["need"]])
        rows = cut(documents, given["skip"], self.config.context, given["split"])
        out.write("pretraining", rows, ROW_GROUP)
        out.count("sequences", rows.num_rows)
        out.count(f"tokens:{given['split']}", rows.num_rows * (self.config.context + 1))

    def _check(self, table: pa.Table, expected: int) -> None:
        found = tokens_of(table)
        if found != expected:
            raise PackError(
                f"{self.buckets}: a bucket holds {found} tokens, planned were {expected}; run the job again"
            )


def tokens_of(table: pa.Table) -> int:
    """Tokens of a `read_bucket` table, end of text included."""
    return int(pc.sum(pc.list_value_length(table["input_ids"])).as_py() or 0) + table.num_rows
