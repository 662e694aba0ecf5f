import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from dedup.config import DedupConfig, Preference
from dedup.incremental import deduplicate_into, describe, empty_index
from dedup.index import IndexMismatchError, index_header
from dedup.minhash import MinHashConfig
from pipelines.build.cleaning import CorpusConfig, build_corpus, build_decisions
from pipelines.build.indexing import BatchError, IndexConfig, index_criteria
from pipelines.build.removals import by_shard
from pipelines.build.selecting import DuplicatesConfig, build_duplicates, build_selected
from pipelines.deduplication.dedup_index import IndexDamagedError, open_index, read_band, snapshot_day
from pipelines.deduplication.dedup_index_settle import AlreadyIndexedError
from pipelines.engine.dataset import DatasetError, current, read_dataset
from pipelines.engine.mill import Mill
from pipelines.schemas import DECISIONS, DOCUMENTS, DUPLICATES
from tests.pipelines.index_world import InProcess, near_copies, publish_world, snapshot_rows
from tests.pipelines.tables import filled, write_version

MINHASH = MinHashConfig(ngram=1)
FIRST, SECOND, THIRD = "CC-MAIN-2024-10", "CC-MAIN-2024-18", "CC-MAIN-2024-22"
A = snapshot_rows(FIRST, near_copies(1))
B = snapshot_rows(SECOND, near_copies(2))
C = snapshot_rows(THIRD, near_copies(3))
TEXT = {row["doc_id"]: row["text"] for row in A + B + C}


def deduplicated(root: Path, rows: list[dict[str, Any]], spark: Any = None, **config: Any) -> dict[str, str]:
    """Removed id -> survivor id of a snapshot, published in a data root of its own; the index is shared."""
    minhash = config.pop("minhash", MINHASH)
    world = root / f"data-{rows[0]['snapshot']}-{len(rows)}-{minhash.seed}-{minhash.bands}"
    if not world.exists():
        publish_world(world, rows, minhash)
    mill = Mill(str(world), lambda: spark or InProcess())
    dedup = DedupConfig(
        **{name: config.pop(name) for name in ("threshold", "survivor_order") if name in config}
    )
    index = IndexConfig(path=str(root / "index"), **config)
    built = build_duplicates(mill, DuplicatesConfig(dedup=dedup, index=index)).publish(mill.root)
    table = read_dataset(built.main, DUPLICATES)
    return dict(zip(table["doc_id"].to_pylist(), table["survivor_id"].to_pylist(), strict=True))


def in_memory(*snapshots: list[dict[str, Any]], threshold: float = 0.75) -> dict[str, str]:
    """The same by dedup.incremental, all at once."""
    rows = [row for snapshot in snapshots for row in snapshot]
    quality = [int(row["doc_id"][:2], 16) / 255 for row in rows]
    days = [snapshot_day(row["snapshot"]) for row in rows]
    ids = [row["doc_id"] for row in rows]
    batch = describe(pa.array([row["text"] for row in rows]), ids, MINHASH, days, 1, quality)
    order = index_criteria(DedupConfig())
    outcome, _ = deduplicate_into(empty_index(index_header(MINHASH, threshold, 32, order)), batch)
    pairs = zip(ids, outcome.survivor_id.to_pylist(), strict=True)
    return {doc: survivor for doc, survivor in pairs if doc != survivor}


def test_snapshots_leave_what_all_at_once_leave(tmp_path: Path) -> None:
    removed = deduplicated(tmp_path, A) | deduplicated(tmp_path, B) | deduplicated(tmp_path, C)
    assert removed == in_memory(A, B, C)
    across = [doc for doc, survivor in removed.items() if {survivor} <= {row["doc_id"] for row in A}]
    assert len(set(across) & {row["doc_id"] for row in C}) > 5
    index = open_index(str(tmp_path / "index"))
    assert index.size == len(A + B + C) - len(removed)
    found = index.survivors(["doc_id", "batch"], np.arange(index.size))
    assert set(found["doc_id"].to_pylist()) == TEXT.keys() - removed.keys()
    assert sorted(set(found["batch"].to_pylist())) == [0, 1, 2]


