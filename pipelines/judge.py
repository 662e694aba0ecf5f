"""Every rule that a document fails, from its signals alone: what decisions, previews and explanations are made of.

The first rule in the recipe's order that a document fails is its reason; the others are kept too, so that a person
sees what each threshold does alone and beside the others.
"""

from collections import Counter
from collections.abc import Collection, Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipelines.perplexity_rule import hold
from pipelines.reasons import REASONS, Reason
from pipelines.selection_config import SelectionConfig
from pipelines.signals import LISTED_WORD, TOXICITY, personal_data_names
from quality import machine_written, perplexity, pii, word_lists
from quality.pareto import score_limits
from quality.rules import Rule, decide_by_language, rules_of
from text.hashing import uniform

DRAW_PURPOSE = "pareto"
FAMILIES = ("gopher", "c4", "fineweb")
# The draw fails nearly everything and a repeated id is no fault of the text: beside them no rule would be alone.
_ASIDE = (Reason.REPEATED, Reason.QUALITY)

Mask = NDArray[np.bool_]
Numbers = NDArray[np.float64]


class SignalError(ValueError):
    """A rule asks for a signal that was not measured; the message says what to switch on."""


class Judged(NamedTuple):
    """One reason a row with its figure, limit and evidence, and for every rule the rows that fail it.

    Only rules that are asked are in `failures`. `noted` are rows whose figure and limit say why they stay.
    """

    reasons: NDArray[np.int8]
    figures: Numbers
    limits: Numbers
    evidence: pa.Array
    failures: dict[Reason, Mask]

    @property
    def kept(self) -> Mask:
        """Rows that fail nothing."""
        return self.reasons == REASONS.index(Reason.KEPT)


def judge(
    documents: pa.Table,
    signals: pa.Table,
    curated: Collection[str],
    config: SelectionConfig,
    repeated: Mask | None = None,
    blocked: pa.RecordBatch | None = None,
) -> Judged:
    """Hold each document against every rule of `config`.

    `documents` needs doc_id, source and n_words, `signals` the same rows in the same order with the columns that
    the rules name; `blocked` is what Blocklists.check said of the addresses. Documents of sources in `curated`
    are asked for a word and for personal data alone. SignalError where a signal was not measured.
    """
    curated_rows = np.asarray(pc.is_in(documents["source"], value_set=pa.array(sorted(curated), pa.string())))
    crawled = ~curated_rows
    bench = _Bench(documents.num_rows)
    if repeated is not None:
        bench.drop(repeated, Reason.REPEATED)
    if blocked is not None:
        entry = pc.binary_join_element_wise(blocked["blocklist"], blocked["blocklist_entry"], ": ")
        bench.drop(crawled & np.asarray(pc.is_valid(entry)), Reason.BLOCKED_ADDRESS, evidence=entry)
    n_words = _numbers(documents["n_words"])
    fewest = np.where(crawled, float(config.min_words), 1.0)
    bench.drop(n_words < fewest, Reason.TOO_SHORT, n_words, fewest)
    _judge_language(bench, signals, crawled, config)
    _judge_rules(bench, signals, crawled, config)
    _judge_lists(bench, signals, crawled, config)
    _judge_perplexity(bench, signals, crawled, config)
    _judge_personal_data(bench, signals, config)
    if config.quality != "off":
        scores = _numbers(signals["quality_score"])
        kept, limits = quality_limits(documents["doc_id"], scores, config)
        bench.drop(crawled & ~kept, Reason.QUALITY, scores, limits)
        bench.note(crawled, scores, limits)
    return bench.judged()


def quality_limits(
    doc_ids: pa.ChunkedArray, scores: Numbers, config: SelectionConfig
) -> tuple[Mask, Numbers]:
    """Which scores are enough, and the score that each document was asked for."""
    if config.quality == "threshold":
        return scores >= config.threshold, np.full(len(scores), config.threshold)
    limits = score_limits(uniform(doc_ids, config.seed, DRAW_PURPOSE), config.alpha)
    return scores > limits, limits


def rules_by_language(
    languages: pa.ChunkedArray, config: SelectionConfig
) -> Iterator[tuple[NDArray[np.int64], list[Rule]]]:
    """Rows of each language and the rules that they are held against."""
    for language in pc.unique(languages).to_pylist():
        rows = np.flatnonzero(np.asarray(pc.equal(languages, language)))
        yield rows, [rule for rule_set in config.rules.sets_of(language) for rule in rules_of(rule_set)]


