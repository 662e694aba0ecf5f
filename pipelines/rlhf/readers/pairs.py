"""Two dialogues of which one was preferred: what they share is the context, what is left are the answers."""

from collections.abc import Sequence

from pipelines.rlhf.fields import RowError
from pipelines.rlhf.reasons import Reason
from pipelines.rlhf.records import NO_FACTS, Excluded, Facts, Judgement, Turn


def judged_pair(
    chosen: Sequence[Turn],
    rejected: Sequence[Turn],
    judge: str | None = None,
    facts: Facts = NO_FACTS,
    fields: tuple[str, str] = ("chosen", "rejected"),
) -> Judgement | Excluded:
    """The judgement that prefers the last turn of `chosen`, or why the two dialogues give none.

    RowError, which names the row's `fields` of both, where one has no turns, and where the shared ones end on an
    answer, so that chosen and rejected answer nobody.
    """
    for name, turns in zip(fields, (chosen, rejected), strict=True):
        if not turns:
            raise RowError("no_prompt", f"field '{name}': expected a dialogue, found no turns")
    shared = shared_turns(chosen, rejected)
    behind = max(len(chosen), len(rejected)) - shared
    last = next((turns[-1].role for turns in (chosen, rejected) if turns[-1].role != "assistant"), None)
    if last is not None:
        return Excluded("raw_judgements", Reason.ENDS_ON_HUMAN, float(len(chosen)), None, last)
    if behind > 1:
        return Excluded("raw_judgements", Reason.CONTEXT_MISMATCH, float(behind), 1.0)
    if not shared_prompt(chosen, rejected) or chosen[shared - 1].role == "assistant":
        raise RowError(
            "no_prompt",
            f"fields '{fields[0]}' and '{fields[1]}': expected a human's turn in front of both answers, found none",
        )
    answers = [chosen[-1].content, rejected[-1].content]
    return Judgement(chosen[:shared], answers, [1, 2], judge=judge, facts=facts)


def shared_turns(one: Sequence[Turn], other: Sequence[Turn]) -> int:
    """Length of the longest common run from the start that leaves each its last turn."""
    most = min(len(one), len(other)) - 1
    return next((n for n in range(most) if one[n] != other[n]), most)


def shared_prompt(one: Sequence[Turn], other: Sequence[Turn]) -> Sequence[Turn]:
    """The shared turns up to the last that is not the assistant's; none where no human speaks in them."""
    context = one[: shared_turns(one, other)]
    while context and context[-1].role == "assistant":
        context = context[:-1]
    return context if any(turn.role == "user" for turn in context) else []
