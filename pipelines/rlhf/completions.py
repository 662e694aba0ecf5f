"""Which of a judgement's completions can be compared: none empty, none there twice with two ranks."""

from collections.abc import Sequence
from typing import NamedTuple

from pipelines.rlhf.raw_rows import dense_ranks
from pipelines.rlhf.reasons import Reason


class Kept(NamedTuple):
    """Places of the completions that stay with their ranks from 1, and a reason for each of those that go."""

    places: list[int]
    ranks: list[int | None]
    lost: list[Reason]


def kept_completions(completions: Sequence[str], ranks: Sequence[int | None]) -> Kept:
    """Leave out empty completions, and of equal ones all but the first; all of them where their ranks differ.

    One text with two ranks says that its judge saw no difference, or that the ranks are noise: it says nothing.
    """
    places: list[int] = []
    lost: list[Reason] = []
    by_text: dict[str, list[int]] = {}
    for place, text in enumerate(completions):
        by_text.setdefault(text.strip(), []).append(place)
    for place, text in enumerate(completions):
        same = by_text[text.strip()]
        if not text.strip():
            lost.append(Reason.EMPTY_REPLY)
        elif len(same) > 1 and (len({ranks[other] for other in same}) > 1 or place != same[0]):
            lost.append(Reason.DUPLICATE_COMPLETIONS)
        else:
            places.append(place)
    return Kept(places, dense_ranks([ranks[place] for place in places]), lost)
