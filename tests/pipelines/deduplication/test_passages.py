"""Passages over shards: one answer from any sharding, spans that the corpus stage cuts, evidence, errors."""

import json
import random
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from dedup.passages import PassageConfig, cut_passages
from pipelines.build.passages import PassagesConfig, build_passages, current_cuts
from pipelines.decontaminate import Decontaminator
from pipelines.decontamination.decontaminate_stage import (
    MERGED_SHARD,
    PASSAGES_CUT_OUT,
    CountGramsStage,
    DecontaminateStage,
    merged_counts,
)
from pipelines.deduplication.passages import REPEATED_PASSAGES, _bounds, _rows_between, sites
from pipelines.engine import runner
from pipelines.engine.dataset import publish, read_dataset, read_shard
from pipelines.engine.mill import Mill
from pipelines.engine.runner import StageError, Task, run_locally
from pipelines.schemas import CONTAMINATION, CORPUS, DOCUMENTS, PASSAGE_CUTS, PASSAGES_CUT, SELECTED
from tests.pipelines.tables import filled, write_version
from text.words import count_words

RULES = [
    PassagesConfig(rule="c4", hash_ranges=3),
    PassagesConfig(rule="ccnet", hash_ranges=1),
    PassagesConfig(rule="ccnet", hash_ranges=5, keep="none"),
    PassagesConfig(rule="boilerplate", max_site_documents=3, max_sites=4, hash_ranges=2),
    PassagesConfig(rule="substring", substring_words=8, hash_ranges=4),
]
LINES = [
    "Home | About us | Contact",
    "All rights reserved. No part may be copied. Ask first.",
    "山高。水長。風清。月明。",
    "The lake lies still at night and nobody rows on it but the ferryman.",
]


def corpus(n: int = 60) -> list[dict]:
    draw = random.Random(4)
    rows = []
    for number in range(n):
        own = [" ".join(f"w{draw.randrange(3000)}" for _ in range(30)) for _ in range(3)]
        rows.append(
            {
                "doc_id": f"{draw.getrandbits(128):032x}",
                "source": "books" if number % 10 == 0 else "crawl",
                "url": f"https://www.host{number % 5}.org/{number}",
                "text": "\n".join(draw.sample(own + LINES[: draw.randrange(5)], k=3)),
                "keep": number % 7 != 3,
            }
        )
    return rows


def write_inputs(root: Path, shards: list[list[dict]]) -> Mill:
    tables: dict[str, list[pa.Table]] = {DOCUMENTS.name: [], SELECTED.name: []}
    for rows in shards:
        columns = {name: [row[name] for row in rows] for name in ("doc_id", "source", "url", "text", "keep")}
        columns["n_bytes"] = [len(text.encode()) for text in columns["text"]]
        columns["n_words"] = count_words(pa.array(columns["text"], pa.string())).tolist()
        columns["language"] = ["en"] * len(rows)
        for schema in (DOCUMENTS, SELECTED):
            own = {name: column for name, column in columns.items() if name in schema.schema.names}
            tables[schema.name].append(filled(schema, own))
    roles = {"details": {"roles": {"books": "books1", "crawl": "crawl"}, "is_demo": False}}
    for schema in (DOCUMENTS, SELECTED):
        version = write_version(root, schema, tables[schema.name])
        version.manifest.update(roles)
        (root / schema.name / "v-test/_manifest.json").write_text(json.dumps(version.manifest))
        publish(str(root), version)
    return Mill(str(root), lambda: None)


def here(spark, stage, tasks, target):
    """The tasks of a stage in this process, as the workers do them."""
    return {task.name: runner.execute(stage, task, target) for task in tasks}


@pytest.fixture
def without_spark(monkeypatch):
    """`run_stage` as it is, but the tasks run here."""
    monkeypatch.setattr(runner, "_run_on_spark", here)


def built(root: Path, shards: list[list[dict]], config: PassagesConfig) -> dict[str, pa.Table]:
    mill = write_inputs(root, shards)
    made = build_passages(mill, config).publish(mill.root)
    assert all(check.passed for check in made.checks)
    versions = {version.name: version for version in made.versions}
    return {
        schema.name: read_dataset(versions[schema.name], schema) for schema in (PASSAGE_CUTS, PASSAGES_CUT)
    }


def rows_of(table: pa.Table) -> list[str]:
    return sorted(str(row) for row in table.to_pylist())


