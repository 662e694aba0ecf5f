"""Snapshots on disk as the steps before deduplication leave them, published under a data root."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dedup.minhash import MinHashConfig
from pipelines.deduplication.sketch import schema_of, sketch
from pipelines.engine.runner import digest
from pipelines.ids import document_id
from pipelines.schemas import DOCUMENTS, SELECTION, SIGNALS
from tests.pipelines.tables import filled

ROLES = {"books": "books1", "crawl": "crawl"}


def snapshot_rows(name: str, texts: list[str]) -> list[dict[str, Any]]:
    """Documents of one snapshot."""
    rows = []
    for i, text in enumerate(texts):
        url = f"https://{name}.example/{i}"
        rows.append(
            {"doc_id": document_id("crawl", name, url, text), "snapshot": name, "url": url, "text": text}
        )
    return rows


def publish_world(root: Path, rows: list[dict[str, Any]], minhash: MinHashConfig, shards: int = 2) -> None:
    """documents, signals, sketches and selection of the rows, dealt to shards."""
    parts = [rows[i::shards] for i in range(shards)]
    tables: dict[str, list[pa.Table]] = {"documents": [], "signals": [], "sketches": [], "selection": []}
    for part in parts:
        ids = [row["doc_id"] for row in part]
        columns = {name: [row[name] for row in part] for name in ("doc_id", "snapshot", "url", "text")}
        words = [len(row["text"].split()) for row in part]
        documents = filled(
            DOCUMENTS, {**columns, "source": [row.get("source", "crawl") for row in part], "n_words": words}
        )
        tables["documents"].append(documents)
        quality = [int(doc_id[:2], 16) / 255 for doc_id in ids]
        tables["signals"].append(filled(SIGNALS, {"doc_id": ids, "quality_score": quality}))
        tables["sketches"].append(schema_of(minhash).conform(sketch(documents, minhash), "sketches"))
        keep = [not row["text"].startswith("bad") for row in part]
        reasons = ["kept" if each else "quality" for each in keep]
        tables["selection"].append(filled(SELECTION, {"doc_id": ids, "keep": keep, "reason": reasons}))
    version = "v-" + digest([[row["doc_id"] for row in rows], minhash.model_dump(mode="json")])[:16]
    told = {"roles": ROLES, "minhash": minhash.model_dump(mode="json"), "is_demo": False}
    for name, made in tables.items():
        _write(root / name, name, version, made, told)


def _write(folder: Path, name: str, version: str, tables: list[pa.Table], details: dict[str, Any]) -> None:
    (folder / version).mkdir(parents=True)
    shards = []
    for i, table in enumerate(tables):
        # Small row groups: stages have to count rows over several.
        pq.write_table(table, folder / version / f"shard-{i:05d}.parquet", row_group_size=7)
        shards.append({"name": f"shard-{i:05d}", "rows": table.num_rows, "bytes": table.nbytes})
    manifest = {
        "dataset": name,
        "version": version,
        "shards": shards,
        "rows": sum(shard["rows"] for shard in shards),
        "counts": {},
        "row_hash": "",
        "details": details,
    }
    (folder / version / "_manifest.json").write_text(json.dumps(manifest))
    (folder / "CURRENT.json").write_text(json.dumps({"dataset": name, "version": version}))


def near_copies(seed: int, n: int = 60) -> list[str]:
    """Texts of ten families with up to a quarter of the words dropped, and some copies with other spaces."""
    rng = np.random.default_rng(seed)
    texts = []
    for i in range(n):
        if i % 9 == 8:
            texts.append(texts[int(rng.integers(len(texts)))] + "\n")
            continue
        family = int(rng.integers(10)) * 1000
        dropped = set(rng.choice(120, rng.integers(0, 30), replace=False).tolist())
        texts.append(" ".join(f"w{family + k}" for k in range(120) if k not in dropped))
    return texts


class InProcess:
    """What the runner uses of a Spark session, here and now: a range, one task a number, collected."""

    def range(self, start: int, end: int, step: int, partitions: int) -> "InProcess":
        self._numbers = list(range(start, end, step))
        return self

    def mapInArrow(self, work: Any, schema: str) -> "InProcess":
        batches = iter([pa.RecordBatch.from_pydict({"id": self._numbers})])
        self._rows = [row for batch in work(batches) for row in batch.to_pylist()]
        return self

    def collect(self) -> list[dict[str, Any]]:
        return self._rows
