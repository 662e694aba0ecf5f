"""Decides from signals alone: the first rule that a text fails, with its figure and limit.

A figure that is null, because the signal is not defined for the text or its language, fails no rule.
"""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from quality.rule_sets import RULE_SETS, C4Limits, FineWebLimits, GopherLimits, RulesConfig, RuleSet


class RuleReason(StrEnum):
    """Why a rule set drops a text; the rules are asked in this order."""

    GOPHER_WORD_COUNT = "gopher_word_count"
    GOPHER_MEAN_WORD_LENGTH = "gopher_mean_word_length"
    GOPHER_HASHES = "gopher_hashes"
    GOPHER_ELLIPSES = "gopher_ellipses"
    GOPHER_BULLET_LINES = "gopher_bullet_lines"
    GOPHER_ELLIPSIS_LINES = "gopher_ellipsis_lines"
    GOPHER_ALPHABETIC_WORDS = "gopher_alphabetic_words"
    GOPHER_STOP_WORDS = "gopher_stop_words"
    GOPHER_DUP_PARAGRAPHS = "gopher_dup_paragraphs"
    GOPHER_DUP_PARAGRAPH_CHARS = "gopher_dup_paragraph_chars"
    GOPHER_DUP_LINES = "gopher_dup_lines"
    GOPHER_DUP_LINE_CHARS = "gopher_dup_line_chars"
    GOPHER_TOP_2GRAM = "gopher_top_2gram"
    GOPHER_TOP_3GRAM = "gopher_top_3gram"
    GOPHER_TOP_4GRAM = "gopher_top_4gram"
    GOPHER_DUP_5GRAM = "gopher_dup_5gram"
    GOPHER_DUP_6GRAM = "gopher_dup_6gram"
    GOPHER_DUP_7GRAM = "gopher_dup_7gram"
    GOPHER_DUP_8GRAM = "gopher_dup_8gram"
    GOPHER_DUP_9GRAM = "gopher_dup_9gram"
    GOPHER_DUP_10GRAM = "gopher_dup_10gram"
    C4_LOREM_IPSUM = "c4_lorem_ipsum"
    C4_CURLY_BRACKET = "c4_curly_bracket"
    C4_SENTENCES = "c4_sentences"
    FINEWEB_EMPTY = "fineweb_empty"
    FINEWEB_LINE_PUNCT = "fineweb_line_punct"
    FINEWEB_SHORT_LINES = "fineweb_short_lines"
    FINEWEB_CHAR_DUP = "fineweb_char_dup"
    FINEWEB_LIST = "fineweb_list"


class Rule(NamedTuple):
    """A text fails where its figure of `signal` is below `least` or above `most`; None bounds nothing."""

    reason: RuleReason
    signal: str
    least: float | None
    most: float | None


VERDICTS = pa.schema(
    [
        pa.field("reason", pa.string()),
        pa.field("signal", pa.string()),
        pa.field("figure", pa.float64()),
        pa.field("limit", pa.float64()),
    ]
)
"""What `decide` returns: all four are null where the text passes."""


def rules_of(rule_set: RuleSet) -> tuple[Rule, ...]:
    """The rules of a set with a limit, in the order in which they are asked."""
    rules: list[Rule] = []
    if rule_set.gopher is not None:
        rules += _gopher(rule_set.gopher)
    if rule_set.c4 is not None:
        rules += _c4(rule_set.c4)
    if rule_set.fineweb is not None:
        rules += _fineweb(rule_set.fineweb)
    return tuple(rule for rule in rules if rule.least is not None or rule.most is not None)


