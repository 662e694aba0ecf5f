"""OpenAI's first fine-tuning layout, which is also TRL's: prompt and completion, both texts or both messages."""

from collections.abc import Iterator
from typing import Any

from pipelines.rlhf.fields import Fields
from pipelines.rlhf.layout import Layout, lacks
from pipelines.rlhf.records import Demonstration, Output, Turn, canonical
from pipelines.rlhf.source_config import RlhfSourceConfig
from pipelines.rlhf.turns import read_messages


def prompt_turns(row: Fields, config: RlhfSourceConfig) -> list[Turn]:
    """The prompt's turns and the completion's; the config's fixed ends of both texts are taken off."""
    prompt = _turns(row.at("prompt"), "user", config.prompt_separator)
    return [*prompt, *_turns(row.at("completion"), "assistant", config.completion_stop)]


def _turns(field: Fields, role: str, end: str | None) -> list[Turn]:
    if isinstance(field.value, list):
        return read_messages(field)
    text = field.raw()
    if end and text.endswith(end):
        text = text[: -len(end)]
    return [Turn(role, canonical(text))]


def _fits(row: Any) -> bool:
    return (
        lacks(row, "label")
        and isinstance(row.get("prompt"), (str, list))
        and type(row.get("completion")) is type(row["prompt"])
    )


def _read(row: Fields, config: RlhfSourceConfig) -> Iterator[Output]:
    turns = prompt_turns(row, config)
    if not turns or turns[-1].role != "assistant" or not any(turn.role == "user" for turn in turns[:-1]):
        raise row.at("completion").wrong("the assistant's answer to a human's turn", "none")
    yield Demonstration(turns)


LAYOUT = Layout("prompt_completion", '{"prompt", "completion"}, texts or lists of messages', _fits, _read)
