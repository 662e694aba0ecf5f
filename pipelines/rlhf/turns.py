"""Messages of all layouts to turns: roles by any of their names, tool calls as the JSON of the call."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pipelines.rlhf.fields import Fields, RowError
from pipelines.rlhf.reasons import Reason
from pipelines.rlhf.records import Demonstration, Excluded, Facts, Output, Prompt, Turn

_ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "function_call": "assistant",
    "tool_call": "assistant",
    "observation": "tool",
    "tool": "tool",
    "function": "tool",
    "function_response": "tool",
    "tool_response": "tool",
}
_KEYS = (("role", "content"), ("from", "value"))
TOOLS_HEAD = "Tools:\n"


def is_messages(value: Any) -> bool:
    """Whether a raw value is a list of messages: objects with role and content, or from and value."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(item, dict) and any(role in item for role, _ in _KEYS) for item in value)
    )


def read_messages(messages: Fields) -> list[Turn]:
    """The turns of a list of messages; an empty system message is left out, other empty texts stay.

    RowError for a role that no layout knows.
    """
    turns = [turn for message in messages.items() for turn in read_message(message)]
    return [turn for turn in turns if turn.role != "system" or turn.content]


def read_message(message: Fields) -> list[Turn]:
    """The turn of one message; a text beside a tool call is a turn of its own in front of it."""
    role_key, text_key = _keys(message)
    name = message.at(role_key).label()
    role = _ROLES.get(name.lower())
    if role is None:
        known = ", ".join(sorted(_ROLES))
        raise RowError("unknown_role", f"field '{message.path}.{role_key}' is '{name}'; known roles: {known}")
    calls = _calls_of(message)
    turns = []
    if calls is None or text_key in message:
        turns.append(Turn(role, _content(message.at(text_key))))
    if calls is not None and calls.value:
        turns = [turn for turn in turns if turn.content]
        turns.append(Turn(role, _calls(calls)))
    if not turns:
        message.at(text_key)  # raises: neither a text nor a call
    return turns


def _calls_of(message: Fields) -> Fields | None:
    """The list of calls; of OpenAI's older form, function_call, the one that it holds."""
    one = message.optional("function_call")
    return message.optional("tool_calls") if one is None else one.having([one.value])


def with_system(turns: Sequence[Turn], system: str = "", tools: str = "") -> list[Turn]:
    """The turns with one system message in front: the row's own, then the definitions of the tools it may call."""
    leading = [turn.content for turn in turns[:1] if turn.role == "system"]
    defined = [TOOLS_HEAD + tools] if tools and tools != "[]" else []
    texts = [text for text in [system, *leading, *defined] if text]
    rest = turns[len(leading) :]
    return [Turn("system", "\n\n".join(texts)), *rest] if texts else list(rest)


def tools_of(row: Fields) -> str:
    """The tool definitions of a row as JSON text, empty where it has none."""
    found = row.optional("tools") or row.optional("functions")
    if found is None:
        return ""
    return found.text() if isinstance(found.value, str) else found.json()


def dialogue_outputs(
    turns: Sequence[Turn], facts: Facts, field: str, every_reply: bool = False, kind: str = "demonstration"
) -> Iterator[Output]:
    """A dialogue as a demonstration of its last reply, or of every one; where a human ends it, as a prompt.

    RowError, which names the row's `field` of the dialogue, where no human's turn stands in front of the last reply.
    """
    if not any(turn.role == "user" for turn in turns[:-1] or turns):
        raise RowError("no_prompt", f"field '{field}': no human's turn stands in front of the assistant's")
    last = turns[-1].role
    if last != "assistant":
        yield Excluded("raw_demonstrations", Reason.ENDS_ON_HUMAN, float(len(turns)), None, last)
        yield Prompt(turns, facts)
    if every_reply:
        yield from _replies(turns, facts, kind)
    elif last == "assistant":
        yield Demonstration(turns, kind, facts)


def _replies(turns: Sequence[Turn], facts: Facts, kind: str) -> Iterator[Output]:
    asked = False
    for end, turn in enumerate(turns, 1):
        asked = asked or turn.role == "user"
        if asked and turn.role == "assistant":
            yield Demonstration(turns[:end], kind, facts, f"turn{end}")


def _keys(message: Fields) -> tuple[str, str]:
    for role, text in _KEYS:
        if role in message:
            return role, text
    message.at("role")  # raises: says what is missing
    raise message.wrong("a message with role and content, or from and value")


def _content(content: Fields) -> str:
    """A text, or the joined texts of OpenAI's content parts."""
    if not isinstance(content.value, list):
        return content.text()
    parts = list(content.items())
    for part in parts:
        if part.at("type").label() != "text":
            raise RowError(
                "not_a_text", f"field '{part.path}' is of type '{part.at('type').label()}', not text"
            )
    return "\n".join(part.at("text").text() for part in parts)


def _calls(calls: Fields) -> str:
    """One call as {"name", "arguments"}, several as a list of these."""
    found = []
    for call in calls.items():
        function = call.at("function") if "function" in call else call
        arguments = function.at("arguments").value
        found.append({"name": function.at("name").label(), "arguments": _parsed(arguments)})
    return calls.having(found[0] if len(found) == 1 else found).json()


def _parsed(arguments: Any) -> Any:
    """OpenAI gives the arguments as JSON text; what does not parse stays as it is."""
    if not isinstance(arguments, str):
        return arguments
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments


def split_last(turns: Iterable[Turn]) -> tuple[list[Turn], str | None]:
    """The turns in front of the last assistant turn, and its text; None where the last turn is another's."""
    turns = list(turns)
    if turns and turns[-1].role == "assistant":
        return turns[:-1], turns[-1].content
    return turns, None