def decide(signals: pa.Table | pa.RecordBatch, rules: RuleSet | Sequence[RuleSet]) -> pa.RecordBatch:
    """The first failed rule of each row of `signals`, in the form of VERDICTS.

    `signals` needs the columns that the rules name, as `quality.signals.compute` makes them. ValueError names
    one that is missing.
    """
    chosen = [
        rule for rule_set in ([rules] if isinstance(rules, RuleSet) else rules) for rule in rules_of(rule_set)
    ]
    n = signals.num_rows
    which = np.full(n, -1, np.int64)
    figures, limits = np.full(n, np.nan), np.full(n, np.nan)
    for number, rule in enumerate(chosen):
        values = _column(signals, rule)
        for limit, failed in _failed(rule, values):
            now = failed & (which < 0)
            which[now], figures[now], limits[now] = number, values[now], limit
    place = pa.array(which, mask=which < 0)
    return pa.record_batch(
        [
            pa.array([str(rule.reason) for rule in chosen], pa.string()).take(place),
            pa.array([rule.signal for rule in chosen], pa.string()).take(place),
            pa.array(figures, from_pandas=True),
            pa.array(limits, from_pandas=True),
        ],
        schema=VERDICTS,
    )


def decide_by_language(
    signals: pa.Table | pa.RecordBatch, languages: pa.Array | pa.ChunkedArray, config: RulesConfig
) -> pa.RecordBatch:
    """`decide` with the rule sets that `config` has for each row's language (lid.176 codes, nulls allowed).

    ValueError where the languages are not as many as the rows, or a rule set's name is unknown.
    """
    if len(languages) != signals.num_rows:
        raise ValueError(f"{len(languages)} languages for {signals.num_rows} rows of signals")
    parts, rows = [], []
    for language in pc.unique(languages).to_pylist():
        same = (
            pc.is_null(languages) if language is None else pc.fill_null(pc.equal(languages, language), False)
        )
        mine = np.flatnonzero(np.asarray(same))
        parts.append(decide(signals.take(pa.array(mine)), config.sets_of(language)))
        rows.append(mine)
    if not parts:
        return decide(signals, config.sets_of(None))
    order = np.argsort(np.concatenate(rows), kind="stable")
    joined = pa.Table.from_batches(parts).combine_chunks().take(pa.array(order))
    return joined.combine_chunks().to_batches()[0]


def table(names: Sequence[str]) -> str:
    """The limits of named rule sets as a Markdown table, a row a rule; "-" where a set has no such rule."""
    limits: dict[str, dict[str, str]] = {reason: {} for reason in RuleReason}
    for name in names:
        for rule in rules_of(RULE_SETS[name]):
            bounds = (("≥", rule.least), ("≤", rule.most))
            limits[rule.reason][name] = ", ".join(
                f"{sign} {bound:g}" for sign, bound in bounds if bound is not None
            )
    head = ["| reason | " + " | ".join(f"`{name}`" for name in names) + " |", "|---" * (len(names) + 1) + "|"]
    rows = [
        f"| {reason} | " + " | ".join(found.get(name, "-") for name in names) + " |"
        for reason, found in limits.items()
        if found
    ]
    return "\n".join([*head, *rows]) + "\n"


def _column(signals: pa.Table | pa.RecordBatch, rule: Rule) -> NDArray[np.float64]:
    if rule.signal not in signals.schema.names:
        raise ValueError(
            f"signals have no column '{rule.signal}', which rule {rule.reason} needs: compute it"
        )
    column = signals.column(rule.signal)
    return np.asarray(
        column.to_numpy(zero_copy_only=False) if isinstance(column, pa.Array) else column.to_numpy()
    )


def _failed(rule: Rule, values: NDArray[np.float64]) -> Iterator[tuple[float, NDArray[np.bool_]]]:
    # A comparison with NaN is false, so a figure that is null fails nothing.
    if rule.least is not None:
        yield rule.least, values < rule.least
    if rule.most is not None:
        yield rule.most, values > rule.most


