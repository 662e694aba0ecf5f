"""LLaMA-Factory's preference layout in Alpaca's form: instruction, input, chosen, rejected."""

from collections.abc import Iterator
from typing import Any

from pipelines.rlhf.fields import Fields
from pipelines.rlhf.layout import Layout, has_texts
from pipelines.rlhf.readers.alpaca import instruction_turns
from pipelines.rlhf.records import Judgement, Output
from pipelines.rlhf.source_config import RlhfSourceConfig


def _fits(row: Any) -> bool:
    return has_texts(row, "instruction", "chosen", "rejected")


def _read(row: Fields, _: RlhfSourceConfig) -> Iterator[Output]:
    answers = [row.at("chosen").text(), row.at("rejected").text()]
    yield Judgement(instruction_turns(row), answers, [1, 2])


LAYOUT = Layout("alpaca_preference", '{"instruction", "input", "chosen", "rejected"}', _fits, _read)
