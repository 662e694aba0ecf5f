"""OpenAI's preference fine-tuning layout: input messages with a preferred and a non-preferred output."""

from collections.abc import Iterator
from typing import Any

from pipelines.rlhf.fields import Fields
from pipelines.rlhf.layout import Layout
from pipelines.rlhf.readers.pairs import judged_pair
from pipelines.rlhf.records import Output
from pipelines.rlhf.source_config import RlhfSourceConfig
from pipelines.rlhf.turns import is_messages, read_messages, tools_of, with_system

_OUTPUTS = ("preferred_output", "non_preferred_output")


def _fits(row: Any) -> bool:
    return isinstance(row, dict) and all(is_messages(row.get(name)) for name in _OUTPUTS)


def _read(row: Fields, _: RlhfSourceConfig) -> Iterator[Output]:
    given = row.at("input")
    prompt = with_system(read_messages(given.at("messages")), "", tools_of(given))
    answers = [read_messages(row.at(name)) for name in _OUTPUTS]
    yield judged_pair([*prompt, *answers[0]], [*prompt, *answers[1]], fields=_OUTPUTS)


LAYOUT = Layout(
    "openai_preference",
    '{"input": {"messages"}, "preferred_output": [message], "non_preferred_output": [message]}',
    _fits,
    _read,
)