def _gopher(limits: GopherLimits) -> list[Rule]:
    prefix = "gopher" if limits.reading == "paper" else "gopher_datatrove"
    quality = [
        ("word_count", RuleReason.GOPHER_WORD_COUNT, limits.min_words, limits.max_words),
        (
            "mean_word_length",
            RuleReason.GOPHER_MEAN_WORD_LENGTH,
            limits.min_mean_word_length,
            limits.max_mean_word_length,
        ),
        ("hash_to_word_ratio", RuleReason.GOPHER_HASHES, None, limits.max_hashes),
        ("ellipsis_to_word_ratio", RuleReason.GOPHER_ELLIPSES, None, limits.max_ellipses),
        ("bullet_line_fraction", RuleReason.GOPHER_BULLET_LINES, None, limits.max_bullet_lines),
        ("ellipsis_line_fraction", RuleReason.GOPHER_ELLIPSIS_LINES, None, limits.max_ellipsis_lines),
        ("alphabetic_word_fraction", RuleReason.GOPHER_ALPHABETIC_WORDS, limits.min_alphabetic_words, None),
        ("stop_words", RuleReason.GOPHER_STOP_WORDS, limits.min_stop_words, None),
    ]
    repetition = [
        ("dup_paragraph_fraction", RuleReason.GOPHER_DUP_PARAGRAPHS, limits.max_dup_paragraphs),
        (
            "dup_paragraph_char_fraction",
            RuleReason.GOPHER_DUP_PARAGRAPH_CHARS,
            limits.max_dup_paragraph_chars,
        ),
        ("dup_line_fraction", RuleReason.GOPHER_DUP_LINES, limits.max_dup_lines),
        ("dup_line_char_fraction", RuleReason.GOPHER_DUP_LINE_CHARS, limits.max_dup_line_chars),
        ("top_2gram_char_fraction", RuleReason.GOPHER_TOP_2GRAM, limits.max_top_2gram),
        ("top_3gram_char_fraction", RuleReason.GOPHER_TOP_3GRAM, limits.max_top_3gram),
        ("top_4gram_char_fraction", RuleReason.GOPHER_TOP_4GRAM, limits.max_top_4gram),
        ("dup_5gram_char_fraction", RuleReason.GOPHER_DUP_5GRAM, limits.max_dup_5gram),
        ("dup_6gram_char_fraction", RuleReason.GOPHER_DUP_6GRAM, limits.max_dup_6gram),
        ("dup_7gram_char_fraction", RuleReason.GOPHER_DUP_7GRAM, limits.max_dup_7gram),
        ("dup_8gram_char_fraction", RuleReason.GOPHER_DUP_8GRAM, limits.max_dup_8gram),
        ("dup_9gram_char_fraction", RuleReason.GOPHER_DUP_9GRAM, limits.max_dup_9gram),
        ("dup_10gram_char_fraction", RuleReason.GOPHER_DUP_10GRAM, limits.max_dup_10gram),
    ]
    rules = [Rule(reason, f"{prefix}_{name}_v1", least, most) for name, reason, least, most in quality]
    return rules + [Rule(reason, f"{prefix}_{name}_v1", None, most) for name, reason, most in repetition]


def _c4(limits: C4Limits) -> list[Rule]:
    lines = "c4_datatrove" if limits.reading == "datatrove" else "c4"
    lorem, brackets = f"{lines}_lorem_ipsum_lines_v1", f"{lines}_curly_bracket_lines_v1"
    if limits.reading == "paper":
        lorem, brackets = "c4_page_lorem_ipsum_v1", "c4_page_curly_brackets_v1"
    return [
        Rule(RuleReason.C4_LOREM_IPSUM, lorem, None, limits.max_lorem_ipsum),
        Rule(RuleReason.C4_CURLY_BRACKET, brackets, None, limits.max_curly_brackets),
        Rule(RuleReason.C4_SENTENCES, f"{lines}_sentences_v1", limits.min_sentences, None),
    ]


def _fineweb(limits: FineWebLimits) -> list[Rule]:
    return [
        Rule(RuleReason.FINEWEB_EMPTY, "text_lines_v1", limits.min_lines, None),
        Rule(RuleReason.FINEWEB_LINE_PUNCT, "fineweb_line_punct_ratio_v1", limits.min_line_punct, None),
        Rule(RuleReason.FINEWEB_SHORT_LINES, "fineweb_short_line_ratio_v1", None, limits.max_short_lines),
        Rule(RuleReason.FINEWEB_CHAR_DUP, "fineweb_char_dup_ratio_v1", None, limits.max_char_dup),
        Rule(RuleReason.FINEWEB_LIST, "fineweb_list_ratio_v1", None, limits.max_list),
    ]
