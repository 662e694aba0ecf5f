"""Records to rows of the raw datasets: ids, the config's defaults, filled placeholders, dense ranks."""

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from pipelines.rlhf.records import (
    Demonstration,
    Excluded,
    Facts,
    Judgement,
    Output,
    Turn,
    messages_of,
    record_id,
)
from pipelines.rlhf.source_config import RlhfSourceConfig

_PLACEHOLDER = re.compile(r"\{\{\s*([^{}\s]+)\s*\}\}")


class RawRow(NamedTuple):
    """Values of a row of `dataset`; `chars` is the length of its texts."""

    dataset: str
    values: dict[str, Any]
    chars: int


def raw_row(output: Output, source: RlhfSourceConfig, origin: str) -> RawRow:
    """The row of a record that was read at `origin` (file#row)."""
    origin = f"{origin}#{output.part}" if output.part else origin
    known: dict[str, Any] = {"record_id": record_id(source.name, origin), "source": source.name}
    if isinstance(output, Excluded):
        decision = {
            "dataset": output.dataset,
            "keep": False,
            "reason": str(output.reason),
            "figure": output.figure,
            "limit": output.limit,
            "evidence": output.evidence,
        }
        return RawRow("read_decisions", known | decision, 0)
    fill = _filler(source)
    known |= {
        "origin": origin,
        "messages": messages_of([Turn(t.role, fill(t.content)) for t in output.turns]),
    }
    known |= _facts(output.facts, source)
    chars = sum(len(turn.content) for turn in output.turns)
    if isinstance(output, Demonstration):
        return RawRow("raw_demonstrations", known | {"kind": output.kind}, chars)
    if isinstance(output, Judgement):
        answers = [fill(text) for text in output.completions]
        return RawRow(
            "raw_judgements", known | _judgement(output, answers, source), chars + sum(map(len, answers))
        )
    return RawRow("raw_prompts", known, chars)


def _judgement(judgement: Judgement, answers: list[str], source: RlhfSourceConfig) -> dict[str, Any]:
    layout = judgement.judge or "model"  # a human judge must be known, not supposed
    return {
        "completions": answers,
        "completion_authors": list(judgement.authors) or [None] * len(answers),
        "ranks": dense_ranks(judgement.ranks),
        "labeler_id": _own(source, judgement.labeler),
        "judge_kind": layout if source.judge_kind == "layout" else source.judge_kind,
        "criteria": judgement.criteria or source.criteria,
        "partial": any(rank is None for rank in judgement.ranks),
    }


def dense_ranks(ranks: Sequence[int | None]) -> list[int | None]:
    """The same order counted from 1 without gaps; equal ranks stay equal, None stays None.

    >>> dense_ranks([3, None, 5, 3])
    [1, None, 2, 1]
    """
    order = sorted({rank for rank in ranks if rank is not None})
    return [None if rank is None else order.index(rank) + 1 for rank in ranks]


def _facts(facts: Facts, source: RlhfSourceConfig) -> dict[str, str | None]:
    return {
        "licence": facts.licence or source.licence,
        "user_id": _own(source, facts.user),
        "user_id_kind": facts.user_kind if facts.user else None,
        "root_id": _own(source, facts.root),
        "use_case": facts.use_case or source.use_case,
        "language": facts.language or source.language,
    }


def _own(source: RlhfSourceConfig, name: str | None) -> str | None:
    """Names are only unique within their source."""
    return f"{source.name}:{name}" if name else None


def _filler(source: RlhfSourceConfig) -> Callable[[str], str]:
    values = {entry.name: entry.value for entry in source.template_values}
    if not values:
        return lambda text: text
    return lambda text: _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), text)
