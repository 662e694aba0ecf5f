"""Alpaca: an instruction with an optional input and its answer; LLaMA-Factory adds system and history."""

from collections.abc import Iterator
from typing import Any

from pipelines.rlhf.fields import Fields
from pipelines.rlhf.layout import Layout, has_texts, lacks
from pipelines.rlhf.records import Demonstration, Output, Turn
from pipelines.rlhf.source_config import RlhfSourceConfig
from pipelines.rlhf.turns import with_system


def instruction_turns(row: Fields) -> list[Turn]:
    """System, the rounds of history, then the instruction with its input below it (as LLaMA-Factory joins them)."""
    system = row.optional("system")
    turns = with_system([], system.text() if system else "")
    history = row.optional("history")
    for pair in history.items() if history else ():
        said, answered = _both(pair)
        turns += [Turn("user", said.text()), Turn("assistant", answered.text())]
    extra = row.optional("input")
    parts = [row.at("instruction").text(), extra.text() if extra else ""]
    return [*turns, Turn("user", "\n".join(part for part in parts if part))]


def _both(pair: Fields) -> tuple[Fields, Fields]:
    items = list(pair.items())
    if len(items) != 2:
        raise pair.wrong("a question and its answer", f"{len(items)} items")
    return items[0], items[1]


def _fits(row: Any) -> bool:
    return has_texts(row, "instruction", "output") and lacks(row, "kto_tag", "label", "instances")


def _read(row: Fields, _: RlhfSourceConfig) -> Iterator[Output]:
    turns = instruction_turns(row)
    yield Demonstration([*turns, Turn("assistant", row.at("output").text())])


LAYOUT = Layout("alpaca", '{"instruction", "input", "output"[, "system", "history"]}', _fits, _read)
