"""Auto-J's pairwise test: human verdicts on two responses in 58 scenarios."""

from collections.abc import Iterator
from typing import Any

from pipelines.rlhf.fields import Fields
from pipelines.rlhf.layout import Layout, has_texts
from pipelines.rlhf.readers.verdicts import FIRST, SECOND, TIE, ranks_of
from pipelines.rlhf.records import Facts, Judgement, Output, Turn
from pipelines.rlhf.source_config import RlhfSourceConfig

_MEANING = {0: FIRST, 1: SECOND, 2: TIE}


def _fits(row: Any) -> bool:
    return has_texts(row, "prompt", "response 1", "response 2") and "label" in row


def _read(row: Fields, _: RlhfSourceConfig) -> Iterator[Output]:
    scenario = row.optional("scenario")
    yield Judgement(
        [Turn("user", row.at("prompt").text())],
        [row.at("response 1").text(), row.at("response 2").text()],
        ranks_of(row.at("label"), _MEANING),
        judge="human",
        facts=Facts(use_case=scenario.label() if scenario else None),
    )


LAYOUT = Layout(
    "auto_j",
    '{"prompt", "response 1", "response 2", "label"[, "scenario"]}',
    _fits,
    _read,
    "label 0 first, 1 second, 2 tie",
)
