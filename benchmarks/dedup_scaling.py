"""Deduplication of 10 thousand, 100 thousand and 1 million documents on Spark: seconds by step, peak memory.

    python -m benchmarks.dedup_scaling FOLDER [--documents 10000 100000 1000000] [--scratch FOLDER] [--json FILE]

FOLDER: a version folder of the dataset documents, whose texts are cut into runs of 30 to 60 words; a generated
document is four of them, drawn by its number alone. Of every 20 documents one repeats an earlier one, one
is an earlier one with a few words changed, and two carry the same long template around their own text. Shards
hold 10,000 documents and are written before the clock starts. One million documents take about 1.5 GB of disk.

Each size runs in fresh processes on local[2]: the stage documents -> sketches by the shard runner, then
pipelines.deduplication.deduplicate, texts read back for verification included. Its steps are told apart by Spark's
own event log. Seconds are by the clock and by processor; memory is the high-water mark of each process.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.dedup_sets import real_texts
from benchmarks.own_dedup import everything, signals_of
from benchmarks.process_tree import TreeWatch
from dedup.config import DedupConfig
from dedup.minhash import MinHashConfig
from pipelines.deduplication.deduplicate import deduplicate
from pipelines.deduplication.document_rows import StoredRows
from pipelines.deduplication.sketch import SketchStage
from pipelines.engine.dataset import DatasetVersion
from pipelines.engine.runner import run_stage, shard_tasks
from pipelines.engine.spark import LazySession, SparkConfig
from pipelines.schemas import DOCUMENTS
from text.hashing import digest128
from text.words import count_words

SHARD_ROWS, BATCH_ROWS = 10_000, 1_000
PIECES, PERIOD = 4, 20
LEAST_PIECE, MOST_PIECE = 30, 60
TEMPLATE_WORDS = 80
STEPS = ("sketch", "candidates", "verification", "components and survivors")
SPARK = SparkConfig(master="local[2]", driver_memory="2g", shuffle_partitions=8)


def pieces(folder: Path) -> list[str]:
    """Runs of words of real texts, in their order."""
    draw, found = np.random.default_rng(0), []
    for text in real_texts(folder)[0]:
        words = text.split()
        while len(words) >= MOST_PIECE:
            n = int(draw.integers(LEAST_PIECE, MOST_PIECE + 1))
            found.append(" ".join(words[:n]))
            words = words[n:]
    return found


class Generator:
    """Document number i, whatever was made before it."""

    def __init__(self, runs: list[str]) -> None:
        self.runs = runs
        self.template = " ".join(runs[:4]).split()[:TEMPLATE_WORDS]

    def own(self, number: int) -> str:
        """A text that is like no other but by chance."""
        draw = np.random.default_rng(number)
        return "\n\n".join(self.runs[i] for i in draw.integers(0, len(self.runs), PIECES))

    def text(self, number: int) -> str:
        """The text of a number: its kind goes by number modulo PERIOD."""
        kind, base = number % PERIOD, number - number % PERIOD
        if kind == 1:
            return self.own(base)
        if kind == 2:
            words = self.own(base).split(" ")
            words[len(words) // 3] = words[len(words) // 2] = f"word{number}"
            return " ".join(words)
        if kind in (3, 4):
            half = TEMPLATE_WORDS // 2
            return " ".join([*self.template[:half], self.own(number), *self.template[half:]])
        return self.own(number)


def make(folder: Path, n: int, generator: Generator) -> None:
    """Row-aligned documents and signals of `n` texts."""
    for name in ("documents", "signals"):
        (folder / name).mkdir(parents=True)
    for start in range(0, n, SHARD_ROWS):
        shard = f"shard-{start // SHARD_ROWS:05d}.parquet"
        paths = [folder / "documents" / shard, folder / "signals" / shard]
        writers = None
        for first in range(start, min(n, start + SHARD_ROWS), BATCH_ROWS):
            documents = _rows([generator.text(i) for i in range(first, min(n, first + BATCH_ROWS))], first)
            tables = [documents, signals_of(documents)]
            writers = writers or [
                pq.ParquetWriter(path, table.schema, compression="zstd", compression_level=1)
                for path, table in zip(paths, tables, strict=True)
            ]
            for writer, table in zip(writers, tables, strict=True):
                writer.write_table(table)
        for writer in writers or []:
            writer.close()


def _rows(texts: list[str], first: int) -> pa.Table:
    n, column = len(texts), pa.array(texts, pa.string())
    columns: dict[str, Any] = dict.fromkeys(DOCUMENTS.schema.names, [""] * n)
    columns |= {"doc_id": digest128(pa.array([str(first + i) for i in range(n)])), "text": column}
    columns |= {"source": ["crawl"] * n, "n_words": count_words(column)}
    columns["n_bytes"] = [len(text.encode()) for text in texts]
    columns["fetched_at"] = pa.nulls(n, DOCUMENTS.schema.field("fetched_at").type)
    return pa.table([columns[name] for name in DOCUMENTS.schema.names], schema=DOCUMENTS.schema)


def work(folder: Path) -> dict[str, Any]:
    """Sketch and deduplicate what `make` left in `folder`; when each of STEPS began and the last ended, counts."""
    log = folder / "events"
    log.mkdir()
    events = {"enabled": "true", "dir": log.as_uri(), "rolling.enabled": "false", "compress": "false"}
    conf = [f"spark.eventLog.{key}={value}" for key, value in events.items()]
    spark = LazySession(SPARK.model_copy(update={"conf": conf}))
    shards = sorted(path.stem for path in (folder / "documents").glob("*.parquet"))
    rows = sum(pq.read_metadata(path).num_rows for path in (folder / "documents").glob("*.parquet"))
    manifest = {"dataset": "documents", "version": "v-0", "shards": [{"name": name} for name in shards]}
    documents = DatasetVersion(str(folder / "documents"), manifest | {"rows": rows})
    # The first job starts the workers' daemon, which loads the kernels: that is not deduplication.
    spark().range(0, 2, 1, 2).mapInArrow(lambda batches: batches, "id long").collect()
    marks = [time.time()]
    stage = SketchStage(documents.folder, MinHashConfig())
    sketches = run_stage(spark, str(folder), stage, shard_tasks(documents), [documents])["sketches"]
    marks.append(time.time())
    stored = StoredRows(
        documents.folder, str(folder / "signals"), sketches.folder, tuple(shards), MinHashConfig()
    )
    counts: Counter[str] = Counter()
    found = deduplicate(spark(), stored, everything, {"crawl": 0}, DedupConfig(), counts)
    marks.append(time.time())
    spark.stop()
    marks[2:2] = compared(next(log.iterdir()), marks[1])
    return {"documents": rows, "marks": marks, "duplicates": len(found), "counts": dict(counts)}


def compared(log: Path, start: float) -> tuple[float, float]:
    """When the comparing of candidates began and ended, by the event log of what ran from `start` on.

    Of the stages that run Python the first makes keys, the second candidates; the next four compare them (sketches
    read, similarities estimated, texts read, similarities measured); what comes after is the driver's.
    """
    stages = []
    with log.open() as lines:
        for line in lines:
            event = json.loads(line)
            if event["Event"] == "SparkListenerStageCompleted":
                info = event["Stage Info"]
                began, done = info["Submission Time"] / 1e3, info["Completion Time"] / 1e3
                if began >= start:
                    names = {json.loads(rdd["Scope"])["name"] for rdd in info["RDD Info"] if "Scope" in rdd}
                    stages.append((began, done, names))
    mapped = [stage for stage in sorted(stages) if "MapInArrow" in stage[2]]
    return mapped[2][0], mapped[5][1]


def measure(folder: Path) -> dict[str, Any]:
    """`work` in a fresh process, watched."""
    command = [sys.executable, "-m", "benchmarks.dedup_scaling", str(folder), "--work"]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process,
        TreeWatch(process.pid) as watch,
    ):
        output, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"{folder}: the measured process ended with {process.returncode}")
    told = dict(json.loads(output.splitlines()[-1]))
    steps = list(zip(STEPS, pairwise(told.pop("marks")), strict=True))
    clock = {step: end - start for step, (start, end) in steps}
    cpu = {step: watch.cpu_between(start, end) for step, (start, end) in steps}
    return told | {"seconds": clock, "cpu_by_step": cpu, "cpu_seconds": watch.cpu, "peak_mb": watch.peaks}


def show(told: dict[str, Any]) -> None:
    """Some lines for one size."""
    n = told["documents"]
    print(
        f"\n{n:,} documents, {told['megabytes']:.0f} MB: {told['duplicates']:,} duplicates, {told['counts']}"
    )
    for step, seconds in told["cpu_by_step"].items():
        clock = told["seconds"][step]
        each = seconds / n * 1e6
        print(
            f"  {step:26s} {seconds:8.1f} s of processor {each:8.1f} us a document {clock:8.1f} s by the clock"
        )
    for name, unit in (("cpu_seconds", "s of processor"), ("peak_mb", "MB at most")):
        print(f"  {unit}: " + ", ".join(f"{kind} {value:.0f}" for kind, value in told[name].items()))


def main() -> None:
    """Generate, measure, print, one size after the other."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--documents", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--scratch", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        print(json.dumps(work(arguments.folder)))
        return
    os.environ["OMP_NUM_THREADS"] = "1"
    generator = Generator(pieces(arguments.folder))
    figures = []
    for n in arguments.documents:
        with tempfile.TemporaryDirectory(dir=arguments.scratch) as scratch:
            folder = Path(scratch)
            started = time.process_time()
            make(folder, n, generator)
            print(f"made {n:,} documents in {time.process_time() - started:.0f} s", file=sys.stderr)
            files = (folder / "documents").glob("*.parquet")
            size = sum(int(np.sum(pq.read_table(path, columns=["n_bytes"])["n_bytes"])) for path in files)
            told = measure(folder) | {"megabytes": size / 1e6}
        show(told)
        figures.append(told)
    print(json.dumps(figures))
    if arguments.json:
        arguments.json.write_text(json.dumps(figures))


if __name__ == "__main__":
    main()