def decided(root: Path, rows: list[dict[str, Any]], spark: Any) -> dict[str, tuple[str, str | None]]:
    """Reason and evidence of each document of a snapshot, by the build functions from duplicates on."""
    config = DuplicatesConfig(dedup=DedupConfig(threshold=0.7), index=IndexConfig(path=str(root / "index")))
    publish_world(root / rows[0]["snapshot"], rows, MINHASH)
    mill = Mill(str(root / rows[0]["snapshot"]), lambda: spark)
    build_duplicates(mill, config).publish(mill.root)
    build_selected(mill).publish(mill.root)
    build_corpus(mill, CorpusConfig()).publish(mill.root)
    decisions = read_dataset(build_decisions(mill).publish(mill.root).main, DECISIONS).to_pylist()
    limits = {row["limit"] for row in decisions if row["reason"] == "near_duplicate"}
    assert limits == {0.7}
    return {row["doc_id"]: (row["reason"], row["evidence"]) for row in decisions}


def test_on_spark_survivors_of_the_first_snapshot_are_evidence_in_the_second(
    tmp_path: Path, spark: Any
) -> None:
    first, second = decided(tmp_path, A, InProcess()), decided(tmp_path, B, spark)
    kept_first = {doc for doc, (reason, _) in first.items() if reason == "kept"}
    kept_second = {doc for doc, (reason, _) in second.items() if reason == "kept"}
    evidence = {survivor for reason, survivor in second.values() if reason.endswith("_duplicate")}
    assert len(evidence & kept_first) > 5
    assert evidence <= kept_first | kept_second
    removed = {doc: survivor for doc, (reason, survivor) in (first | second).items() if reason != "kept"}
    assert removed == in_memory(A, B, threshold=0.7)


@pytest.mark.parametrize(
    ("dedup", "told"),
    [
        pytest.param({"scope": "source"}, "dedup.scope is 'source'.*all earlier ones", id="scope"),
        pytest.param({"within": ["crawl"]}, r"dedup.within is \['crawl'\]", id="within"),
        pytest.param({"across": []}, r"dedup.across is \[\].*leave it at None", id="across"),
        pytest.param({"chain_break": False}, "dedup.chain_break is False", id="whole components"),
        pytest.param({"max_pairs_bucket": 8}, "max_pairs_bucket.*index.bucket_limit", id="bucket of pairs"),
        pytest.param({"spark_components_above_edges": 0}, "no components", id="components"),
        pytest.param(
            {"survivor_order": [{"by": "fetched_at", "keep": "lowest"}]},
            "{by: fetched_at, keep: lowest}.*oldest document stays.*by: n_words",
            id="another column",
        ),
        pytest.param(
            {"survivor_order": [{"by": "n_words", "keep": "lowest"}]}, "keep: lowest}.*only", id="another end"
        ),
    ],
)
def test_what_an_index_cannot_honour_is_refused(dedup: dict[str, Any], told: str) -> None:
    assert DuplicatesConfig(dedup=dedup).index is None
    with pytest.raises(ValidationError, match=told):
        DuplicatesConfig(dedup=dedup, index={})


def test_the_manifest_tells_the_settings_like_that_of_a_search_without_index(tmp_path: Path) -> None:
    publish_world(tmp_path, A, MINHASH)
    mill = Mill(str(tmp_path), InProcess)
    dedup = DedupConfig(threshold=0.7, survivor_order=[Preference(by="n_words")])
    roles = ["books1", "crawl"]
    told = build_duplicates(
        mill, DuplicatesConfig(dedup=dedup, roles=roles, index=IndexConfig())
    ).main.manifest
    assert told["config"]["config"] == {
        "dedup": dedup.model_dump(mode="json"),
        "roles": roles,
        "index": {"path": "dedup_index", "bucket_limit": 32},
    }
    assert [shard["name"] for shard in told["shards"]] == ["shard-00000", "shard-00001"]
    assert (tmp_path / "dedup_index" / "index" / "CURRENT.json").exists()
    assert told["counts"].keys() >= {"near_duplicates", "exact_duplicates"}


