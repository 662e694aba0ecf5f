"""Cleaning of single records: what makes a demonstration, judgement or prompt unusable whatever stands beside it.

Rules are asked in the order of their reasons in pipelines.rlhf.reasons; a record has the first that holds.
"""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from pipelines.rlhf.cleaning_config import CleaningConfig
from pipelines.rlhf.completions import kept_completions
from pipelines.rlhf.decisions import Drops
from pipelines.rlhf.reasons import Reason
from pipelines.rlhf.refusals import refusal
from pipelines.rlhf.repetition import repeated_shares, run_share
from pipelines.rlhf.reply_language import language_mismatches
from pipelines.rlhf.truncation import truncated

Messages = Sequence[dict[str, str]]

_PLACEHOLDER = re.compile(r"(?<!\$)\{\{\s*[A-Za-z_\u3400-\u9fff][\w \u3400-\u9fff-]{0,40}?\s*\}\}")
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)


class Cleaned(NamedTuple):
    """Judgements, row for row those that came in but without unusable completions, and the rows that go.

    `lost` counts the completions that were taken out of judgements which stay, by reason.
    """

    table: pa.Table
    drops: Drops
    lost: dict[str, int]


class _Verdict(NamedTuple):
    reason: Reason
    figure: float
    limit: float
    evidence: str | None = None


def clean_demonstrations(table: pa.Table, config: CleaningConfig) -> Drops:
    """Rows of RAW_DEMONSTRATIONS that go."""
    dialogues: list[Messages] = table["messages"].to_pylist()
    replies = [messages[-1]["content"] for messages in dialogues]
    found: dict[int, _Verdict] = {}
    for row, messages in enumerate(dialogues):
        verdict = _empty(replies[row]) or _context(messages, config)
        if verdict is not None:
            found[row] = verdict
    _add_languages(dialogues, replies, config, found)
    _add_endings(replies, config, found)
    _add_repetition(replies, config, found)
    return _drops(found)


def clean_judgements(table: pa.Table, config: CleaningConfig) -> Cleaned:
    """Rows of RAW_JUDGEMENTS that go, and the table without empty and contradictory completions.

    Ranks keep their order and have no gaps. Refusing, repetitive or truncated answers stay: they are what judges
    ranked.
    """
    rows: list[dict[str, Any]] = table.select(["completions", "completion_authors", "ranks"]).to_pylist()
    dialogues: list[Messages] = table["messages"].to_pylist()
    found: dict[int, _Verdict] = {}
    lost: dict[str, int] = {}
    for number, row in enumerate(rows):
        kept = kept_completions(row["completions"], row["ranks"])
        answers = [{"role": "assistant", "content": text} for text in row["completions"]]
        verdict = _context([*dialogues[number], *answers], config) or _too_few(kept)
        if verdict is not None:
            found[number] = verdict
        elif len(kept.places) < len(answers):
            for reason in kept.lost:
                lost[str(reason)] = lost.get(str(reason), 0) + 1
            row["completions"] = [row["completions"][place] for place in kept.places]
            row["completion_authors"] = [row["completion_authors"][place] for place in kept.places]
            row["ranks"] = kept.ranks
    return Cleaned(_with_columns(table, rows), _drops(found), lost)


def clean_prompts(table: pa.Table, config: CleaningConfig) -> Drops:
    """Rows of RAW_PROMPTS that go."""
    verdicts = {row: _context(messages, config) for row, messages in enumerate(table["messages"].to_pylist())}
    return _drops({row: verdict for row, verdict in verdicts.items() if verdict is not None})


def _empty(reply: str) -> _Verdict | None:
    length = len(reply.strip())
    return None if length else _Verdict(Reason.EMPTY_REPLY, length, 1)


def _context(messages: Messages, config: CleaningConfig) -> _Verdict | None:
    """What any dialogue is held to: no endless message, no placeholder that nobody filled."""
    longest = max(messages, key=lambda message: len(message["content"]))
    length = len(longest["content"])
    if "too_long" in config.rules and length > config.max_message_chars:
        return _Verdict(Reason.TOO_LONG, length, config.max_message_chars, longest["role"])
    if "template_placeholder" in config.rules:
        holes = [hole for message in messages for hole in _placeholders(message["content"])]
        if holes:
            return _Verdict(Reason.TEMPLATE_PLACEHOLDER, len(holes), 0, holes[0])
    return None


