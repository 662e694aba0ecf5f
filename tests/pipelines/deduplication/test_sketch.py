from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dedup.exact import exact_hashes
from dedup.lsh import band_keys
from dedup.minhash import MinHashConfig, signature_matrix, signatures
from pipelines.deduplication.sketch import SketchStage, schema_of
from pipelines.engine.dataset import read_shard
from pipelines.engine.runner import StageError, Task, run_locally
from pipelines.schemas import DOCUMENTS, SchemaError

TEXTS = ["one two three four five six", "one  two", "", "一二三四五六", "one two three four five six seven"]


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    ids = [f"{i:032x}" for i in range(len(TEXTS))]
    blank = [""] * len(TEXTS)
    columns = dict.fromkeys(("source", "url", "snapshot", "payload_digest", "media_type", "charset"), blank)
    counts = pa.array([0] * len(TEXTS), pa.int64())
    columns |= {"doc_id": ids, "text": TEXTS, "n_bytes": counts, "n_words": counts}
    columns["fetched_at"] = pa.nulls(len(TEXTS), pa.timestamp("ms", tz="UTC"))
    table = pa.table([columns[name] for name in DOCUMENTS.schema.names], schema=DOCUMENTS.schema)
    folder = tmp_path / "documents"
    folder.mkdir()
    pq.write_table(table, folder / "shard-00000.parquet", row_group_size=2)
    return folder


def test_a_shard_of_sketches_says_of_every_document_what_the_pure_functions_say(
    documents: Path, tmp_path: Path
) -> None:
    stage = SketchStage(documents=str(documents), config=MinHashConfig())
    counts = run_locally(stage, [Task("shard-00000", {})], str(tmp_path / "out"))
    table = read_shard(str(tmp_path / "out" / "sketches"), "shard-00000", schema_of(MinHashConfig()))
    texts = pa.array(TEXTS)
    matrix = signature_matrix(signatures(texts, MinHashConfig()))
    assert counts == {"records": len(TEXTS)}
    assert table.column("doc_id").to_pylist() == [f"{i:032x}" for i in range(len(TEXTS))]
    assert table.column("exact_hash").to_pylist() == exact_hashes(texts).to_pylist()
    assert table.column("n_shingles").to_pylist() == [2, 1, 0, 2, 3]
    np.testing.assert_array_equal(signature_matrix(table.column("signature")), matrix)
    assert table.column("band_keys").to_pylist() == band_keys(matrix, MinHashConfig()).tolist()
    assert pq.ParquetFile(tmp_path / "out" / "sketches" / "shard-00000.parquet").num_row_groups == 3


def test_the_seed_is_part_of_the_fingerprint() -> None:
    first, second = (SketchStage("documents", MinHashConfig(seed=seed)).fingerprint() for seed in (1, 2))
    assert first != second


@pytest.mark.parametrize("config", [{"num_perm": 10, "bands": 10, "rows": 1}, {"bands": 7}], ids=str)
def test_the_dataset_is_as_wide_as_the_config_says(
    documents: Path, tmp_path: Path, config: dict[str, int]
) -> None:
    minhash = MinHashConfig(**config)
    run_locally(SketchStage(str(documents), minhash), [Task("shard-00000", {})], str(tmp_path / "out"))
    folder = str(tmp_path / "out" / "sketches")
    table = read_shard(folder, "shard-00000", schema_of(minhash))
    assert table.schema.field("signature").type.list_size == minhash.num_perm
    assert table.schema.field("band_keys").type.list_size == minhash.bands
    with pytest.raises(SchemaError, match="column 'signature'"):
        read_shard(folder, "shard-00000", schema_of(MinHashConfig(num_perm=128, bands=13)))


def test_a_missing_shard_is_an_error_that_names_it(documents: Path, tmp_path: Path) -> None:
    stage = SketchStage(str(documents), MinHashConfig())
    with pytest.raises(StageError, match=r"sketch.*shard-00007"):
        run_locally(stage, [Task("shard-00007", {})], str(tmp_path / "out"))