def test_a_document_that_stands_in_two_shards_is_one_duplicate(tmp_path: Path) -> None:
    ids = [["a", "b", "b"], ["b", "c"]]
    documents = write_version(tmp_path, DOCUMENTS, [filled(DOCUMENTS, {"doc_id": each}) for each in ids])
    tables = by_shard(filled(DUPLICATES, {"doc_id": ["c", "b"]}), documents)
    assert [table["doc_id"].to_pylist() for table in tables.values()] == [["b"], ["c"]]


def test_a_second_run_adds_nothing(tmp_path: Path) -> None:
    deduplicated(tmp_path, A)
    once = deduplicated(tmp_path, B)
    pointer = (tmp_path / "index" / "index" / "CURRENT.json").read_bytes()
    assert deduplicated(tmp_path, B) == once
    assert (tmp_path / "index" / "index" / "CURRENT.json").read_bytes() == pointer


def test_looking_up_alone_leaves_the_index(tmp_path: Path) -> None:
    deduplicated(tmp_path, A)
    before = sorted(path for path in (tmp_path / "index").rglob("*"))
    assert deduplicated(tmp_path, B, update=False) == {
        doc: survivor for doc, survivor in in_memory(A, B).items() if doc in {row["doc_id"] for row in B}
    }
    assert sorted(path for path in (tmp_path / "index").rglob("*")) == before


def test_an_older_version_stays_readable(tmp_path: Path) -> None:
    deduplicated(tmp_path, A)
    path = str(tmp_path / "index")
    first = open_index(path).version.version
    deduplicated(tmp_path, B)
    old = open_index(path, first)
    assert old.size == len(A) - len(in_memory(A))
    assert old.survivors(["signature"], np.arange(old.size)).num_rows == old.size


@pytest.mark.parametrize(
    ("config", "told"),
    [
        pytest.param(
            {"minhash": MinHashConfig(ngram=1, seed=2)}, r"seed = 1 \(expected 2\)", id="permutations"
        ),
        pytest.param({"minhash": MinHashConfig(ngram=1, bands=7)}, r"bands = 14 \(expected 7\)", id="bands"),
        pytest.param({"minhash": MinHashConfig(ngram=1, rows=4)}, r"rows = 8 \(expected 4\)", id="rows"),
        pytest.param({"minhash": MinHashConfig(ngram=2)}, r"ngram = 1 \(expected 2\)", id="shingle length"),
        pytest.param(
            {"minhash": MinHashConfig(ngram=1, num_perm=128)},
            r"num_perm = 112 \(expected 128\)",
            id="components",
        ),
        pytest.param({"threshold": 0.8}, r"threshold = 0.75 \(expected 0.8\)", id="threshold"),
        pytest.param({"bucket_limit": 8}, r"bucket_limit = 32 \(expected 8\)", id="bucket limit"),
        pytest.param({"survivor_order": [Preference(by="n_words")]}, r"order = .*quality", id="policy"),
    ],
)
def test_an_index_of_other_settings_is_refused(tmp_path: Path, config: dict[str, Any], told: str) -> None:
    deduplicated(tmp_path, A)
    seed = snapshot_rows(f"{SECOND}-{told[:3].strip()}", near_copies(4, 5))
    with pytest.raises(IndexMismatchError, match=told):
        deduplicated(tmp_path, seed, **config)


def test_an_index_of_another_hash_scheme_is_refused(tmp_path: Path) -> None:
    deduplicated(tmp_path, A)
    manifest = next((tmp_path / "index" / "index").glob("v-*/_manifest.json"))
    told = json.loads(manifest.read_text())
    told["details"]["header"]["scheme"] = 0
    manifest.write_text(json.dumps(told))
    with pytest.raises(IndexMismatchError, match=r"_manifest.json: .*scheme = 0 \(expected 1\)"):
        deduplicated(tmp_path, B)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def lose_a_row(path: Path) -> None:
    table = pq.read_table(path)
    pq.write_table(table.slice(1), path)


