import json
from pathlib import Path
from xml.etree import ElementTree

import pyarrow as pa
import pytest
from scipy.stats import chisquare

from pipelines.rlhf.labelling.export import ExportConfig, label_tasks, projects, write_projects
from pipelines.rlhf.labelling.interface import InterfaceConfig, labelling_config
from tests.pipelines.rlhf.labelled import candidate, candidate_table

TWO = candidate_table(
    candidate(1, "Name a colour.", ["Red.", "Blue.", "Red. ", ""]),
    candidate(2, "写一首诗", ["一", "二", "三"]),
    candidate(3, "Say hi.", ["Hi.", " Hi."]),
)


def test_equal_and_empty_answers_are_shown_once_and_single_ones_not_at_all() -> None:
    assert sorted(map(tuple, TWO["completions"].to_pylist())) == [("Red.", "Blue."), ("一", "二", "三")]


def test_a_task_shows_every_answer_under_its_id_and_no_author() -> None:
    tasks = label_tasks(TWO, ExportConfig())
    (project,) = [found for found in projects(tasks, ExportConfig()) if found.k == 3]
    (row,) = [row for row in tasks.to_pylist() if len(row["completions"]) == 3]
    data = project.tasks[0]["data"]
    shown = {item["id"]: item["body"] for item in data["completions"]}
    assert shown == dict(zip(row["completion_ids"], row["completions"], strict=True))
    assert [item["title"] for item in data["completions"]] == ["Answer A", "Answer B", "Answer C"]
    assert [data[f"completion_{i}"] for i in range(3)] == [item["body"] for item in data["completions"]]
    assert data["task_key"] == row["record_id"]
    assert "model" not in json.dumps(project.tasks)


def test_the_order_shown_tells_nothing_of_the_place() -> None:
    many = candidate_table(*(candidate(i, f"Question {i}", ["a", "b", "c", "d"]) for i in range(2000)))
    shown = label_tasks(many, ExportConfig())["shown"].to_pylist()
    assert all(sorted(places) == [0, 1, 2, 3] for places in shown)
    first = [sum(places[0] == place for places in shown) for place in range(4)]
    assert chisquare(first).pvalue > 0.001


def test_the_order_shown_depends_on_task_and_seed_alone() -> None:
    tasks = label_tasks(TWO, ExportConfig())
    backwards = label_tasks(TWO.take(pa.array([1, 0])), ExportConfig()).sort_by("record_id")
    assert tasks["shown"].to_pylist() == backwards["shown"].to_pylist()
    orders = {str(label_tasks(TWO, ExportConfig(seed=seed))["shown"].to_pylist()) for seed in range(8)}
    assert len(orders) > 1


def test_the_interface_has_a_bucket_a_rank_and_controls_an_answer() -> None:
    view = ElementTree.fromstring(labelling_config(3, InterfaceConfig()))
    assert [bucket.get("name") for bucket in view.findall("Ranker/Bucket")] == ["1", "2", "3"]
    assert [item.get("name") for item in view.findall("Rating")] == ["likert_0", "likert_1", "likert_2"]
    assert [len(item.findall("Choice")) for item in view.findall("Choices")] == [11, 11, 11]
    assert view.find("TextArea").get("toName") == view.find("Paragraphs").get("name")


def test_what_is_not_asked_is_not_shown() -> None:
    bare = InterfaceConfig(ratings=False, flags=False, demonstration=False)
    view = ElementTree.fromstring(labelling_config(2, bare))
    assert {item.tag for item in view} == {"Header", "Paragraphs", "List", "Ranker"}


@pytest.mark.parametrize("k", [1, 27])
def test_k_has_limits(k: int) -> None:
    with pytest.raises(ValueError, match=f"tasks of {k} answers: expected 2 to 26"):
        labelling_config(k, InterfaceConfig())


def test_files_of_each_k(tmp_path: Path) -> None:
    written = write_projects(label_tasks(TWO, ExportConfig()), ExportConfig(), str(tmp_path))
    assert sorted(written.values()) == [1, 1]
    tasks = json.loads((tmp_path / "k3" / "tasks.json").read_text(encoding="utf-8"))
    assert tasks[0]["data"]["prompt"] == [{"role": "user", "content": "写一首诗"}]
    assert (tmp_path / "k2" / "config.xml").read_text().startswith("<View>")