@pytest.mark.parametrize("config", RULES, ids=lambda config: f"{config.rule}-{config.keep}")
def test_any_sharding_gives_what_memory_gives(tmp_path, without_spark, config):
    rows = corpus()
    kept = [row for row in rows if row["keep"]]
    columns = {name: pa.array([row[name] for row in kept]) for name in ("text", "doc_id", "url", "source")}
    core = PassageConfig.model_validate(config.model_dump(include=set(PassageConfig.model_fields)))
    ranks = pc.if_else(pc.equal(columns["source"], "books"), 1, 5).to_numpy()
    hosts = pc.replace_substring_regex(columns["url"], r"https://www\.([^/]+)/.*", r"\1")
    spans = cut_passages(columns["text"], columns["doc_id"], core, hosts, ranks).spans
    expected = {}
    for i, row in enumerate(kept):
        begin, end = spans.offsets[i : i + 2]
        expected[row["doc_id"]] = (spans.starts[begin:end].tolist(), spans.ends[begin:end].tolist())
    assert sum(len(starts) for starts, _ in expected.values()) > 15
    evidence = None
    for shards in (1, 3, 7):
        shuffled = random.Random(shards).sample(rows, len(rows))
        made = built(tmp_path / str(shards), [shuffled[k::shards] for k in range(shards)], config)
        cuts = made["passage_cuts"]
        for row in cuts.to_pylist():
            assert (row["starts"], row["ends"]) == expected.get(row["doc_id"], ([], []))
        told = rows_of(made["passages_cut"])
        assert evidence in (None, told)
        evidence = told


def test_on_spark_it_is_the_same(tmp_path, spark, monkeypatch):
    rows = corpus()
    shards = [rows[:25], rows[25:]]
    config = RULES[-1].model_copy(update={"hash_ranges": 2})
    mill = Mill(write_inputs(tmp_path / "spark", shards).root, lambda: spark)
    made = build_passages(mill, config).publish(mill.root)
    told = [
        read_dataset(v, schema) for v, schema in zip(made.versions, (PASSAGE_CUTS, PASSAGES_CUT), strict=True)
    ]
    monkeypatch.setattr(runner, "_run_on_spark", here)
    expected = built(tmp_path / "here", shards, config)
    assert [table.to_pylist() for table in told] == [table.to_pylist() for table in expected.values()]
    assert told[1].num_rows > 20


def test_row_groups_and_batches_do_not_change_a_thing(tmp_path, without_spark, monkeypatch):
    rows = corpus()
    whole = built(tmp_path / "a", [rows], RULES[1])
    monkeypatch.setattr("pipelines.deduplication.passages.BATCH_BYTES", 700)
    monkeypatch.setattr("pipelines.deduplication.passages._PLACES_GROUP", 3)
    small = built(tmp_path / "b", [rows[:50], [], rows[50:]], RULES[1])
    assert small["passage_cuts"].to_pylist() == whole["passage_cuts"].to_pylist()
    assert small["passages_cut"].to_pylist() == whole["passages_cut"].to_pylist()


def test_evidence_says_what_was_cut_and_where_the_first_copy_stands(tmp_path, without_spark):
    rows = corpus()
    made = built(tmp_path, [rows[:30], rows[30:]], RULES[1])
    by_id = {row["doc_id"]: row for row in rows}
    evidence = made["passages_cut"].to_pylist()
    assert len(evidence) > 20
    for row in evidence:
        document = by_id[row["doc_id"]]
        assert document["keep"]
        assert document["text"].encode()[row["start"] : row["end"]].decode() == row["text"]
        firsts = {}
        for line in row["text"].strip().split("\n"):
            holders = [other for other in rows if other["keep"] and line in other["text"].split("\n")]
            first = min(holders, key=lambda o: (o["source"] != "books", o["doc_id"]))
            firsts.setdefault(len(holders), first["doc_id"])
        assert (row["n_documents"], row["first_doc_id"]) == max(firsts.items())
    assert {row["rule"] for row in evidence} == {"ccnet"}
    assert max(row["n_sites"] for row in evidence) == 5


def test_off_reads_nothing_and_counts_as_no_cuts(tmp_path, without_spark):
    mill = write_inputs(tmp_path, [corpus()])
    assert current_cuts(mill) is None
    made = build_passages(mill, PassagesConfig()).publish(mill.root)
    assert [version.rows for version in made.versions] == [0, 0]
    assert current_cuts(mill) is None
    build_passages(mill, RULES[1]).publish(mill.root)
    assert current_cuts(mill).rows == 60


def test_a_role_without_a_rank_is_an_error(tmp_path, without_spark):
    mill = write_inputs(tmp_path, [corpus()])
    with pytest.raises(
        ValueError, match=r"ops\.passages\.config\.roles: names \['books1'\].*\['crawl'\] too"
    ):
        build_passages(mill, PassagesConfig(rule="c4", roles=["books1"]))


