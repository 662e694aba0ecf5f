"""Small corpora for the tests of the token stages."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.ids import payload_digest
from pipelines.schemas import CORPUS, TOKENS, DatasetSchema


def corpus_table(texts: Sequence[tuple[str, str]], first: int = 0) -> pa.Table:
    """CORPUS rows of (source, text) with ids by their number from `first`."""
    ids = [payload_digest(str(first + i).encode()) for i in range(len(texts))]
    return pa.table(
        {
            "doc_id": ids,
            "parent_id": ids,
            "source": [source for source, _ in texts],
            "url": [f"https://host{i % 3}.example.org/{i}" for i in range(len(texts))],
            "language": ["en"] * len(texts),
            "text": [text for _, text in texts],
            "n_bytes": [len(text.encode()) for _, text in texts],
            "n_words": [len(text.split()) for _, text in texts],
        },
        schema=CORPUS.schema,
    )


def write_shards(folder: Path, schema: DatasetSchema, rows: pa.Table, n: int) -> list[str]:
    """Deal the rows out to `n` shards, small row groups; return the shards' names."""
    folder.mkdir(parents=True)
    names = []
    for shard in range(n):
        part = rows.take(pa.array(range(shard, rows.num_rows, n), pa.int64()))
        names.append(f"shard-{shard:05d}")
        pq.write_table(part.cast(schema.schema), folder / f"{names[-1]}.parquet", row_group_size=7)
    return names


def tokens_table(n: int, longest: int = 30) -> pa.Table:
    """TOKENS rows of the sources a, b and c, a fifth held out; tokens count up over the table from 10."""
    ids = [payload_digest(str(i).encode()) for i in range(n)]
    lengths = [int(doc_id[:4], 16) % (longest + 1) for doc_id in ids]
    starts = [10 + sum(lengths[:i]) for i in range(n)]
    return pa.table(
        {
            "doc_id": ids,
            "source": ["aabc"[i % 4] for i in range(n)],
            "split": ["validation" if int(doc_id[4:8], 16) % 5 == 0 else "train" for doc_id in ids],
            "input_ids": [
                list(range(start, start + size)) for start, size in zip(starts, lengths, strict=True)
            ],
        },
        schema=TOKENS.schema,
    )
