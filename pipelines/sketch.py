"""Stage documents -> sketches: exact hash, MinHash signature and LSH keys of every document, row for row."""

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from dedup.exact import exact_hashes
from dedup.lsh import band_keys
from dedup.minhash import MinHashConfig, count_distinct, shingles, signature_array, signature_matrix_of
from pipelines.dataset import iter_shard
from pipelines.runner import RECORDS, ShardOutput, Stage, Task
from pipelines.schemas import BANDS, DOCUMENTS, SIGNATURE_LENGTH, SKETCHES, DatasetSchema


@dataclass(frozen=True)
class SketchStage(Stage):
    """Sketches of the documents in the version folder `documents`, one row group at a time."""

    name: ClassVar[str] = "sketch"
    version: ClassVar[int] = 1

    documents: str
    config: MinHashConfig

    def __post_init__(self) -> None:
        if (self.config.num_perm, self.config.bands) != (SIGNATURE_LENGTH, BANDS):
            raise ValueError(
                f"minhash: num_perm = {self.config.num_perm} and bands = {self.config.bands}, but the "
                f"dataset 'sketches' holds {SIGNATURE_LENGTH} and {BANDS}; set these"
            )

    @property
    def outputs(self) -> tuple[DatasetSchema, ...]:
        """The one dataset that is written."""
        return (SKETCHES,)

    def process(self, task: Task, out: ShardOutput) -> None:
        """Sketch the shard that has the task's name."""
        for documents in iter_shard(self.documents, task.name, DOCUMENTS, ["doc_id", "text"]):
            table = sketch(documents, self.config)
            out.write(SKETCHES.name, table)
            out.count(RECORDS, table.num_rows)


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
