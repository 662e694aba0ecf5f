"""OpenAI's chat fine-tuning layout, which is also TRL's conversational one: messages of role and content."""

from collections.abc import Iterator
from typing import Any

from pipelines.rlhf.fields import Fields
from pipelines.rlhf.layout import Layout, lacks
from pipelines.rlhf.readers.sharegpt import conversation_facts
from pipelines.rlhf.records import Output
from pipelines.rlhf.source_config import RlhfSourceConfig
from pipelines.rlhf.turns import dialogue_outputs, is_messages, read_messages, tools_of, with_system


def _fits(row: Any) -> bool:
    return lacks(row, "label", "kto_tag") and is_messages(row.get("messages"))


def _read(row: Fields, config: RlhfSourceConfig) -> Iterator[Output]:
    turns = with_system(read_messages(row.at("messages")), "", tools_of(row))
    if not turns:
        raise row.at("messages").wrong("at least one message", "an empty list")
    yield from dialogue_outputs(turns, conversation_facts(row), "messages", config.every_reply)


LAYOUT = Layout("messages", '{"messages": [{"role", "content"}][, "tools"]}', _fits, _read)
