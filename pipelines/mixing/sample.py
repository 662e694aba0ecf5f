"""A sample of texts that does not depend on how the corpus is cut: the rows with the smallest draws by id."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.engine.dataset import iter_shard
from pipelines.engine.runner import ShardOutput, Stage, Task
from pipelines.schemas import CORPUS, DatasetSchema
from text.hashing import uniform

TEXT_SAMPLE = DatasetSchema(
    "text_sample",
    1,
    pa.schema(
        [
            pa.field("doc_id", pa.string(), False, {"meaning": "id of the piece"}),
            pa.field("source", pa.string(), False, {"meaning": "name of the source in the run config"}),
            pa.field("text", pa.string(), False, {"meaning": "text of the piece"}),
        ]
    ),
)


class Sampler:
    """Per source, the texts with the smallest uniform(id, seed, purpose) until their bytes reach the budget.

    The first text that crosses the budget is still taken, whole. Rows may come in any order and any number of
    batches, and samples of parts may be added as rows again: the result is the same. Memory holds about
    twice the sample plus one batch. A source that is missing in `budgets` (bytes by source) is left out.
    """

    def __init__(self, budgets: Mapping[str, int], seed: int, purpose: str) -> None:
        self._budgets = dict(budgets)
        self._seed = seed
        self._purpose = purpose
        self._kept = TEXT_SAMPLE.schema.empty_table()
        self._prune_above = 2 * sum(self._budgets.values())

    def add(self, rows: pa.Table | pa.RecordBatch) -> None:
        """Offer rows with the columns doc_id, source and text."""
        table = pa.Table.from_batches([rows]) if isinstance(rows, pa.RecordBatch) else rows
        wanted = pc.is_in(table["source"], pa.array(list(self._budgets), pa.string()))
        fresh = table.select(TEXT_SAMPLE.schema.names).filter(wanted)
        self._kept = pa.concat_tables([self._kept, fresh.cast(TEXT_SAMPLE.schema)])
        if self._kept.nbytes > self._prune_above:
            self._prune()
            self._prune_above = max(self._prune_above, 2 * self._kept.nbytes)

    def table(self) -> pa.Table:
        """The sample in TEXT_SAMPLE form, sorted by doc_id."""
        self._prune()
        return self._kept.sort_by([("doc_id", "ascending"), ("source", "ascending")])

    def _prune(self) -> None:
        """Drop what can no longer be in the sample: more rows can only push a row further back."""
        kept = self._kept
        draws = uniform(kept["doc_id"].combine_chunks(), self._seed, self._purpose)
        order = pc.sort_indices(
            pa.table({"source": kept["source"], "draw": draws, "id": kept["doc_id"]}),
            sort_keys=[("source", "ascending"), ("draw", "ascending"), ("id", "ascending")],
        )
        kept = kept.take(order)
        sizes = pc.binary_length(kept["text"]).to_numpy().astype(np.int64)
        sources = kept["source"].combine_chunks().dictionary_encode()
        limits = np.array([self._budgets[name] for name in sources.dictionary.to_pylist()], np.int64)
        codes = sources.indices.to_numpy()
        before = np.cumsum(sizes) - sizes
        first = np.searchsorted(codes, np.arange(len(limits)))
        inside = before - before[first][codes] < limits[codes] if len(codes) else np.zeros(0, bool)
        self._kept = kept.filter(pa.array(inside)).combine_chunks()


def sample(rows: Iterable[pa.Table], budgets: Mapping[str, int], seed: int, purpose: str) -> pa.Table:
    """The sample of all `rows`, as Sampler says."""
    sampler = Sampler(budgets, seed, purpose)
    for table in rows:
        sampler.add(table)
    return sampler.table()


@dataclass(frozen=True)
class SampleStage(Stage):
    """Corpus shard → its own sample, so that the sample of the corpus is taken from the shards' samples."""

    name: ClassVar[str] = "sample"
    version: ClassVar[int] = 1

    corpus: str
    budgets: dict[str, int]
    seed: int
    purpose: str

    @property
    def outputs(self) -> tuple[DatasetSchema, ...]:
        """The one dataset of sampled texts."""
        return (TEXT_SAMPLE,)

    def process(self, task: Task, out: ShardOutput) -> None:
        """Sample the corpus shard that has the task's name."""
        rows = iter_shard(self.corpus, task.name, CORPUS, ["doc_id", "source", "text"])
        out.write(TEXT_SAMPLE.name, sample(rows, self.budgets, self.seed, self.purpose))
