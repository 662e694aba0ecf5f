"""An explanation as text for a terminal."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipelines.explaining.verdicts import as_rows
from pipelines.report import text_table

if TYPE_CHECKING:
    from pipelines.explain import Explanation

_ROWS = 20


def as_text(found: "Explanation", characters: int) -> str:
    """The sections that have something to say, and the first `characters` of the text."""
    return "\n\n".join(f"{title}\n{body}" for title, body in _sections(found, characters))


def _sections(found: "Explanation", characters: int) -> Iterator[tuple[str, str]]:
    if found.dead_letters:
        yield f"'{found.name}' never became a document: dead letters", _records(found.dead_letters)
        return
    yield "Document", _facts(found.document)
    if found.also_at:
        yield "The same id or address stands again", ", ".join(found.also_at)
    if found.decision:
        told = "kept" if found.decision["keep"] else f"dropped: {found.decision['reason']}"
        yield f"Decision: {told}", _facts(found.decision)
    if found.verdicts:
        yield "Rules, in the order in which they are asked", text_table(as_rows(found.verdicts))
    by_passages: dict[tuple[str, ...], list[str]] = {}
    for reason, passages in found.responsible.items():
        by_passages.setdefault(tuple(passages), []).append(reason)
    for shown, reasons in by_passages.items():
        yield f"What makes {', '.join(reasons)} fail", "\n".join(f"- {passage}" for passage in shown) or "-"
    tables: tuple[tuple[str, Sequence[Mapping[str, Any]]], ...] = (
        ("It is a duplicate of", found.duplicate_of),
        ("It stays in place of", found.survivor_of),
        ("Passages cut out of it", found.passages_cut),
        ("Benchmark n-grams in it", found.contamination),
        ("Pieces of it in the corpus", found.pieces),
        ("Personal data in its text", found.personal_data),
        ("Personal data in its pieces in the corpus", found.replaced),
    )
    for title, rows in tables:
        if rows:
            yield title, _records(rows)
    if found.signals:
        yield "Signals", _facts(found.signals)
    beginning = found.text[:characters]
    left = len(found.text) - len(beginning)
    yield "Text", beginning + (f"\n[{left:,} characters more]" if left else "")


def _facts(facts: Mapping[str, Any]) -> str:
    wide = max(map(len, facts), default=0)
    return "\n".join(f"  {name.ljust(wide)}  {_cell(value)}" for name, value in facts.items())


def _records(rows: Sequence[Mapping[str, Any]]) -> str:
    told = ["  " + "  ".join(f"{name}={_cell(value)}" for name, value in row.items()) for row in rows[:_ROWS]]
    if len(rows) > _ROWS:
        told.append(f"  and {len(rows) - _ROWS} more")
    return "\n".join(told)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return "-" if value is None else " ".join(str(value).split())
