"""BELLE's evaluation set: a question, its class (the use case) and a reference answer, which may be empty."""

from collections.abc import Iterator
from typing import Any

from pipelines.rlhf.fields import Fields
from pipelines.rlhf.layout import Layout, has_texts
from pipelines.rlhf.records import Demonstration, Facts, Output, Prompt, Turn
from pipelines.rlhf.source_config import RlhfSourceConfig


def _fits(row: Any) -> bool:
    return has_texts(row, "question", "std_answer", "class")


def _read(row: Fields, _: RlhfSourceConfig) -> Iterator[Output]:
    facts = Facts(use_case=row.at("class").text() or None)
    asked = [Turn("user", row.at("question").text())]
    answer = row.at("std_answer").text()
    yield Prompt(asked, facts)
    if answer:
        yield Demonstration([*asked, Turn("assistant", answer)], "reference", facts)


LAYOUT = Layout("belle_eval", '{"question", "std_answer", "class"}', _fits, _read)