def count_failures(judged: Judged, rows: Mask | None = None) -> Counter[str]:
    """By reason, how many of the rows fail it (`fails:`), and fail nothing else (`only:`); for families of rules too.

    For `only` the draw and repeated ids are left aside.
    """
    counts: Counter[str] = Counter()
    chosen = np.ones(len(judged.reasons), np.bool_) if rows is None else rows
    others = {reason: mask for reason, mask in judged.failures.items() if reason not in _ASIDE}
    total = sum((mask.astype(np.int32) for mask in others.values()), np.zeros(len(chosen), np.int32))
    for reason, mask in judged.failures.items():
        counts[f"fails:{reason}"] += int((mask & chosen).sum())
        if reason not in _ASIDE:
            counts[f"only:{reason}"] += int((mask & chosen & (total == 1)).sum())
    for family in FAMILIES:
        own = [mask for reason, mask in others.items() if reason.startswith(f"{family}_")]
        if own:
            failed = sum((mask.astype(np.int32) for mask in own), np.zeros(len(chosen), np.int32))
            counts[f"fails:any {family} rule"] += int((chosen & (failed > 0)).sum())
            counts[f"only:any {family} rule"] += int((chosen & (failed > 0) & (failed == total)).sum())
    return counts


class _Bench:
    """Reason, figure, limit and evidence of each row while the rules are applied; the first failed rule stands."""

    def __init__(self, rows: int) -> None:
        self._reasons = np.full(rows, REASONS.index(Reason.KEPT), np.int8)
        self._figures = np.full(rows, np.nan)
        self._limits = np.full(rows, np.nan)
        self._evidence = pa.nulls(rows, pa.string())
        self._kept = np.ones(rows, np.bool_)
        self._failures: dict[Reason, Mask] = {}

    def drop(
        self,
        failed: Mask,
        reason: Reason,
        figures: Numbers | None = None,
        limits: Numbers | None = None,
        evidence: pa.Array | pa.ChunkedArray | None = None,
    ) -> None:
        self._failures[reason] = failed
        now = failed & self._kept
        self._reasons[now] = REASONS.index(reason)
        self._tell(now, figures, limits, evidence)
        self._kept = self._kept & ~failed

    def verdicts(self, rows: Mask, verdicts: pa.RecordBatch, failures: dict[Reason, Mask]) -> None:
        """Take the verdicts of quality.rules for some rows."""
        self._failures |= {reason: mask & rows for reason, mask in failures.items()}
        now = rows & self._kept & np.asarray(pc.is_valid(verdicts["reason"]))
        codes = pc.index_in(verdicts["reason"], value_set=pa.array(REASONS, pa.string()))
        self._reasons[now] = pc.fill_null(codes, 0).to_numpy(zero_copy_only=False)[now]
        figures, limits = (verdicts[name].to_numpy(zero_copy_only=False) for name in ("figure", "limit"))
        self._tell(now, figures, limits, verdicts["signal"])
        self._kept = self._kept & ~now

    def note(self, rows: Mask, figures: Numbers, limits: Numbers) -> None:
        """Give the rows that are kept the figure and limit that kept them."""
        self._tell(rows & self._kept, figures, limits, None)

    def judged(self) -> Judged:
        return Judged(self._reasons, self._figures, self._limits, self._evidence, self._failures)

    def _tell(
        self,
        now: Mask,
        figures: Numbers | None,
        limits: Numbers | None,
        evidence: pa.Array | pa.ChunkedArray | None,
    ) -> None:
        if figures is not None:
            self._figures[now] = figures[now]
        if limits is not None:
            self._limits[now] = limits[now]
        if evidence is not None and now.any():
            told = evidence.combine_chunks() if isinstance(evidence, pa.ChunkedArray) else evidence
            self._evidence = pc.if_else(pa.array(now), told.cast(pa.string()), self._evidence)


def _judge_language(bench: _Bench, signals: pa.Table, crawled: Mask, config: SelectionConfig) -> None:
    languages, scores = signals["language"], _numbers(signals["language_score"])
    if config.languages:
        wanted = pc.is_in(languages, value_set=pa.array(config.languages, pa.string()))
        bench.drop(crawled & ~np.asarray(wanted), Reason.LANGUAGE, scores, evidence=languages)
    limits = np.full(len(scores), config.min_language_score)
    unsure = scores < np.float32(config.min_language_score)
    bench.drop(crawled & unsure, Reason.LANGUAGE_UNCERTAIN, scores, limits, languages)


