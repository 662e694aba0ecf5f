"""Self-Instruct's tasks (also Alpaca's and BELLE's seeds): an instruction with instances of input and output."""

from collections.abc import Iterator
from typing import Any

from pipelines.rlhf.fields import Fields
from pipelines.rlhf.layout import Layout, has_texts
from pipelines.rlhf.records import Demonstration, Facts, Output, Turn
from pipelines.rlhf.source_config import RlhfSourceConfig


def _fits(row: Any) -> bool:
    return has_texts(row, "instruction") and isinstance(row.get("instances"), list)


def _read(row: Fields, _: RlhfSourceConfig) -> Iterator[Output]:
    """A demonstration an instance; those of one task are parts of one conversation root.

    The use case is the task's name, of which `pipelines.rlhf.use_case_labels` declares those of the seeds.
    """
    instruction = row.at("instruction").text()
    name = row.optional("id")
    classifies = row.optional("is_classification")
    if classifies is not None and classifies.flag():
        use_case: str | None = "classification"
    else:
        task = row.optional("name")
        use_case = task.label() if task else None
    facts = Facts(root=name.label() if name else None, use_case=use_case)
    instances = list(row.at("instances").items())
    if not instances:
        raise row.at("instances").wrong("at least one instance", "an empty list")
    for number, instance in enumerate(instances, 1):
        extra = instance.optional("input")
        asked = "\n".join(part for part in (instruction, extra.text() if extra else "") if part)
        turns = [Turn("user", asked), Turn("assistant", instance.at("output").text())]
        yield Demonstration(turns, facts=facts, part=f"instance{number}" if len(instances) > 1 else "")


LAYOUT = Layout("self_instruct", '{"instruction", "instances": [{"input", "output"}][, "id"]}', _fits, _read)
