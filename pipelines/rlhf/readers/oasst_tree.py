"""OpenAssistant's message trees: each point that waits for an answer gives its prompt, ranking and best reply.

Ranks of the export count from 0; a reply without one was not judged. Deleted, turned down and synthetic messages
are left out with all that was said below them; a ranking keeps the order of the replies that remain.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from pipelines.rlhf.fields import Fields, RowError
from pipelines.rlhf.layout import Layout
from pipelines.rlhf.reasons import Reason
from pipelines.rlhf.records import Demonstration, Excluded, Facts, Judgement, Output, Prompt, Turn
from pipelines.rlhf.source_config import RlhfSourceConfig

_ROLES = {"prompter": "user", "assistant": "assistant"}


class _Node(NamedTuple):
    """A message that is still to be walked, with the turns above it."""

    message: Fields
    above: tuple[Turn, ...]


def _fits(row: Any) -> bool:
    return isinstance(row, dict) and "message_tree_id" in row and isinstance(row.get("prompt"), dict)


def _read(row: Fields, _: RlhfSourceConfig) -> Iterator[Output]:
    """Depth first, without recursion: a tree may be as deep as it likes."""
    tree = row.at("message_tree_id").label()
    waiting = [_Node(row.at("prompt"), ())]
    while waiting:
        message, above = waiting.pop()
        turns = (*above, _turn(message))
        excluded = _excluded(message)
        if excluded is not None:
            yield excluded
            continue
        replies = list(message.at("replies").items()) if "replies" in message else []
        if turns[-1].role == "user":
            yield from _answered(message, turns, replies, tree)
        waiting += [_Node(reply, turns) for reply in reversed(replies)]


def _answered(
    message: Fields, turns: Sequence[Turn], replies: Sequence[Fields], tree: str
) -> Iterator[Output]:
    """The prompt, and what its replies show: those that are left out are told when the walk comes to them."""
    language = message.optional("lang")
    user = message.optional("user_id")
    facts = Facts(user.label() if user else None, root=tree, language=language.label() if language else None)
    part = message.at("message_id").label()
    yield Prompt(turns, facts, part)
    usable = [reply for reply in replies if _excluded(reply) is None]
    ranks = [_rank(reply) for reply in usable]
    texts = [_turn(reply).content for reply in usable]
    judged = [rank for rank in ranks if rank is not None]
    if judged:
        best = texts[ranks.index(min(judged))]
        yield Demonstration([*turns, Turn("assistant", best)], "best_reply", facts, part)
    elif len(usable) == 1:
        yield Demonstration([*turns, Turn("assistant", texts[0])], "demonstration", facts, part)
    elif texts:
        evidence = f"{len(texts)} replies without a rank"
        yield Excluded("raw_demonstrations", Reason.UNJUDGED, evidence=evidence, part=part)
    if len(judged) > 1:
        yield Judgement(
            turns, texts, ranks, [_author(reply) for reply in usable], judge="human", facts=facts, part=part
        )


def _turn(message: Fields) -> Turn:
    name = message.at("role").label()
    if name not in _ROLES:
        raise RowError("unknown_role", f"field '{message.path}.role' is '{name}'; known: assistant, prompter")
    return Turn(_ROLES[name], message.at("text").text())


def _rank(reply: Fields) -> int | None:
    rank = reply.optional("rank")
    return rank.integer() + 1 if rank else None


def _author(reply: Fields) -> str | None:
    author = reply.optional("user_id")
    return author.label() if author else "human"


def _excluded(message: Fields) -> Excluded | None:
    """Why a message and all below it are left out, None where they are not."""
    part = message.at("message_id").label()
    dataset = "raw_prompts" if message.at("role").label() == "prompter" else "raw_demonstrations"
    if _is(message, "deleted"):
        return Excluded(dataset, Reason.DELETED, evidence=part, part=part)
    if _is(message, "synthetic"):
        model = message.optional("model_name")
        return Excluded(dataset, Reason.SYNTHETIC, evidence=model.label() if model else part, part=part)
    review = message.optional("review_result")
    if review is not None and not review.flag():
        return Excluded(dataset, Reason.FLAGGED, evidence=part, part=part)
    return None


def _is(message: Fields, name: str) -> bool:
    found = message.optional(name)
    return found is not None and found.flag()


LAYOUT = Layout(
    "oasst_tree",
    '{"message_tree_id", "prompt": {"message_id", "role", "text", "replies": [the same with "rank"]}}',
    _fits,
    _read,
)