def test_the_corpus_is_made_of_what_is_left(tmp_path, without_spark):
    rows = corpus()
    config = PassagesConfig(rule="ccnet", min_words_left=70)
    mill = write_inputs(tmp_path, [rows])
    cuts = build_passages(mill, config).publish(mill.root).main
    (tmp_path / "items.txt").write_text("no gram of these words stands anywhere in what is looked at here\n")
    decontaminator = Decontaminator.from_files([str(tmp_path / "items.txt")])
    saved = f"{tmp_path}/decontaminator"
    decontaminator.save(saved)
    folders = (f"{tmp_path}/documents/v-test", f"{tmp_path}/selected/v-test", saved)
    tasks = [Task("shard-00000", {})]
    run_locally(CountGramsStage(*folders, cuts.folder), tasks, str(tmp_path))
    merged = merged_counts(decontaminator, f"{tmp_path}/gram_counts", ["shard-00000"])
    (tmp_path / "merged").mkdir()
    pq.write_table(merged, tmp_path / f"merged/{MERGED_SHARD}.parquet")
    run_locally(DecontaminateStage(*folders, f"{tmp_path}/merged", cuts.folder), tasks, str(tmp_path))
    made = read_shard(f"{tmp_path}/corpus", "shard-00000", CORPUS)
    spans = read_shard(cuts.folder, "shard-00000", PASSAGE_CUTS).to_pylist()
    expected = {}
    for row, cut in zip(rows, spans, strict=True):
        raw, left, at = row["text"].encode(), b"", 0
        for start, end in zip(cut["starts"], cut["ends"], strict=True):
            left, at = left + raw[at:start], end
        left += raw[at:]
        enough = not cut["starts"] or count_words(pa.array([left.decode()]))[0] >= 70
        assert cut["keep"] == enough
        if row["keep"] and enough:
            expected[row["doc_id"]] = left.decode()
    assert dict(zip(made["doc_id"].to_pylist(), made["text"].to_pylist(), strict=True)) == expected
    assert made["n_words"].to_pylist() == count_words(made["text"]).tolist()
    outcomes = pq.read_table(tmp_path / "decontaminated/shard-00000.parquet").to_pylist()
    lost = {row["doc_id"] for row in outcomes if row["outcome"] == PASSAGES_CUT_OUT}
    assert lost == {row["doc_id"] for row in rows if row["keep"]} - expected.keys()
    assert lost
    assert read_shard(f"{tmp_path}/contamination", "shard-00000", CONTAMINATION).num_rows == 0


def test_cuts_of_other_documents_are_an_error(tmp_path, without_spark):
    rows = corpus()
    cuts = build_passages(write_inputs(tmp_path / "a", [rows[::-1]]), RULES[1]).main
    write_inputs(tmp_path / "b", [rows])
    (tmp_path / "items.txt").write_text("a b c d e f g h i j k l m n\n")
    Decontaminator.from_files([str(tmp_path / "items.txt")]).save(f"{tmp_path}/saved")
    folders = (f"{tmp_path}/b/documents/v-test", f"{tmp_path}/b/selected/v-test", f"{tmp_path}/saved")
    with pytest.raises(StageError, match=r"rows are not those of .*documents.*make 'passage_cuts' again"):
        run_locally(CountGramsStage(*folders, cuts.folder), [Task("shard-00000", {})], str(tmp_path))


@pytest.mark.parametrize(
    ("url", "site"),
    [
        ("https://www.Example.org/a", "example.org"),
        ("http://user@host.org:8080?x", "host.org"),
        ("http://a.b.c", "a.b.c"),
        ("file.zip#12", "books"),
        ("", "books"),
    ],
)
def test_the_site_of_an_address(url, site):
    column = pa.chunked_array([pa.array([url])])
    assert sites(column, pa.chunked_array([pa.array(["books"])])).to_pylist() == [site]


def test_ranges_cover_all_hashes_once():
    for ranges in (1, 3, 16):
        bounds = [_bounds(number, ranges) for number in range(ranges)]
        assert (bounds[0][0], bounds[-1][1]) == (-(2**63), 2**63 - 1)
        assert all(low == high + 1 for (_, high), (low, _) in pairwise(bounds))


@pytest.mark.parametrize("group_rows", [1, 2, 9])
@pytest.mark.parametrize("bounds", [(2, 2), (0, 1), (3, 9), (5, 4), (7, 9)], ids=str)
def test_row_groups_that_touch_a_bound_are_read(tmp_path, group_rows, bounds):
    table = filled(REPEATED_PASSAGES, {"place": [0, 1, 2, 2, 3, 6]})
    pq.write_table(table, tmp_path / "range-00000.parquet", row_group_size=group_rows)
    found = _rows_between(str(tmp_path), "range-00000", REPEATED_PASSAGES, "place", *bounds)
    assert found["place"].to_pylist() == [p for p in (0, 1, 2, 2, 3, 6) if bounds[0] <= p <= bounds[1]]