def _placeholders(text: str) -> list[str]:
    """Placeholders {{name}} outside of code; {{ an.expression }} and ${{ this }} belong to template languages."""
    return _PLACEHOLDER.findall(_CODE.sub(" ", text)) if "{{" in text else []


def _add_languages(
    dialogues: list[Messages], replies: list[str], config: CleaningConfig, found: dict[int, _Verdict]
) -> None:
    if "wrong_language" not in config.rules:
        return
    rows = [row for row in range(len(replies)) if row not in found and _is_plain(dialogues[row])]
    asked = [_asked(dialogues[row]) for row in rows]
    limits = (config.min_language_score, config.min_language_chars)
    for mismatch in language_mismatches(asked, [replies[row] for row in rows], *limits):
        evidence = f"{mismatch.asked} to {mismatch.answered}"
        score = mismatch.score
        found[rows[mismatch.row]] = _Verdict(
            Reason.WRONG_LANGUAGE, score, config.min_language_score, evidence
        )


def _asked(messages: Messages) -> str:
    """The human's last turn: a dialogue may have changed its language before."""
    return next((m["content"] for m in reversed(messages) if m["role"] == "user"), "")


def _is_plain(messages: Messages) -> bool:
    """Whether nobody but user and assistant speaks: a tool's call and answer have no language."""
    return all(message["role"] != "tool" for message in messages)


def _add_endings(replies: list[str], config: CleaningConfig, found: dict[int, _Verdict]) -> None:
    for row, reply in enumerate(replies):
        if row in found:
            continue
        words = refusal(reply, config.max_refusal_chars) if "refusing" in config.rules else None
        if words is not None:
            found[row] = _Verdict(Reason.REFUSING, len(reply), config.max_refusal_chars, words)
            continue
        words = truncated(reply, config.min_truncated_chars) if "truncated" in config.rules else None
        if words is not None:
            found[row] = _Verdict(Reason.TRUNCATED, len(reply), config.min_truncated_chars, words)


def _add_repetition(replies: list[str], config: CleaningConfig, found: dict[int, _Verdict]) -> None:
    if "repetitive" not in config.rules or not replies:
        return
    shares = repeated_shares(
        pa.array(replies, pa.string()), config.repetition_ngram, config.min_repetition_words
    )
    shares = np.maximum(shares, [run_share(reply) for reply in replies])
    for row in np.flatnonzero(shares > config.max_repeated_share).tolist():
        found.setdefault(row, _Verdict(Reason.REPETITIVE, float(shares[row]), config.max_repeated_share))


def _too_few(kept: Any) -> _Verdict | None:
    """A judgement needs two different answers that were judged."""
    judged = sum(rank is not None for rank in kept.ranks)
    if judged > 1:
        return None
    reason = kept.lost[0] if kept.lost else Reason.TOO_FEW_COMPLETIONS
    return _Verdict(reason, judged, 1 if reason is Reason.EMPTY_REPLY else 2)


def _with_columns(table: pa.Table, rows: list[dict[str, Any]]) -> pa.Table:
    for name in ("completions", "completion_authors", "ranks"):
        at = table.schema.get_field_index(name)
        field = table.schema.field(at)
        table = table.set_column(at, field, pa.array([row[name] for row in rows], field.type))
    return table


def _drops(found: dict[int, _Verdict]) -> Drops:
    rows = sorted(found)
    verdicts = [found[row] for row in rows]
    return Drops(
        np.array(rows, np.int64),
        pa.array([str(verdict.reason) for verdict in verdicts], pa.string()),
        np.array([verdict.figure for verdict in verdicts], np.float64),
        np.array([verdict.limit for verdict in verdicts], np.float64),
        pa.array([verdict.evidence for verdict in verdicts], pa.string()),
    )