def swap_values(path: Path) -> None:
    table = pq.read_table(path)
    column = pa.array(np.asarray(table["order"])[::-1].copy())
    pq.write_table(
        table.set_column(table.schema.get_field_index("order"), table.schema.field("order"), column), path
    )


def spoil_a_signature(path: Path) -> None:
    group = pq.read_metadata(path).row_group(0)
    chunks = [group.column(i) for i in range(group.num_columns)]
    chunk = next(chunk for chunk in chunks if chunk.path_in_schema.startswith("signature"))
    data = bytearray(path.read_bytes())
    data[chunk.data_page_offset + chunk.total_compressed_size - 100] ^= 0x55
    path.write_bytes(data)


@pytest.mark.parametrize("file", ["index/CURRENT.json", "index/*/_manifest.json", "bands/*/_manifest.json"])
@pytest.mark.parametrize(
    ("left", "told"),
    [
        pytest.param(b"", "not a whole JSON file", id="empty"),
        pytest.param(b'{"ver', "not a whole JSON file", id="cut"),
        pytest.param(b"{}", "says nothing of 'version'", id="another"),
    ],
)
def test_a_damaged_manifest_is_named(tmp_path: Path, file: str, left: bytes, told: str) -> None:
    deduplicated(tmp_path, A)
    path = next((tmp_path / "index").glob(file))
    path.write_bytes(left)
    with pytest.raises(DatasetError, match=f"{re.escape(str(path))}: {told}"):
        deduplicated(tmp_path, B)


@pytest.mark.parametrize(
    ("file", "harm", "told"),
    [
        pytest.param(
            "survivors/*/shard-00001.parquet",
            spoil_a_signature,
            "shard-00001.parquet: cannot be read .*restore it",
            id="spoilt survivors",
        ),
        pytest.param(
            "bands/*/band-03.parquet", Path.unlink, "band-03.parquet: the file is missing", id="no band"
        ),
        pytest.param(
            "bands/*/band-03.parquet", cut_short, "band-03.parquet: not a whole Parquet", id="cut band"
        ),
        pytest.param(
            "bands/*/band-03.parquet", lose_a_row, "band-03.parquet: .* rows, the manifest", id="fewer rows"
        ),
        pytest.param(
            "bands/*/band-14.parquet", swap_values, "band-14.parquet: its rows hash to", id="other rows"
        ),
        pytest.param(
            "survivors/*/shard-00001.parquet",
            cut_short,
            "shard-00001.parquet: not a whole",
            id="cut survivors",
        ),
        pytest.param(
            "survivors/*/shard-00000.parquet", swap_values, "is not in its place", id="other survivors"
        ),
        pytest.param(
            "bands/*/_manifest.json", Path.unlink, "bands/v-.*: absent or unfinished", id="no manifest"
        ),
    ],
)
def test_a_damaged_index_is_refused(
    tmp_path: Path, file: str, harm: Callable[[Path], None], told: str
) -> None:
    deduplicated(tmp_path, A)
    harm(next((tmp_path / "index").glob(file)))
    with pytest.raises(Exception, match=told) as raised:
        deduplicated(tmp_path, B)
    assert isinstance(raised.value, IndexDamagedError) or "IndexDamagedError" in str(raised.value)


def test_documents_that_are_in_the_index_are_refused(tmp_path: Path) -> None:
    deduplicated(tmp_path, A)
    with pytest.raises(AlreadyIndexedError, match="in the index already"):
        deduplicated(tmp_path, A + B)


