"""Stage documents -> sketches: exact hash, MinHash signature and LSH keys of every document, row for row."""

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from dedup.exact import exact_hashes
from dedup.lsh import band_keys
from dedup.minhash import MinHashConfig, count_distinct, shingles, signature_array, signature_matrix_of
from pipelines.engine.dataset import iter_shard
from pipelines.engine.runner import RECORDS, ShardOutput, Stage, Task
from pipelines.schemas import DOCUMENTS, DatasetSchema, sketches_schema


@dataclass(frozen=True)
class SketchStage(Stage):
    """Sketches of the documents in the version folder `documents`, one row group at a time."""

    name: ClassVar[str] = "sketch"
    version: ClassVar[int] = 1

    documents: str
    config: MinHashConfig

    @property
    def outputs(self) -> tuple[DatasetSchema, ...]:
        """The one dataset that is written."""
        return (schema_of(self.config),)

    def process(self, task: Task, out: ShardOutput) -> None:
        """Sketch the shard that has the task's name."""
        (schema,) = self.outputs
        for documents in iter_shard(self.documents, task.name, DOCUMENTS, ["doc_id", "text"]):
            table = sketch(documents, self.config)
            out.write(schema.name, table)
            out.count(RECORDS, table.num_rows)


def schema_of(config: MinHashConfig) -> DatasetSchema:
    """The schema of `sketches` made with `config`."""
    return sketches_schema(config.num_perm, config.bands)


def sketch(documents: pa.Table, config: MinHashConfig) -> pa.Table:
    """Rows of `sketches` for rows with `doc_id` and `text`."""
    texts = documents.column("text")
    grams = shingles(texts, config)
    signatures = signature_matrix_of(grams, config)
    keys = pa.array(band_keys(signatures, config).reshape(-1))
    columns = {
        "doc_id": documents.column("doc_id"),
        "exact_hash": exact_hashes(texts),
        "n_shingles": pa.array(count_distinct(grams)),
        "signature": signature_array(signatures),
        "band_keys": pa.FixedSizeListArray.from_arrays(keys, config.bands),
    }
    return pa.table(columns)