def _judge_rules(bench: _Bench, signals: pa.Table, crawled: Mask, config: SelectionConfig) -> None:
    failures: dict[Reason, Mask] = {}
    languages = signals["language"]
    for rows, rules in rules_by_language(languages, config):
        for rule in rules:
            figures = _measured(signals, rule.signal, f"rule {rule.reason}", "families")[rows]
            mask = failures.setdefault(Reason(rule.reason), np.zeros(len(crawled), np.bool_))
            mask[rows] |= fails(rule, figures)
    if failures:
        verdicts = decide_by_language(signals, languages.combine_chunks(), config.rules)
        bench.verdicts(crawled, verdicts, failures)


def fails(rule: Rule, figures: Numbers) -> Mask:
    """Which figures are outside of the rule's limits; NaN never is."""
    failed = np.zeros(len(figures), np.bool_)
    if rule.least is not None:
        failed |= figures < rule.least
    if rule.most is not None:
        failed |= figures > rule.most
    return failed


def _judge_lists(bench: _Bench, signals: pa.Table, crawled: Mask, config: SelectionConfig) -> None:
    """Listed words, toxicity, machine-written text: crawled documents above a limit that is set."""
    rules = (
        (Reason.LISTED_WORDS, word_lists.SIGNALS[0], config.max_listed_words, "word_lists"),
        (Reason.TOXICITY, TOXICITY, config.max_toxicity, "toxicity"),
        (Reason.MACHINE_WRITTEN, machine_written.SIGNAL, config.max_machine_written, "machine_written"),
    )
    for reason, signal, most, key in rules:
        if most is not None:
            figures = _measured(signals, signal, f"selection.max_{reason}", key)
            evidence = signals[LISTED_WORD] if reason == Reason.LISTED_WORDS else None
            # Single-precision scores are held against the limit in their own precision.
            failed = figures > (most if reason == Reason.LISTED_WORDS else float(np.float32(most)))
            bench.drop(crawled & failed, reason, figures, np.full(len(figures), float(most)), evidence)


def _judge_perplexity(bench: _Bench, signals: pa.Table, crawled: Mask, config: SelectionConfig) -> None:
    """Crawled documents whose perplexity is too high for their language."""
    if config.max_perplexity is None:
        return
    _measured(signals, perplexity.SIGNALS[0], f"selection.max_{Reason.PERPLEXITY}", "perplexity")
    held = hold(signals, config.max_perplexity)
    bench.drop(crawled & held.failed, Reason.PERPLEXITY, held.figures, held.limits, held.evidence)


def _judge_personal_data(bench: _Bench, signals: pa.Table, config: SelectionConfig) -> None:
    """Documents of any source with too many finds: somebody's choice of a source is not consent."""
    if config.max_personal_data is None:
        return
    names = [name for name in personal_data_names(pii.KINDS) if name in signals.column_names]
    if not names:
        raise SignalError(_missing("pii_*", "selection.max_personal_data", "personal_data"))
    counts = [_numbers(signals[name]) for name in names]
    total = np.sum(counts, axis=0)
    failed = total > config.max_personal_data
    kinds: list[str | None] = [None] * len(total)
    for row in np.flatnonzero(failed).tolist():
        held = [
            name.removeprefix("pii_").rsplit("_v", 1)[0]
            for name, n in zip(names, counts, strict=True)
            if n[row]
        ]
        kinds[row] = ", ".join(held)
    limits = np.full(len(total), float(config.max_personal_data))
    bench.drop(failed, Reason.PERSONAL_DATA, total, limits, pa.array(kinds, pa.string()))


def _measured(signals: pa.Table, name: str, who: str, key: str) -> Numbers:
    if name not in signals.column_names:
        raise SignalError(_missing(name, who, key))
    return _numbers(signals[name])


def _missing(name: str, who: str, key: str) -> str:
    return f"signals have no column '{name}', which {who} needs; switch it on in ops.signals.config.{key}"


def _numbers(column: pa.ChunkedArray) -> Numbers:
    return column.to_numpy().astype(np.float64)
