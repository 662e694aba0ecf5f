"""The mapped reader: rows of any layout, by a config that names the columns and says what each verdict means."""

import re
from collections.abc import Iterator, Mapping, Sequence

from pipelines.rlhf.fields import Fields, RowError
from pipelines.rlhf.mapped_config import MappedConfig
from pipelines.rlhf.readers.verdicts import FIRST, SECOND, TIE
from pipelines.rlhf.reasons import Reason
from pipelines.rlhf.records import Demonstration, Excluded, Facts, Judgement, Output, Prompt, Turn
from pipelines.rlhf.source_config import RlhfSourceConfig
from pipelines.rlhf.turns import read_messages, split_last, with_system

_COLUMN = re.compile(r"\{([^{}]+)\}")
_RANKS = {"first": FIRST, "second": SECOND, "tie": TIE}


def read_mapped(row: Fields, config: RlhfSourceConfig) -> Iterator[Output]:
    """A judgement a labeler where the config names verdicts or ranks, a demonstration for one answer, else a prompt.

    Messages that end on the assistant's turn are a demonstration by themselves.
    """
    mapped = config.mapped
    if mapped is None:
        raise ValueError(f"source '{config.name}': layout mapped needs the config 'mapped'")
    facts = _facts(row, mapped)
    turns = _turns(row, mapped)
    answers = _answers(row, mapped)
    prompt, last = split_last(turns)
    if not any(turn.role == "user" for turn in prompt):
        raise RowError("no_prompt", f"{_prompt_fields(mapped)}: expected a human's text, found none")
    if answers and last is not None:
        told = "expected messages that end on the human's turn, beside completions, found an answer"
        raise RowError("no_prompt", f"{_prompt_fields(mapped)}: {told}")
    if len(answers) > 1 or mapped.completions_column:
        yield from _judgements(row, mapped, turns, answers, facts)
    elif answers:
        yield Demonstration([*turns, Turn("assistant", answers[0])], facts=facts)
    elif last is not None:
        yield Demonstration(turns, facts=facts)
    else:
        yield Prompt(turns, facts)


def _prompt_fields(mapped: MappedConfig) -> str:
    named = [
        mapped.prompt_column or mapped.messages_column or "",
        *_COLUMN.findall(mapped.prompt_template or ""),
    ]
    return "field " + ", ".join(f"'{name}'" for name in named if name)


def _turns(row: Fields, mapped: MappedConfig) -> list[Turn]:
    system = row.optional(mapped.system_column) if mapped.system_column else None
    if mapped.messages_column:
        turns = read_messages(row.follow(mapped.messages_column))
    else:
        asked = row.follow(mapped.prompt_column).text() if mapped.prompt_column else _filled(row, mapped)
        turns = [Turn("user", asked)] if asked else []
    return with_system(turns, system.text() if system else "")


def _filled(row: Fields, mapped: MappedConfig) -> str:
    r"""The template with its columns; a line on which all columns are empty is left out.

    The columns' own texts are never read as a template.
    """
    lines = []
    for line in (mapped.prompt_template or "").split("\n"):
        values = {
            name: found.text() if (found := row.optional(name)) else "" for name in _COLUMN.findall(line)
        }
        if not values or any(values.values()):
            lines.append(_filled_line(line, values))
        for name in values:
            _there(row, name)
    return "\n".join(lines).strip()


def _filled_line(line: str, values: Mapping[str, str]) -> str:
    return _COLUMN.sub(lambda match: values[match[1]], line)


def _there(row: Fields, name: str) -> None:
    """A column that no row has is a slip of the config, not an empty text."""
    try:
        row.follow(name)
    except RowError as error:
        if error.reason == "missing_field":
            raise


def _answers(row: Fields, mapped: MappedConfig) -> list[str]:
    if mapped.completions_column:
        items = row.follow(mapped.completions_column).items()
        texts = [
            (item.follow(mapped.completion_text) if mapped.completion_text else item).text() for item in items
        ]
        if not texts:
            raise row.follow(mapped.completions_column).wrong("completions", "an empty list")
        return texts
    return [row.follow(column).text() for column in mapped.completion_columns]


def _judgements(
    row: Fields, mapped: MappedConfig, turns: Sequence[Turn], answers: list[str], facts: Facts
) -> Iterator[Output]:
    authors = [found.label() if (found := row.optional(name)) else None for name in mapped.author_columns]
    named = row.optional(mapped.labeler_column) if mapped.labeler_column else None
    labeler = named.label() if named else None
    if not mapped.verdict_columns:
        yield Judgement(turns, answers, _ranks(row, mapped, len(answers)), authors, labeler, facts=facts)
        return
    if len(answers) != 2:
        told = f"field '{mapped.completions_column}': expected the two completions of a verdict, found {len(answers)}"
        raise RowError("wrong_length", told)
    several = len(mapped.verdict_columns) > 1
    for column in mapped.verdict_columns:
        verdict = _verdict(row, column, mapped)
        part = column if several else ""
        if verdict == "skip":
            yield Excluded("raw_judgements", Reason.UNJUDGED, evidence=f"{column}: skip", part=part)
            continue
        who = labeler or (column if several else None)
        yield Judgement(turns, answers, _RANKS[verdict], authors, who, facts=facts, part=part)


def _verdict(row: Fields, column: str, mapped: MappedConfig) -> str:
    found = row.optional(column)
    value = "null" if found is None else _as_text(found)
    for rule in mapped.verdicts:
        if rule.value == value:
            return rule.verdict
    if found is None:
        row.follow(column)  # raises: missing or null
    known = ", ".join(rule.value for rule in mapped.verdicts)
    raise RowError("unknown_verdict", f"field '{column}' is '{value}'; mapped.verdicts knows {known}")


def _as_text(field: Fields) -> str:
    """The value as the config writes it: 1 and 1.0 are '1', True is 'true'."""
    value = field.value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, (int, float)):
        return str(value)
    return field.text()


def _ranks(row: Fields, mapped: MappedConfig, n: int) -> list[int | None]:
    """Dense ranks from 1 of what the columns hold: ranks or scores, null where an answer was not judged."""
    if mapped.ranks_column:
        given = [
            None if item.value is None else item.score() for item in row.follow(mapped.ranks_column).items()
        ]
    else:
        given = [found.score() if (found := row.optional(name)) else None for name in mapped.rank_columns]
    if len(given) != n:
        told = (
            f"field '{mapped.ranks_column}': expected a rank of each of {n} completions, found {len(given)}"
        )
        raise RowError("wrong_length", told)
    order = sorted({value for value in given if value is not None}, reverse=mapped.best == "highest")
    return [None if value is None else order.index(value) + 1 for value in given]


def _facts(row: Fields, mapped: MappedConfig) -> Facts:
    columns = (
        mapped.user_column,
        mapped.root_column,
        mapped.use_case_column,
        mapped.language_column,
        mapped.licence_column,
    )
    user, root, use_case, language, licence = (
        found.label() if column and (found := row.optional(column)) else None for column in columns
    )
    return Facts(user, root=root, use_case=use_case, language=language, licence=licence)
