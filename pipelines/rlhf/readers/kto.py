"""Answers judged good or bad by themselves (KTO): a dialogue or an answer with a boolean.

They are neither comparisons nor, as they stand, demonstrations: "good" says that an answer is acceptable. So a row
is counted as unpaired, and its prompt kept; with `unpaired: demonstrations` the good ones become demonstrations.
"""

from collections.abc import Iterator
from typing import Any

from pipelines.rlhf.fields import Fields
from pipelines.rlhf.layout import Layout
from pipelines.rlhf.readers.alpaca import instruction_turns
from pipelines.rlhf.readers.prompt_completion import prompt_turns
from pipelines.rlhf.readers.sharegpt import conversation
from pipelines.rlhf.reasons import Reason
from pipelines.rlhf.records import Demonstration, Excluded, Output, Prompt, Turn
from pipelines.rlhf.source_config import RlhfSourceConfig
from pipelines.rlhf.turns import read_messages, tools_of, with_system

_LABELS = ("label", "kto_tag")
_DIALOGUES = ("messages", "conversations", "instruction", "completion")


def _fits(row: Any) -> bool:
    return (
        isinstance(row, dict)
        and any(isinstance(row.get(name), bool) for name in _LABELS)
        and any(row.get(name) is not None for name in _DIALOGUES)
    )


def _dialogue(row: Fields, config: RlhfSourceConfig) -> tuple[str, list[Turn]]:
    """Name of the field that the answer stands in, and all turns."""
    if "messages" in row:
        return "messages", with_system(read_messages(row.at("messages")), "", tools_of(row))
    if "conversations" in row:
        return "conversations", conversation(row)
    if "instruction" in row:
        return "output", [*instruction_turns(row), Turn("assistant", row.at("output").text())]
    return "completion", prompt_turns(row, config)


def _read(row: Fields, config: RlhfSourceConfig) -> Iterator[Output]:
    name = "kto_tag" if "kto_tag" in row else "label"
    good = row.at(name).flag()
    field, turns = _dialogue(row, config)
    if not turns or turns[-1].role != "assistant" or not any(turn.role == "user" for turn in turns[:-1]):
        raise row.at(field).wrong("a human's turn and the assistant's judged answer at the end", "none")
    if good and config.unpaired == "demonstrations":
        yield Demonstration(turns)
        return
    yield Excluded("raw_demonstrations", Reason.UNPAIRED, evidence=f"{name}: {str(good).lower()}")
    yield Prompt(turns[:-1])


LAYOUT = Layout(
    "kto",
    '{"messages" or "conversations" or "prompt", "completion" …, "label" or "kto_tag": bool}',
    _fits,
    _read,
)
