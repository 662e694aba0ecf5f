"""The interface, tasks and annotations are Label Studio's own, by its SDK (pip install label-studio-sdk==2.1.2)."""

from typing import Any

import pytest

from pipelines.rlhf.labelling.export import ExportConfig, label_tasks, projects
from pipelines.rlhf.labelling.flags import FLAGS
from pipelines.rlhf.labelling.interface import InterfaceConfig, labelling_config
from tests.pipelines.rlhf.labelled import (
    annotation,
    candidate,
    candidate_table,
    flags,
    own_answer,
    ranking,
    rating,
)

pytestmark = [pytest.mark.external, pytest.mark.slow]

ASKED = candidate_table(
    candidate(1, "写一首诗", ["一", "二", "三"]), candidate(2, "Which?", [f"Answer {i}" for i in range(9)])
)
TASKS = label_tasks(ASKED, ExportConfig())


@pytest.fixture(scope="module")
def interface() -> Any:
    return pytest.importorskip("label_studio_sdk.label_interface").LabelInterface


@pytest.mark.parametrize("bare", [False, True], ids=["all that can be asked", "ranking alone"])
@pytest.mark.parametrize("k", [2, 9])
def test_the_interface_is_valid(interface: Any, k: int, bare: bool) -> None:
    config = InterfaceConfig(ratings=not bare, flags=not bare, demonstration=not bare)
    interface(labelling_config(k, config)).validate()


@pytest.mark.parametrize("project", projects(TASKS, ExportConfig()), ids=lambda project: f"k{project.k}")
def test_tasks_and_annotations_are_valid(interface: Any, project: Any) -> None:
    label = interface(project.config)
    (task,) = project.tasks
    ids = [item["id"] for item in task["data"]["completions"]]
    said = annotation(
        1001,
        ranking({"1": ids[:2], "2": [], "3": ids[2:], "_": []}),
        rating(0, 7),
        flags(1, FLAGS["hallucination"], FLAGS["sexual_content"]),
        own_answer("Teal."),
    )
    assert label.validate_task(task)
    assert label.validate_annotation(said)


@pytest.mark.parametrize("wrong", [rating(0, 3) | {"from_name": "stars_0"}, flags(0, "Boring")])
def test_the_sdk_does_look(interface: Any, wrong: dict[str, Any]) -> None:
    label = interface(projects(TASKS, ExportConfig())[0].config)
    assert not label.validate_annotation(annotation(1, wrong))
