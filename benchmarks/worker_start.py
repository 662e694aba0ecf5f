"""What a run pays before its first shard: session, worker daemon with its imports and kernels, and a task after that.

python -m benchmarks.worker_start            # kernels compiled before
GRISTMILL_CACHE=$(mktemp -d) python -m benchmarks.worker_start   # kernels compiled here
"""

import json
import tempfile
import time
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from pipelines.engine.runner import ShardOutput, Stage, Task, run_stage
from pipelines.engine.spark import SparkConfig, session
from pipelines.schemas import DatasetSchema
from text.ngrams import ngrams
from text.words import segment

NOTHING = DatasetSchema("nothing", 1, pa.schema([pa.field("n", pa.int64(), False)]))


@dataclass(frozen=True)
class SegmentOnce(Stage):
    """Segments one short text: what is left of its time is start-up."""

    name: ClassVar[str] = "segment_once"
    version: ClassVar[int] = 1
    number: int = 0

    @property
    def outputs(self) -> tuple[DatasetSchema, ...]:
        return (NOTHING,)

    def process(self, task: Task, out: ShardOutput) -> None:
        words = ngrams(segment(pa.array(["one two three four five six"])), 5)
        out.write(NOTHING.name, pa.table({"n": [len(words.hashes)]}))


def main() -> None:
    """Print seconds as JSON."""
    times: dict[str, float] = {}
    started = time.perf_counter()
    spark = session(SparkConfig(master="local[2,4]"))
    spark.range(1).collect()
    times["session"] = time.perf_counter() - started
    with tempfile.TemporaryDirectory() as root:
        for number, name in enumerate(["first stage of 8 shards", "second", "third"]):
            tasks = [Task(f"shard-{i:05d}", {}) for i in range(8)]
            started = time.perf_counter()
            run_stage(spark, root, SegmentOnce(number), tasks)
            times[name] = time.perf_counter() - started
    spark.stop()
    print(json.dumps({name: round(seconds, 2) for name, seconds in times.items()}, indent=2))


if __name__ == "__main__":
    main()
