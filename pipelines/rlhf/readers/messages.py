"""OpenAI's chat fine-tuning layout, which is also TRL's conversational one: messages of role and content.

An assistant's message of weight 0 is context alone: no demonstration ends on it.
"""

from collections.abc import Iterator
from typing import Any

from pipelines.rlhf.fields import Fields
from pipelines.rlhf.layout import Layout, lacks
from pipelines.rlhf.readers.sharegpt import conversation_facts
from pipelines.rlhf.reasons import Reason
from pipelines.rlhf.records import Demonstration, Excluded, Output
from pipelines.rlhf.source_config import RlhfSourceConfig
from pipelines.rlhf.turns import (
    dialogue_outputs,
    is_messages,
    read_message,
    read_messages,
    tools_of,
    with_system,
)


def _fits(row: Any) -> bool:
    return lacks(row, "label", "kto_tag") and is_messages(row.get("messages"))


def _read(row: Fields, config: RlhfSourceConfig) -> Iterator[Output]:
    given = row.at("messages")
    turns = with_system(read_messages(given), "", tools_of(row))
    if not turns:
        raise given.wrong("at least one message", "an empty list")
    silent = _weighed_nothing(given)
    for output in dialogue_outputs(turns, conversation_facts(row), "messages", config.every_reply):
        replies = (
            sum(turn.role == "assistant" for turn in output.turns) if isinstance(output, Demonstration) else 0
        )
        if replies in silent:
            evidence = f"{silent[replies]}: 0"
            yield Excluded("raw_demonstrations", Reason.NOT_TRAINED_ON, evidence=evidence, part=output.part)
        else:
            yield output


def _weighed_nothing(messages: Fields) -> dict[int, str]:
    """The path of the weight of each reply that has the weight 0, by the reply's number from 1."""
    silent: dict[int, str] = {}
    replies = 0
    for message in messages.items():
        said = [turn for turn in read_message(message) if turn.role == "assistant"]
        replies += len(said)
        weight = message.optional("weight") if said else None
        if weight is not None and weight.integer() == 0:
            silent |= dict.fromkeys(range(replies - len(said) + 1, replies + 1), weight.path)
    return silent


LAYOUT = Layout("messages", '{"messages": [{"role", "content"}][, "tools"]}', _fits, _read)
