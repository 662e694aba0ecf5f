"""What readers make of rows, and how it becomes rows of the raw datasets: ids and one form of text."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import xxhash

from pipelines.rlhf.reasons import Reason

_SEPARATOR = "\x1f"
_SURROGATES = re.compile("[\ud800-\udfff]")
_NEWLINES = re.compile("\r\n?")
_BLANK_START = re.compile(r"\A(?:[ \t]*\n)+")


class Turn(NamedTuple):
    """One message: a role of pipelines.rlhf.schemas.ROLES and its text."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What a row says besides its texts; None where it says nothing. `user_kind` is given or derived."""

    user: str | None = None
    user_kind: str = "given"
    root: str | None = None
    use_case: str | None = None
    language: str | None = None
    licence: str | None = None


NO_FACTS = Facts()


@dataclass(frozen=True, slots=True)
class Demonstration:
    """A dialogue that ends on an answer worth imitating; `part` names it among the records of its row."""

    turns: Sequence[Turn]
    kind: str = "demonstration"
    facts: Facts = NO_FACTS
    part: str = ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A context and K answers with one judge's ranks: 1 is best, equal is a tie, None was not judged."""

    turns: Sequence[Turn]
    completions: Sequence[str]
    ranks: Sequence[int | None]
    authors: Sequence[str | None] = ()
    labeler: str | None = None
    judge: str | None = None
    criteria: str | None = None
    facts: Facts = NO_FACTS
    part: str = ""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A dialogue that waits for its answer."""

    turns: Sequence[Turn]
    facts: Facts = NO_FACTS
    part: str = ""


@dataclass(frozen=True, slots=True)
class Excluded:
    """A record of the raw dataset `dataset` that its reader leaves out, with the figure behind the reason."""

    dataset: str
    reason: Reason
    figure: float | None = None
    limit: float | None = None
    evidence: str | None = None
    part: str = ""


Output = Demonstration | Judgement | Prompt | Excluded


def record_id(source: str, origin: str) -> str:
    """128-bit xxh3 of the source's name and the origin, hex."""
    return xxhash.xxh3_128_hexdigest(f"{source}{_SEPARATOR}{origin}".encode("utf-8", "replace"))


def prompt_id(messages: Sequence[Any]) -> str:
    """128-bit xxh3 of the messages' roles and texts, hex; white space at a message's ends does not count.

    `messages` are mappings with role and content, as a column of MESSAGES gives them.

    >>> prompt_id([{"role": "user", "content": "Hi "}]) == prompt_id([{"role": "user", "content": "Hi"}])
    True
    """
    # The lengths keep a text that holds the separator from forging a turn.
    parts = [
        f"{m['role']}{_SEPARATOR}{len(m['content'].strip())}{_SEPARATOR}{m['content'].strip()}"
        for m in messages
    ]
    return xxhash.xxh3_128_hexdigest(_SEPARATOR.join(parts).encode("utf-8", "replace"))


def completion_id(prompt: str, completion: str) -> str:
    """128-bit xxh3 of a prompt_id and an answer to it, hex."""
    return xxhash.xxh3_128_hexdigest(f"{prompt}{_SEPARATOR}{completion.strip()}".encode("utf-8", "replace"))


def canonical(text: str) -> str:
    r"""`text` with \n as its newline, valid Unicode, no blank ends, and without the one space of a joined prompt.

    Deeper indentation of the first line stays: it belongs to code.

    >>> canonical(" Paris.\r\n "), canonical("    return x\n")
    ('Paris.', '    return x')
    """
    text = _NEWLINES.sub("\n", text.replace("\0", ""))
    text = _BLANK_START.sub("", _SURROGATES.sub("\ufffd", text).rstrip())
    return text[1:] if text.startswith(" ") and not text.startswith("  ") else text


def messages_of(turns: Sequence[Turn]) -> list[dict[str, str]]:
    """The turns as values of a MESSAGES column."""
    return [{"role": turn.role, "content": turn.content} for turn in turns]
