"""Our own deduplication as one more tool of benchmarks.peer_dedup: the same work, files and figures.

    python -m benchmarks.own_dedup WORK INPUT OUTPUT [BANDS ROWS]

- signatures  the stage documents -> sketches, Parquet to Parquet
- dedup       the same, then duplicates_in_memory, then the kept documents as Parquet
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.peer_dedup import LEAST_SECONDS, measured, write_kept
from dedup.config import DedupConfig
from dedup.minhash import MinHashConfig, signature_matrix_of
from dedup.near import near_duplicates
from pipelines.deduplication.deduplicate import duplicates_in_memory
from pipelines.deduplication.document_rows import RowsInMemory
from pipelines.deduplication.sketch import SketchStage
from pipelines.engine.runner import Task, run_locally
from pipelines.schemas import SIGNALS
from text.ngrams import Grams

WARM = pa.array(["one two three four five six", "one two three four five six seven", "eight"] * 40)


def everything(shard: str, documents: pa.Table) -> npt.NDArray[np.bool_]:
    """No document is left out beforehand."""
    return np.ones(len(documents), dtype=bool)


def signals_of(documents: pa.Table) -> pa.Table:
    """Signals that prefer no document."""
    n = len(documents)
    columns = [
        documents["doc_id"],
        pa.array(["en"] * n),
        pa.array([1.0] * n, pa.float32()),
        pa.array([0.5] * n),
    ]
    return pa.table(columns, schema=SIGNALS.schema)


class Own:
    """Kernel, sketch stage, in-memory deduplication and single pairs, all from file to file."""

    def __init__(self, bands: int = 14, rows: int = 8) -> None:
        self.minhash = MinHashConfig(num_perm=max(112, bands * rows), bands=bands, rows=rows)
        near_duplicates(WARM, self.minhash, DedupConfig())

    def kernel(self, hashes: np.ndarray, offsets: np.ndarray) -> None:
        """Signatures of given shingles."""
        signature_matrix_of(Grams(hashes, offsets), self.minhash)

    def sketch(self, source: str, folder: str) -> str:
        """Path of the sketches of a documents file, made under `folder`."""
        path = Path(source)
        run_locally(SketchStage(str(path.parent), self.minhash), [Task(path.stem, {})], folder)
        return str(Path(folder, "sketches", path.name))

    def signatures(self, source: str, target: str) -> None:
        """The stage documents -> sketches."""
        with tempfile.TemporaryDirectory(dir=Path(target).parent) as folder:
            self.sketch(source, folder)

    def dedup(self, source: str, target: str) -> None:
        """Documents to kept documents."""
        with tempfile.TemporaryDirectory(dir=Path(target).parent) as folder:
            sketches = pq.read_table(self.sketch(source, folder))
            documents = pq.read_table(source)
            tables = {"documents": [documents], "signals": [signals_of(documents)], "sketches": [sketches]}
            rows = RowsInMemory(tables, (Path(source).stem,), self.minhash)
            ranks = dict.fromkeys(pc.unique(documents["source"]).to_pylist(), 0)
            gone = duplicates_in_memory(rows, everything, ranks, DedupConfig())["doc_id"]
            kept = documents.filter(pc.invert(pc.is_in(documents["doc_id"], gone.combine_chunks())))
            pq.write_table(kept, Path(folder, "kept.parquet"), compression="zstd")
        write_kept(target, kept["doc_id"].to_pylist())

    def pairs(self, source: str, target: str) -> None:
        """Whether each pair by itself would be merged."""
        table = pq.read_table(source, columns=["text_a", "text_b"])
        merged = [
            near_duplicates(pa.array(pair), self.minhash, DedupConfig()).survivor.tolist() != [0, 1]
            for pair in zip(*(column.to_pylist() for column in table.columns), strict=True)
        ]
        write_kept(target, (str(int(one)) for one in merged))


def perform(own: Own, work: str, source: str, target: str) -> dict[str, Any]:
    """Do one kind of work and say what it took."""
    if work == "kernel":
        given = np.load(source)
        hashes, offsets = given["hashes"], given["offsets"]
        return measured(lambda: own.kernel(hashes, offsets))
    least = 0.0 if work == "pairs" else LEAST_SECONDS
    if work != "pairs":
        # Kernels may have to be compiled, which takes longer than all that is measured.
        getattr(own, work)(source, target)
    return measured(lambda: getattr(own, work)(source, target), least)


def main(work: str, source: str, target: str, *banding: str) -> None:
    """Print the figures."""
    print(json.dumps({"version": "this", **perform(Own(*map(int, banding)), work, source, target)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