def test_curated_documents_come_with_every_snapshot_and_stand_in_the_index_once(tmp_path: Path) -> None:
    books = [{**row, "source": "books"} for row in snapshot_rows("books", near_copies(5, 30))]
    ids = {row["doc_id"] for row in books}
    first, second = deduplicated(tmp_path, A + books), deduplicated(tmp_path, B + books)
    assert ids & second.keys() == ids & first.keys()
    assert 5 < len(ids & first.keys()) < len(ids)
    assert any(survivor in ids for doc, survivor in second.items() if doc not in ids)
    index = open_index(str(tmp_path / "index"))
    assert index.size == len(A + B + books) - len(first | second)
    told = read_dataset(current(str(tmp_path / f"data-{SECOND}-90-1-14"), "duplicates"), DUPLICATES)
    sizes = dict(zip(told["survivor_id"].to_pylist(), told["cluster_size"].to_pylist(), strict=True))
    assert sizes == {survivor: 1 + n for survivor, n in Counter(second.values()).items()}


def test_curated_documents_that_come_again_leave_no_trace_in_the_index(tmp_path: Path) -> None:
    books = [{**row, "source": "books"} for row in snapshot_rows("books", near_copies(5, 30))]
    stored = []
    for name, second in (("with", B + books), ("without", B)):
        removed = deduplicated(tmp_path / name, A + books)
        rows = [row for row in second if row["doc_id"] not in removed]
        deduplicated(tmp_path / name, rows)
        stored.append(open_index(str(tmp_path / name / "index")))
    assert stored[0].bands.row_hash == stored[1].bands.row_hash
    assert stored[0].size == stored[1].size


def test_a_batch_before_the_last_is_not_added_again(tmp_path: Path) -> None:
    deduplicated(tmp_path, A)
    deduplicated(tmp_path, B)
    with pytest.raises(BatchError, match="batch 0 of 2"):
        deduplicated(tmp_path, A)


def test_without_an_index_there_is_nothing_to_look_up(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="update: true"):
        deduplicated(tmp_path, A, update=False)


def test_two_runs_do_not_lose_each_other_s_documents(tmp_path: Path) -> None:
    deduplicated(tmp_path, A)
    pointer = tmp_path / "index" / "index" / "CURRENT.json"
    before = pointer.read_bytes()
    deduplicated(tmp_path, C)
    after = pointer.read_bytes()
    pointer.write_bytes(before)

    class Overtaken(InProcess):
        """Another run publishes while this one works."""

        def collect(self) -> list[dict[str, Any]]:
            pointer.write_bytes(after)
            return super().collect()

    with pytest.raises(BatchError, match="another run added to the index meanwhile"):
        deduplicated(tmp_path, B, Overtaken())
    assert pointer.read_bytes() == after


def test_what_the_selection_left_out_is_neither_matched_nor_added(tmp_path: Path) -> None:
    bad = [{**row, "text": "bad " + row["text"]} for row in A[:20]]
    assert not deduplicated(tmp_path, bad)
    assert open_index(str(tmp_path / "index")).size == 0


def test_bands_are_sorted_by_key(tmp_path: Path) -> None:
    deduplicated(tmp_path, A)
    deduplicated(tmp_path, B)
    index = open_index(str(tmp_path / "index"))
    band = read_band(index.bands.folder, "band-05")
    assert (np.diff(band.key) >= 0).all()
    assert len(np.unique(band.key)) > 20


@pytest.mark.parametrize(
    ("label", "day"),
    [
        pytest.param("1970-01-02", 1, id="a date"),
        pytest.param("CC-MAIN-2024-10", 19786, id="the Monday of a week"),
        pytest.param("CC-MAIN-2008-2009", 13879, id="the first crawls"),
        pytest.param("CC-MAIN-2012", 15340, id="a year"),
        pytest.param("", None, id="nothing"),
        pytest.param("my crawl", None, id="another name"),
        pytest.param("CC-MAIN-2024-77", None, id="no such week"),
    ],
)
def test_the_day_of_a_snapshot(label: str, day: int | None) -> None:
    assert snapshot_day(label) == day
