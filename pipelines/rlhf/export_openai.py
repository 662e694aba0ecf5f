"""Demonstrations as OpenAI's fine-tuning JSONL: chat messages, or prompt and completion with fixed ends.

The second form is that of the first fine-tuning service ("prompt", "completion"): every prompt ends in a separator
that its text does not hold, every completion begins with a space and ends in a stop.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from pipelines.engine import storage

_SPEAKERS = {"user": "User", "assistant": "Assistant", "tool": "Tool"}
Messages = Sequence[dict[str, str]]


class PromptCompletionConfig(BaseModel):
    """The fixed ends of the prompt-and-completion form."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    separator: str = Field(default="\n\n###\n\n", description="end of every prompt", min_length=1)
    stop: str = Field(default=" END", description="end of every completion", min_length=1)


def chat_rows(sft: pa.Table) -> Iterator[dict[str, Any]]:
    """{"messages"} of each row of SFT; tool calls take the form of OpenAI's tool_calls with ids of their own."""
    for messages in _dialogues(sft):
        yield {"messages": list(_chat(messages))}


def prompt_completion_rows(sft: pa.Table, config: PromptCompletionConfig) -> Iterator[dict[str, str]]:
    """{"prompt", "completion"} of each row of SFT; a dialogue of several turns names its speakers.

    Raises ValueError, with the row's record_id, for a text that holds the separator or the stop: the model could
    not tell where it ends.
    """
    ids = sft["record_id"].to_pylist()
    for record, messages in zip(ids, _dialogues(sft), strict=True):
        prompt, reply = _spoken(messages[:-1]), messages[-1]["content"]
        for mark, text, key in ((config.separator, prompt, "separator"), (config.stop, reply, "stop")):
            if mark in text:
                raise ValueError(f"record {record}: its text holds the {key} {mark!r}; set another {key}")
        yield {"prompt": prompt + config.separator, "completion": f" {reply}{config.stop}"}


def write_jsonl(rows: Iterable[dict[str, Any]], path: str) -> int:
    """Write a JSON object a line to a local path, s3:// or gs://; the number of lines."""
    lines = 0
    with storage.AtomicOutput(path) as output:
        for row in rows:
            output.stream.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
            lines += 1
    return lines


def _dialogues(sft: pa.Table) -> Iterator[Messages]:
    for batch in sft.select(["messages"]).to_batches(max_chunksize=1024):
        yield from batch.column(0).to_pylist()


def _spoken(messages: Messages) -> str:
    if len(messages) == 1:
        return str(messages[0]["content"])
    turns = [_named(message) for message in messages]
    return "\n\n".join([*turns, "Assistant:"])


def _named(message: dict[str, str]) -> str:
    speaker = _SPEAKERS.get(message["role"])
    return f"{speaker}: {message['content']}" if speaker else message["content"]


def _chat(messages: Messages) -> Iterator[dict[str, Any]]:
    waiting: list[str] = []
    for number, message in enumerate(messages):
        following = messages[number + 1]["role"] if number + 1 < len(messages) else ""
        calls = _calls(message) if following == "tool" else []
        if calls:
            waiting = [f"call_{number}_{index}" for index in range(len(calls))]
            yield {"role": "assistant", "content": None, "tool_calls": _tool_calls(waiting, calls)}
        elif message["role"] == "tool" and waiting:
            yield {"role": "tool", "tool_call_id": waiting.pop(0), "content": message["content"]}
        elif (
            message["role"] == "tool"
        ):  # an answer to no call that could be read: OpenAI takes none without its id
            yield {"role": "user", "content": message["content"]}
        else:
            yield {"role": message["role"], "content": message["content"]}


def _calls(message: dict[str, str]) -> list[dict[str, Any]]:
    """The calls that an assistant's turn consists of, none where it is no JSON of calls."""
    if message["role"] != "assistant":
        return []
    try:
        value = json.loads(message["content"])
    except ValueError:
        return []
    calls = value if isinstance(value, list) else [value]
    return (
        calls
        if all(isinstance(call, dict) and {"name", "arguments"} <= call.keys() for call in calls)
        else []
    )


def _tool_calls(ids: Sequence[str], calls: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "id": name,
            "type": "function",
            "function": {
                "name": call["name"],
                "arguments": json.dumps(call["arguments"], ensure_ascii=False),
            },
        }
        for name, call in zip(ids, calls, strict=True)
    ]
