"""What a finished run says of single documents, and what a preview says before a selection."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines import explain as explaining
from pipelines import preview as previewing
from pipelines.engine.dataset import current, read_dataset, read_shard
from pipelines.explain import UnknownDocumentError, _surprising, as_json, explain
from pipelines.explaining.places import Place, row_at
from pipelines.explaining.render import as_text
from pipelines.explaining.verdicts import verdicts
from pipelines.perplexity_rule import PerplexityRule
from pipelines.preview import PreviewError, preview, read_selection, tables
from pipelines.schemas import CONTAMINATION, CORPUS, DECISIONS, DOCUMENTS, PERSONAL_DATA, SIGNALS
from pipelines.selection_config import SelectionConfig
from quality.rule_sets import RulesConfig
from tests.orchestration import small_world


def decided(root: str) -> list[dict[str, Any]]:
    return [dict(row) for row in read_dataset(current(root, "decisions"), DECISIONS).to_pylist()]


def test_each_reason_is_explained_by_the_verdicts_and_evidence(finished: Path) -> None:
    root = str(finished)
    by_reason = {row["reason"]: row for row in reversed(decided(root)) if row["reason"] != "repeated"}
    assert len(by_reason) >= 6
    for reason, row in by_reason.items():
        found = explain(root, row["doc_id"])
        assert found.document["doc_id"] == row["doc_id"]
        assert {name: found.decision[name] for name in ("reason", "figure", "limit")} == {
            name: row[name] for name in ("reason", "figure", "limit")
        }
        failed = [one for one in found.verdicts if one.verdict == "fails"]
        if reason in {one.reason for one in found.verdicts}:
            first = failed[0]
            assert first.reason == reason
            assert first.figure == row["figure"]
        else:
            assert failed == []
        assert bool(found.duplicate_of) == reason.endswith("_duplicate")
        assert bool(found.pieces) == (reason == "kept")
        assert row["doc_id"] in as_text(found, 100)
        assert json.loads(as_json(found))["decision"]["reason"] == reason


def test_the_passages_responsible_are_shown(finished: Path) -> None:
    root = str(finished)
    listed = explain(root, "http://listed.example/1")
    assert listed.responsible["listed_words"][0].startswith("'zuzu baba' at byte ")
    again = explain(root, "http://again.example/1")
    rows = read_dataset(current(root, "documents"), DOCUMENTS, ["url", "text"]).to_pylist()
    text = next(row["text"] for row in rows if row["url"] == "http://again.example/1")
    # The page is one passage six times over, so the repeated span begins where the page does.
    assert text.startswith(again.responsible["gopher_dup_5gram"][0][:60])
    assert again.document["url"] == "http://again.example/1"
    blocked = explain(root, "http://blocked.example/1")
    assert blocked.verdicts[0].verdict == "fails"
    assert blocked.verdicts[0].note.endswith("blocked.txt: blocked.example")


def test_pieces_survivors_benchmarks_and_personal_data(finished: Path) -> None:
    root = str(finished)
    hits = read_dataset(current(root, "contamination"), CONTAMINATION).to_pylist()
    cut = next(row for row in hits if row["action"] == "cut")
    assert cut["gram"] in [row["gram"] for row in explain(root, cut["doc_id"]).contamination]
    pieces = read_dataset(current(root, "corpus"), CORPUS, ["doc_id", "parent_id"]).to_pylist()
    piece = next(row for row in pieces if row["doc_id"] != row["parent_id"])
    assert explain(root, piece["doc_id"]).document["doc_id"] == piece["parent_id"]
    lost = next(row for row in decided(root) if row["reason"] == "near_duplicate")
    survivor = explain(root, lost["evidence"])
    assert lost["doc_id"] in [row["doc_id"] for row in survivor.survivor_of]
    (mail,) = read_dataset(current(root, "personal_data"), PERSONAL_DATA).to_pylist()
    written = explain(root, mail["doc_id"])
    assert [row["text"] for row in written.personal_data] == [small_world.EMAIL]
    assert [row["replaced"] for row in written.replaced] == [True]


def test_a_record_that_could_not_be_read_and_one_that_is_nowhere(finished: Path) -> None:
    dead = explain(str(finished), "web.jsonl:41")
    assert dead.document == {}
    assert len(dead.dead_letters) == 1
    assert "never became a document" in as_text(dead, 100)
    with pytest.raises(UnknownDocumentError, match="is called 'nobody'"):
        explain(str(finished), "nobody")


def test_the_command_prints_it(
    finished: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["explain", "http://again.example/1", "--root", str(finished)])
    assert explaining.main() == 0
    told = capsys.readouterr().out
    assert "Decision: dropped: gopher_dup_5gram" in told
    monkeypatch.setattr("sys.argv", ["explain", "nobody", "--root", str(finished)])
    assert explaining.main() == 1
    assert "'nobody'" in capsys.readouterr().err


@pytest.fixture
def run_config(world: tuple[Path, dict[str, Any]], tmp_path: Path) -> str:
    return str(small_world.write_config(tmp_path / "run.yaml", world[1]))


def test_a_preview_is_what_the_selection_then_does(finished: Path, run_config: str) -> None:
    root = str(finished)
    selection = current(root, "selection")
    found = preview(root, read_selection(run_config))
    repeated = selection.counts["reason:repeated"]
    assert repeated > 0
    # A preview does not look for repeated ids, which here are judged like their first copies.
    for name in ("reason:blocked_address", "reason:gopher_dup_5gram", "fails:any gopher rule"):
        assert found.counts[name] == selection.counts[name]
    assert sum(n for name, n in found.counts.items() if name.startswith("reason:")) == selection.rows
    assert found.by_threshold[0.1] <= found.passing <= found.crawled
    assert found.by_alpha[9.0] < found.by_alpha[1.0] < found.passing
    assert tables(found)


def test_other_thresholds_are_tried_without_a_run(finished: Path) -> None:
    root = str(finished)
    with pytest.raises(PreviewError, match=r"selection\.config\.threshold: .*less than or equal to 1"):
        read_selection(_written(finished.parent / "wrong.yaml", {"threshold": 2.0}))
    strict = SelectionConfig(quality="threshold", threshold=1.0, min_words=100_000)
    counts = preview(root, strict, max_shards=2).counts
    documents = current(root, "documents")
    sources = read_dataset(documents, DOCUMENTS, ["source"])["source"].to_pylist()
    assert counts["reason:too_short"] <= sources.count("crawl")
    assert "source:crawl:kept" not in counts


def test_a_rule_on_perplexity_is_tried_and_explained_without_a_run(finished: Path) -> None:
    root = str(finished)
    documents, signals = current(root, "documents"), current(root, "signals")
    sources = read_dataset(documents, DOCUMENTS, ["source"])["source"].to_pylist()
    shards = {
        shard: read_shard(signals.folder, shard, SIGNALS)["perplexity_bucket"] for shard in signals.shards
    }
    buckets = [bucket for column in shards.values() for bucket in column.to_pylist()]
    tails = [pair == ("tail", "crawl") for pair in zip(buckets, sources, strict=True)]
    rule = SelectionConfig(rules=RulesConfig(rule_sets=[], by_language=[]), max_perplexity=PerplexityRule())
    assert preview(root, rule).counts["fails:perplexity"] == sum(tails) > 0
    assert current(root, "selection").counts["fails:perplexity"] == 0  # asked, and "tail" may stay
    place = next(
        Place(shard, row)
        for shard, column in shards.items()
        for row, bucket in enumerate(column.to_pylist())
        if bucket == "tail"
    )
    document, told = row_at(documents, DOCUMENTS, place), row_at(signals, SIGNALS, place)
    (found,) = [one for one in verdicts(document, told, False, rule) if one.reason == "perplexity"]
    language = told["language"][0].as_py()
    assert (found.verdict, found.figure) == ("fails", told["perplexity"][0].as_py())
    assert found.note == f"{language}, tail; worst to stay: middle"
    parts = _surprising(root, document["text"][0].as_py(), language, signals)
    assert parts
    assert all(part.startswith("perplexity ") for part in parts)


def _written(path: Path, selection: dict[str, Any]) -> str:
    path.write_text(yaml.safe_dump({"ops": {"selection": {"config": selection}}}))
    return str(path)


def test_the_preview_command_prints_its_tables(
    finished: Path, run_config: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["preview", "--root", str(finished), "--config", run_config])
    assert previewing.main() == 0
    told = capsys.readouterr().out
    assert "gopher_dup_5gram" in told
    assert "pareto, alpha 9" in told
