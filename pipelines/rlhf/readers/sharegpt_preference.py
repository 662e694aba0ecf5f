"""LLaMA-Factory's preference layout: conversations with chosen and rejected, each a text or a message."""

from collections.abc import Iterator
from typing import Any

from pipelines.rlhf.fields import Fields
from pipelines.rlhf.layout import Layout
from pipelines.rlhf.readers.sharegpt import conversation, conversation_facts
from pipelines.rlhf.records import Judgement, Output
from pipelines.rlhf.source_config import RlhfSourceConfig
from pipelines.rlhf.turns import is_messages, read_message


def _fits(row: Any) -> bool:
    return (
        isinstance(row, dict)
        and is_messages(row.get("conversations"))
        and all(isinstance(row.get(name), (str, dict)) for name in ("chosen", "rejected"))
    )


def _answer(field: Fields) -> str:
    """A text, or the text of one assistant's message."""
    if not isinstance(field.value, dict):
        return field.text()
    turns = read_message(field)
    if len(turns) != 1 or turns[0].role != "assistant":
        raise field.wrong("an assistant's message", "another")
    return turns[0].content


def _read(row: Fields, _: RlhfSourceConfig) -> Iterator[Output]:
    answers = [_answer(row.at("chosen")), _answer(row.at("rejected"))]
    turns = conversation(row)
    if not turns or turns[-1].role == "assistant" or all(turn.role != "user" for turn in turns):
        last = turns[-1].role if turns else "none"
        raise row.at("conversations").wrong("messages that end on the human's turn", f"{last} as the last")
    yield Judgement(turns, answers, [1, 2], facts=conversation_facts(row))


LAYOUT = Layout(
    "sharegpt_preference",
    '{"conversations": [{"from", "value"}], "chosen": text or message, "rejected": text or message}',
    _fits,
    _read,
)
