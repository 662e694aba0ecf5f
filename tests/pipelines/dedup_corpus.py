"""Row-aligned documents, signals and sketches for tests of deduplication, in memory and on disk."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dedup.minhash import MinHashConfig
from pipelines.deduplication.document_rows import RowsInMemory, StoredRows
from pipelines.deduplication.sketch import schema_of, sketch
from pipelines.schemas import DOCUMENTS, SIGNALS
from text.hashing import digest128, uniform

RANKS = {"books": 0, "crawl": 1}
# One row a band: every similar pair becomes a candidate, so that brute force is an exact oracle.
UNIGRAMS = MinHashConfig(ngram=1, rows=1)
MINHASH = MinHashConfig()
TABLES = ("documents", "signals", "sketches")


def everything(shard: str, documents: pa.Table) -> np.ndarray:
    return np.ones(len(documents), dtype=bool)


def corpus(
    texts: list[str], minhash: MinHashConfig, sources: list[str] | None = None, **given: list[Any]
) -> dict[str, pa.Table]:
    """The three row-aligned tables; ids, qualities and sources come from the text's number."""
    n = len(texts)
    ids = digest128(pa.array([f"{i}" for i in range(n)]))
    sources = sources or [("crawl", "books")[i % 7 == 0] for i in range(n)]
    blank = [""] * n
    columns: dict[str, Any] = dict.fromkeys(DOCUMENTS.schema.names, blank)
    columns |= {
        "doc_id": ids,
        "source": sources,
        "text": texts,
        "fetched_at": pa.nulls(n, DOCUMENTS.schema.field("fetched_at").type),
    }
    columns |= {"n_bytes": [len(t.encode()) for t in texts], "n_words": [len(t.split()) for t in texts]}
    columns |= {name: given[name] for name in columns.keys() & given.keys()}
    documents = pa.table([columns[name] for name in DOCUMENTS.schema.names], schema=DOCUMENTS.schema)
    quality = np.round(uniform(ids, 0, "quality"), 1)
    signals = pa.table(
        [ids, given.get("language", ["en"] * n), given.get("language_score", [1.0] * n), quality],
        schema=SIGNALS.schema,
    )
    sketches = schema_of(minhash).conform(sketch(documents, minhash), "sketches")
    return {"documents": documents, "signals": signals, "sketches": sketches}


def sharded(
    tables: dict[str, pa.Table], shards: int, seed: int | None = None, minhash: MinHashConfig = MINHASH
) -> RowsInMemory:
    """The rows of `tables`, shuffled if there is a seed, dealt to shards of unequal size."""
    n = len(tables["documents"])
    rows = np.arange(n) if seed is None else np.random.default_rng(seed).permutation(n)
    cuts = np.sort(np.random.default_rng(shards).integers(0, n + 1, shards - 1))
    parts = [pa.array(part) for part in np.split(rows, cuts)]
    dealt = {name: [table.take(part) for part in parts] for name, table in tables.items()}
    return RowsInMemory(dealt, tuple(f"shard-{i:05d}" for i in range(shards)), minhash)


def words(first: int, last: int) -> str:
    return " ".join(f"w{i}" for i in range(first, last))


def clustered_texts(seed: int, n: int = 80) -> list[str]:
    """Texts in families of one template with edits, copies with other white space, a few without words."""
    rng = np.random.default_rng(seed)
    texts = []
    for number in range(n):
        if number % 11 == 5:
            texts.append(texts[rng.integers(len(texts))] + "\n")
        elif number % 13 == 6:
            texts.append(("", " ", "?!")[number % 3])
        else:
            family = rng.integers(10) * 1000
            dropped = rng.choice(120, rng.integers(0, 30), replace=False)
            texts.append(" ".join(f"w{family + i}" for i in range(120) if i not in set(dropped.tolist())))
    return texts


def stored(rows: RowsInMemory, root: Path) -> StoredRows:
    """The same rows as version folders, in row groups of 16."""
    for name in TABLES:
        (root / name).mkdir(parents=True)
        for shard, table in zip(rows.shards, rows.tables[name], strict=True):
            pq.write_table(table, root / name / f"{shard}.parquet", row_group_size=16)
    return StoredRows(*(str(root / name) for name in TABLES), shards=rows.shards, minhash=rows.minhash)
