"""Rows of prompts, such as the CSV of awesome-chatgpt-prompts and TRL's prompt-only tables: a text or messages."""

from collections.abc import Iterator
from typing import Any

from pipelines.rlhf.fields import Fields
from pipelines.rlhf.layout import Layout, lacks
from pipelines.rlhf.records import Output, Prompt, Turn
from pipelines.rlhf.source_config import RlhfSourceConfig
from pipelines.rlhf.turns import is_messages, read_messages

_ANSWERS = ("completion", "chosen", "rejected", "response", "output", "response 1", "message_tree_id")


def _fits(row: Any) -> bool:
    if not lacks(row, *_ANSWERS):
        return False
    return isinstance(row.get("prompt"), str) or is_messages(row.get("prompt"))


def _read(row: Fields, _: RlhfSourceConfig) -> Iterator[Output]:
    prompt = row.at("prompt")
    if isinstance(prompt.value, list):
        turns = read_messages(prompt)
        if not turns or turns[-1].role == "assistant" or all(turn.role != "user" for turn in turns):
            raise prompt.wrong("messages that end on the human's turn", "others")
        yield Prompt(turns)
        return
    text = prompt.text()
    if not text:
        raise prompt.wrong("a prompt", "an empty text")
    yield Prompt([Turn("user", text)])


LAYOUT = Layout("prompt_only", '{"prompt"}, a text or a list of messages, beside no answer', _fits, _read)
