"""One annotation of Label Studio's export: ranks, ratings, flags and text by answer, or an error that says why not.

Label Studio checks neither names of buckets nor ids of items, so both are checked here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pipelines.rlhf.fields import Fields, RowError
from pipelines.rlhf.labelling.flags import FLAG_OF, RATING_MAX
from pipelines.rlhf.labelling.interface import (
    COMPLETIONS,
    DEMONSTRATION,
    PROMPT,
    RANK,
    UNRANKED,
    flags_of,
    rating_of,
    text_of,
)


@dataclass(slots=True)
class Annotation:
    """What a labeler said, by completion_id: bucket, rating and flags set; and the labeler's own answer."""

    buckets: dict[str, int] = field(default_factory=dict)
    ratings: dict[str, int] = field(default_factory=dict)
    flags: dict[str, list[str]] = field(default_factory=dict)
    demonstration: str | None = None


def read_results(results: Fields, shown: Sequence[str]) -> Annotation:
    """The annotation with these results, of a task that shows the answers `shown` (completion_ids) in this order.

    RowError for a control, bucket, item, value or choice that the interface does not have, for a control that
    answers twice, for a single ranked answer, and where nothing was said.
    """
    said = Annotation()
    seen: set[str] = set()
    controls = _controls(shown)
    for result in results.items():
        name = result.at("from_name").label()
        if name not in controls:
            raise RowError(
                "unknown_control",
                f"field '{result.path}.from_name' is '{name}'; known: {', '.join(controls)}",
            )
        if name in seen:
            raise RowError("repeated_control", f"field '{result.path}': '{name}' has answered before")
        seen.add(name)
        kind, target, answer = controls[name]
        _expect(result, "type", kind)
        _expect(result, "to_name", target)
        _read(kind, result.at("value").at(_VALUE[kind]), shown, answer, said)
    if not seen:
        raise RowError("empty_annotation", "field 'result' is empty, expected a ranking, a rating or a text")
    return said


_VALUE = {"ranker": "ranker", "rating": "rating", "choices": "choices", "textarea": "text"}


def _controls(shown: Sequence[str]) -> dict[str, tuple[str, str, str]]:
    """Type, object and answer of each control by its name."""
    controls = {RANK: ("ranker", COMPLETIONS, ""), DEMONSTRATION: ("textarea", PROMPT, "")}
    for place, answer in enumerate(shown):
        controls[rating_of(place)] = ("rating", text_of(place), answer)
        controls[flags_of(place)] = ("choices", text_of(place), answer)
    return controls


def _expect(result: Fields, name: str, value: str) -> None:
    found = result.at(name).label()
    if found != value:
        raise RowError("wrong_control", f"field '{result.path}.{name}': expected '{value}', found '{found}'")


def _read(kind: str, value: Fields, shown: Sequence[str], answer: str, said: Annotation) -> None:
    if kind == "ranker":
        said.buckets = _buckets(value, shown)
    elif kind == "rating":
        said.ratings[answer] = _rating(value)
    elif kind == "choices":
        said.flags[answer] = _flags(value)
    else:
        said.demonstration = _text(value)


def _buckets(value: Fields, shown: Sequence[str]) -> dict[str, int]:
    """Bucket of each ranked answer; what stands in `_` or nowhere was not judged."""
    if not isinstance(value.value, dict):
        raise value.wrong("an object of buckets")
    known = [str(bucket) for bucket in range(1, len(shown) + 1)]
    placed: dict[str, str] = {}
    for bucket in value.value:
        if bucket not in (*known, UNRANKED):
            raise RowError(
                "unknown_bucket", f"field '{value.path}' has bucket '{bucket}'; expected 1 to {len(shown)}"
            )
        for item in value.at(bucket).items():
            name = item.label()
            if name not in shown:
                raise RowError(
                    "unknown_completion", f"field '{item.path}' is '{name}'; expected {', '.join(shown)}"
                )
            if name in placed:
                raise RowError(
                    "ranked_twice", f"field '{item.path}': '{name}' is in '{placed[name]}' as well"
                )
            placed[name] = bucket
    ranked = {name: int(bucket) for name, bucket in placed.items() if bucket != UNRANKED}
    if len(ranked) == 1:
        raise RowError(
            "single_rank", f"field '{value.path}' ranks one answer; expected none, or at least two"
        )
    return ranked


def _rating(value: Fields) -> int:
    found = value.number()
    if found not in range(1, RATING_MAX + 1):
        raise RowError("wrong_rating", f"field '{value.path}' is {found:g}; expected 1 to {RATING_MAX}")
    return int(found)


def _flags(value: Fields) -> list[str]:
    flags = []
    for item in value.items():
        wording = item.label()
        if wording not in FLAG_OF:
            raise RowError(
                "unknown_flag", f"field '{item.path}' is '{wording}'; expected {'; '.join(FLAG_OF)}"
            )
        flags.append(FLAG_OF[wording])
    return flags


def _text(value: Fields) -> str:
    texts = [item.text() for item in value.items()]
    if len(texts) != 1 or not texts[0]:
        raise RowError(
            "wrong_demonstration",
            f"field '{value.path}' has {len(texts)} texts, expected one that is not empty",
        )
    return texts[0]
