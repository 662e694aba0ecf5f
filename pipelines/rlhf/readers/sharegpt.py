"""ShareGPT and LLaMA-Factory's conversations: turns of from and value, tool calls among them."""

from collections.abc import Iterator
from typing import Any

from pipelines.rlhf.fields import Fields
from pipelines.rlhf.layout import Layout, lacks
from pipelines.rlhf.records import Facts, Output, Turn
from pipelines.rlhf.source_config import RlhfSourceConfig
from pipelines.rlhf.turns import dialogue_outputs, is_messages, read_messages, tools_of, with_system


def conversation(row: Fields) -> list[Turn]:
    """The turns of `conversations` behind the row's system message and tool definitions."""
    system = row.optional("system")
    turns = read_messages(row.at("conversations"))
    return with_system(turns, system.text() if system else "", tools_of(row))


def conversation_facts(row: Fields) -> Facts:
    """The conversation's id, where the row has one."""
    name = row.optional("id")
    return Facts(root=name.label() if name else None)


def _fits(row: Any) -> bool:
    return lacks(row, "chosen", "rejected", "label", "kto_tag") and is_messages(row.get("conversations"))


def _read(row: Fields, config: RlhfSourceConfig) -> Iterator[Output]:
    turns = conversation(row)
    if not turns:
        raise row.at("conversations").wrong("at least one message", "an empty list")
    yield from dialogue_outputs(turns, conversation_facts(row), "conversations", config.every_reply)


LAYOUT = Layout("sharegpt", '{"conversations": [{"from", "value"}][, "system", "tools", "id"]}', _fits, _read)
