"""LLMBar's processed sets (FairEval, LLMEval², MT-Bench): human verdicts on two outputs, without ties."""

from collections.abc import Iterator
from typing import Any

from pipelines.rlhf.fields import Fields
from pipelines.rlhf.layout import Layout, has_texts, lacks
from pipelines.rlhf.readers.verdicts import FIRST, SECOND, ranks_of
from pipelines.rlhf.records import Judgement, Output, Turn
from pipelines.rlhf.source_config import RlhfSourceConfig

_MEANING = {1: FIRST, 2: SECOND}


def _fits(row: Any) -> bool:
    return has_texts(row, "input", "output_1", "output_2") and lacks(row, "instruction") and "label" in row


def _read(row: Fields, _: RlhfSourceConfig) -> Iterator[Output]:
    yield Judgement(
        [Turn("user", row.at("input").text())],
        [row.at("output_1").text(), row.at("output_2").text()],
        ranks_of(row.at("label"), _MEANING),
        judge="human",
    )


LAYOUT = Layout(
    "llmbar", '{"input", "output_1", "output_2", "label"}', _fits, _read, "label 1 first, 2 second"
)
