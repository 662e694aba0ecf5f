import json
from pathlib import Path

import pyarrow.parquet as pq

from pipelines.engine.artifact import build_table
from pipelines.engine.runner import run_locally
from pipelines.rlhf.labelling.export import ExportConfig, label_tasks, projects
from pipelines.rlhf.labelling.importing import LabelSourceConfig
from pipelines.rlhf.labelling.stage import LabelImportStage, import_tasks
from pipelines.rlhf.labelling.tables import LABEL_TASKS
from tests.pipelines.rlhf.labelled import annotation, candidate, candidate_table, exported, ranking


def test_exports_become_datasets_and_dead_letters(tmp_path: Path) -> None:
    tasks = label_tasks(candidate_table(candidate(1, "Colour?", ["Red.", "Blue."])), ExportConfig())
    sent = build_table(str(tmp_path / "root"), LABEL_TASKS, {}, lambda: ({"shard-00000": tasks}, {}))
    (task,) = projects(tasks, ExportConfig())[0].tasks
    one, two = tasks["completion_ids"][0].as_py()
    good, bad = annotation(1, ranking({"1": [two], "2": [one]})), annotation(2, ranking({"7": [one]}), by=8)
    (tmp_path / "a.json").write_text(json.dumps([exported(12, task, good, bad)]), encoding="utf-8")
    (tmp_path / "b.json").write_text('[{"id": 13, "data": {', encoding="utf-8")
    source = LabelSourceConfig(name="crowd", files=[str(tmp_path / "*.json")])
    counts = run_locally(LabelImportStage(), import_tasks([source], [sent]), str(tmp_path / "out"))
    (row,) = pq.read_table(tmp_path / "out" / "labelled_judgements").to_pylist()
    assert row["ranks"] == [2, 1]
    dead = pq.read_table(tmp_path / "out" / "dead_letters").to_pylist()
    assert [letter["record"] for letter in dead] == ["a.json#1 task 12 annotation 2", dead[1]["record"]]
    assert dead[1]["record"].startswith("b.json#")
    assert (counts["records"], counts["dead:unknown_bucket"], counts["labelled_judgements"]) == (3, 1, 1)
