"""Every rule of a selection for one document: figure, limits, and whether it is asked, passed or failed."""

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from pipelines.judge import fails, quality_limits, rules_by_language
from pipelines.perplexity_rule import hold
from pipelines.reasons import Reason
from pipelines.selection_config import SelectionConfig
from pipelines.signals import TOXICITY, personal_data_names
from quality import machine_written, perplexity, pii
from quality.pareto import keep_probability
from quality.rules import Rule
from quality.word_lists import SIGNALS as WORD_LIST_SIGNALS

PASSES, FAILS, EXEMPT, NOT_MEASURED, UNDEFINED = "passes", "fails", "exempt", "not measured", "not defined"


class Verdict(NamedTuple):
    """One rule: `signal` is its column or a short name, `least` and `most` its limits (None bounds nothing).

    `verdict` is passes, fails, exempt (a curated source: what it would do is not said), not measured, or not
    defined for this text or language.
    """

    reason: str
    signal: str
    figure: float | None
    least: float | None
    most: float | None
    verdict: str
    note: str = ""


def verdicts(
    document: pa.Table,
    signals: pa.Table,
    is_curated: bool,
    config: SelectionConfig,
    blocked: str | None = None,
    alpha_is_fitted: bool = False,
) -> list[Verdict]:
    """All rules for one row of documents and signals, in the recipe's order; `blocked` names a block list's entry,
    `alpha_is_fitted` says that the config's alpha came from the quality model.
    """
    words = float(document["n_words"][0].as_py())
    fewest = 1.0 if is_curated else float(config.min_words)
    found = [
        Verdict(Reason.BLOCKED_ADDRESS, "url", None, None, None, FAILS if blocked else PASSES, blocked or "")
    ]
    found += _language(signals, config)
    for _, rules in rules_by_language(signals["language"], config):
        found += [_page_rule(rule, signals) for rule in rules]
    found += [*_limits(signals, config), *_perplexity(signals, config)]
    found += _quality(document, signals, config, " (fitted)" if alpha_is_fitted else "")
    if is_curated:
        found = [one._replace(verdict=EXEMPT) for one in found]
    found.insert(1, Verdict(Reason.TOO_SHORT, "n_words", words, fewest, None, _told(words >= fewest)))
    return [*found, *_personal_data(signals, config)]


def _language(signals: pa.Table, config: SelectionConfig) -> list[Verdict]:
    language, score = signals["language"][0].as_py(), signals["language_score"][0].as_py()
    wanted = not config.languages or language in config.languages
    sure = bool(np.float32(score) >= np.float32(config.min_language_score))
    note = f"{language}; wanted: {', '.join(config.languages) or 'any'}"
    return [
        Verdict(Reason.LANGUAGE, "language", None, None, None, _told(wanted), note),
        Verdict(
            Reason.LANGUAGE_UNCERTAIN, "language_score", score, config.min_language_score, None, _told(sure)
        ),
    ]


def _page_rule(rule: Rule, signals: pa.Table) -> Verdict:
    if rule.signal not in signals.column_names:
        return Verdict(rule.reason, rule.signal, None, rule.least, rule.most, NOT_MEASURED)
    figure = signals[rule.signal][0].as_py()
    if figure is None:
        return Verdict(rule.reason, rule.signal, None, rule.least, rule.most, UNDEFINED)
    failed = bool(fails(rule, np.array([figure]))[0])
    return Verdict(rule.reason, rule.signal, figure, rule.least, rule.most, _told(not failed))


def _limits(signals: pa.Table, config: SelectionConfig) -> list[Verdict]:
    """The rules of one signal and a largest value, those that are set."""
    limits: tuple[tuple[Reason, str, float | None], ...] = (
        (Reason.LISTED_WORDS, WORD_LIST_SIGNALS[0], config.max_listed_words),
        (Reason.TOXICITY, TOXICITY, config.max_toxicity),
        (Reason.MACHINE_WRITTEN, machine_written.SIGNAL, config.max_machine_written),
    )
    found = []
    for reason, signal, most in limits:
        if most is None:
            continue
        if signal not in signals.column_names:
            found.append(Verdict(reason, signal, None, None, most, NOT_MEASURED))
            continue
        figure = signals[signal][0].as_py()
        inside = np.float32(figure) <= np.float32(most)
        found.append(Verdict(reason, signal, figure, None, most, _told(bool(inside))))
    return found


def _perplexity(signals: pa.Table, config: SelectionConfig) -> list[Verdict]:
    rule, signal = config.max_perplexity, perplexity.SIGNALS[0]
    if rule is None:
        return []
    if signal not in signals.column_names:
        return [Verdict(Reason.PERPLEXITY, signal, None, None, None, NOT_MEASURED)]
    held = hold(signals, rule)
    figure = signals[signal][0].as_py()
    by_bucket = bool(np.isnan(held.limits[0]))
    most = None if by_bucket else float(held.limits[0])
    undefined = figure is None or (by_bucket and signals[perplexity.SIGNALS[1]][0].as_py() is None)
    note = f"{held.evidence[0].as_py()}" + (f"; worst to stay: {rule.worst_bucket}" if by_bucket else "")
    told = UNDEFINED if undefined else _told(not held.failed[0])
    return [Verdict(Reason.PERPLEXITY, signal, figure, None, most, told, note)]


def _personal_data(signals: pa.Table, config: SelectionConfig) -> list[Verdict]:
    if config.max_personal_data is None:
        return []
    names = [name for name in personal_data_names(pii.KINDS) if name in signals.column_names]
    most = float(config.max_personal_data)
    if not names:
        return [Verdict(Reason.PERSONAL_DATA, "pii_*", None, None, most, NOT_MEASURED)]
    total = float(sum(signals[name][0].as_py() for name in names))
    return [Verdict(Reason.PERSONAL_DATA, " + ".join(names), total, None, most, _told(total <= most))]


def _quality(document: pa.Table, signals: pa.Table, config: SelectionConfig, fitted: str) -> list[Verdict]:
    score = signals["quality_score"].to_numpy()
    if config.quality == "off":
        return [Verdict(Reason.QUALITY, "quality_score", float(score[0]), None, None, PASSES, "no rule")]
    kept, limits = quality_limits(document["doc_id"], score, config)
    note = "threshold"
    if config.quality == "pareto":
        chance = float(keep_probability(score, config.alpha)[0])
        note = f"the draw asks for more than this; alpha {config.alpha:.4g}{fitted}, P(keep) {chance:.4f}"
    limit = float(limits[0])
    return [
        Verdict(Reason.QUALITY, "quality_score", float(score[0]), limit, None, _told(bool(kept[0])), note)
    ]


def _told(passes: bool) -> str:
    return PASSES if passes else FAILS


def as_rows(found: list[Verdict]) -> list[list[Any]]:
    """Header and rows for a terminal."""
    rows: list[list[Any]] = [["rule", "signal", "figure", "limits", "verdict", ""]]
    for one in found:
        bounds = (("≥", one.least), ("≤", one.most))
        limits = " ".join(f"{sign} {bound:.4g}" for sign, bound in bounds if bound is not None)
        figure = "-" if one.figure is None else f"{one.figure:.4g}"
        rows.append([one.reason, one.signal, figure, limits or "-", one.verdict, one.note])
    return rows
