"""The job as its users run it: by command line on real files, killed in the middle, cut into other shards."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import datasets
import pyarrow.parquet as pq
import pytest
from transformers import AutoTokenizer

from pipelines.engine.dataset import current, read_dataset
from pipelines.schemas import CONTAMINATION, CORPUS, DECISIONS, DOCUMENTS, DUPLICATES, PERSONAL_DATA
from tests.orchestration import small_world
from tests.orchestration.commands import REPOSITORY, command, execute

COMPARED = [
    "documents",
    "signals",
    "sketches",
    "selection",
    "duplicates",
    "corpus",
    "contamination",
    "decisions",
]
COMPARED += ["tokens", "mixture_plan", "pretraining"]
# What does not depend on how the input is cut into shards: nearly everything, as multisets of rows.
FREE_OF_SHARDS = [name for name in COMPARED if name != "mixture_plan"]


def row_hashes(root: Path, names: list[str]) -> dict[str, str]:
    return {name: current(str(root), name).row_hash for name in names}


def test_every_document_has_one_decision_with_its_evidence(finished: Path) -> None:
    root = str(finished)
    decisions = read_dataset(current(root, "decisions"), DECISIONS).to_pylist()
    assert len(decisions) == current(root, "documents").rows
    reasons = {row["reason"] for row in decisions}
    assert {"kept", "exact_duplicate", "near_duplicate", "repeated"} <= reasons
    assert {"blocked_address", "gopher_dup_5gram", "listed_words"} <= reasons
    kept = {row["doc_id"] for row in decisions if row["keep"]}
    for row in decisions:
        if row["reason"] in ("exact_duplicate", "near_duplicate"):
            assert row["evidence"] in kept
            assert row["figure"] >= (row["limit"] or 1.0)
    corpus = pq.read_table(current(root, "corpus").folder)
    assert set(corpus["parent_id"].to_pylist()) == kept


def test_edited_copies_are_near_and_reprints_exact_duplicates(finished: Path) -> None:
    root = str(finished)
    urls = read_dataset(current(root, "documents"), DOCUMENTS, ["doc_id", "url"]).to_pylist()
    url_of = {row["doc_id"]: row["url"] for row in urls}
    found = read_dataset(current(root, "duplicates"), DUPLICATES).to_pylist()
    pairs = {(url_of[row["doc_id"]].split("?")[0], url_of[row["survivor_id"]].split("?")[0]) for row in found}
    assert found
    assert all(removed == survivor for removed, survivor in pairs)
    for row in found:
        edited = "?v=2" in url_of[row["doc_id"]] + url_of[row["survivor_id"]]
        assert row["kind"] == ("near" if edited else "exact")


def test_benchmark_questions_are_gone_from_the_corpus(finished: Path) -> None:
    root = str(finished)
    hits = read_dataset(current(root, "contamination"), CONTAMINATION).to_pylist()
    cut = [row["gram"] for row in hits if row["action"] == "cut"]
    assert cut
    texts = "\n".join(pq.read_table(current(root, "corpus").folder)["text"].to_pylist())
    assert not [gram for gram in cut if gram in texts]


def test_personal_data_is_replaced_and_its_places_are_kept(finished: Path) -> None:
    root = str(finished)
    corpus = read_dataset(current(root, "corpus"), CORPUS, ["doc_id", "text"]).to_pylist()
    texts = {row["doc_id"]: row["text"] for row in corpus}
    (found,) = read_dataset(current(root, "personal_data"), PERSONAL_DATA).to_pylist()
    assert (found["kind"], found["text"], found["replaced"]) == ("email", small_world.EMAIL, True)
    text = texts[found["doc_id"]].encode()
    assert text[found["start"] : found["end"]] == b"<EMAIL>"
    assert not [text for text in texts.values() if small_world.EMAIL in text]


@pytest.mark.slow
def test_another_threshold_measures_nothing_again(
    world: tuple[Path, dict[str, Any]], finished: Path, tmp_path: Path
) -> None:
    _, config = world
    root = tmp_path / "data"
    shutil.copytree(finished, root)
    changed = json.loads(json.dumps(config))
    changed["ops"]["selection"]["config"] |= {"max_listed_words": None, "threshold": 0.02}
    path = small_world.write_config(tmp_path / "run.yaml", changed)
    execute(tmp_path / "home", root, path)
    before, after = (
        {name: current(str(data), name).version for name in COMPARED} for data in (finished, root)
    )
    same = {name for name in COMPARED if before[name] == after[name]}
    assert same & set(COMPARED[:6]) == {"documents", "signals", "sketches"}
    assert (
        "listed_words" not in read_dataset(current(str(root), "decisions"), DECISIONS)["reason"].to_pylist()
    )


def test_bad_rows_are_in_the_dead_letters(finished: Path) -> None:
    letters = pq.read_table(finished / "dead_letters" / "documents").to_pylist()
    assert [("web.jsonl:41" in row["record"], "text" in row["detail"]) for row in letters] == [(True, True)]


def test_the_packed_data_loads_with_its_folder_alone(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    loaded = datasets.load_dataset(str(finished / "pretraining"), cache_dir=str(tmp_path))
    assert set(loaded) == {"train", "validation"}
    assert len(loaded["train"][0]["input_ids"]) == 65
    tokenizer = AutoTokenizer.from_pretrained(current(str(finished), "tokenizer").folder)
    text = tokenizer.decode(loaded["train"][0]["input_ids"])
    corpus = "\n".join(pq.read_table(current(str(finished), "corpus").folder)["text"].to_pylist())
    assert text.split("<|endoftext|>")[0][-40:] in corpus
    assert tokenizer.pad_token_id != tokenizer.eos_token_id


def resharded(config: dict[str, Any], shard_mib: float) -> dict[str, Any]:
    changed: dict[str, Any] = json.loads(json.dumps(config))
    changed["ops"]["documents"]["config"]["shard_mib"] = shard_mib
    return changed


def test_killed_among_many_shards_and_run_again_gives_the_same_rows(
    world: tuple[Path, dict[str, Any]], finished: Path, tmp_path: Path
) -> None:
    _, config = world
    path = small_world.write_config(tmp_path / "run.yaml", resharded(config, 0.008))
    arguments, environment = command(tmp_path / "home", tmp_path / "data", path)
    run = subprocess.Popen(
        arguments,
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    receipts = tmp_path / "data" / "documents"
    deadline = time.monotonic() + 120
    while not list(receipts.glob("v-*/_receipts/shard-*.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    done_before = {p: p.stat().st_mtime_ns for p in receipts.glob("v-*/_receipts/shard-*.json")}
    assert done_before
    execute(tmp_path / "home", tmp_path / "data", path)
    assert {p: p.stat().st_mtime_ns for p in done_before} == done_before
    assert not list((tmp_path / "data" / "documents").rglob("_tmp.*"))
    assert len(done_before) < shards(tmp_path / "data") > shards(finished)
    assert row_hashes(tmp_path / "data", FREE_OF_SHARDS) == row_hashes(finished, FREE_OF_SHARDS)


def shards(root: Path) -> int:
    return len(current(str(root), "documents").shards)


def test_few_shards_give_the_same_corpus(
    world: tuple[Path, dict[str, Any]], finished: Path, tmp_path: Path
) -> None:
    _, config = world
    root = tmp_path / "data"
    execute(tmp_path / "home", root, small_world.write_config(tmp_path / "run.yaml", resharded(config, 10.0)))
    assert shards(root) < shards(finished)
    assert row_hashes(root, FREE_OF_SHARDS) == row_hashes(finished, FREE_OF_SHARDS)
