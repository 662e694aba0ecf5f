"""Keep or drop: the signals of every document turned into one decision with its reason, figure and limit.

Nothing is measured here, so a threshold can change without reading a text again. A document has one reason:
the first rule of the recipe that it fails, in the order of `Reason`.
"""

from collections.abc import Collection
from enum import StrEnum
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pipelines.schemas import DECISIONS
from quality.pareto import GPT3_ALPHA, score_limits
from text.hashing import uniform

DRAW_PURPOSE = "pareto"


class Reason(StrEnum):
    """Why a document is in the corpus or not; the drops stand in the order in which the recipe has them."""

    REPEATED = "repeated"
    TOO_SHORT = "too_short"
    LANGUAGE = "language"
    LANGUAGE_UNCERTAIN = "language_uncertain"
    QUALITY = "quality"
    EXACT_DUPLICATE = "exact_duplicate"
    NEAR_DUPLICATE = "near_duplicate"
    PASSAGES = "passages"
    TOO_MANY_PIECES = "too_many_pieces"
    CONTAMINATED = "contaminated"
    KEPT = "kept"


_REASONS = list(Reason)
_LANGUAGE_REASONS = pa.array([Reason.LANGUAGE, Reason.LANGUAGE_UNCERTAIN], pa.string())
_CUT_REASONS = pa.array([Reason.PASSAGES, Reason.TOO_MANY_PIECES, Reason.CONTAMINATED], pa.string())


class SelectionConfig(BaseModel):
    """Which crawled documents are good enough; curated sources need only have words."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    languages: list[str] = Field(
        default=[], description="lid.176 codes of the languages to keep; empty keeps all of them"
    )
    min_language_score: float = Field(
        default=0.0, description="smallest probability of the identified language, 0..1", ge=0, le=1
    )
    min_words: int = Field(
        default=50,
        description="fewest words of a document (Gopher's 50); a Chinese character is a word",
        ge=1,
    )
    quality: Literal["pareto", "threshold", "off"] = Field(
        default="pareto",
        description="pareto: GPT-3's random keep by score; threshold: a fixed score; off: no quality rule",
    )
    pareto_alpha: float = Field(
        default=GPT3_ALPHA, description="P(keep) = (2 - score)^-alpha; smaller keeps more", gt=0
    )
    threshold: float = Field(
        default=0.5,
        description="score at which a document is kept where quality is 'threshold', 0..1",
        ge=0,
        le=1,
    )
    seed: int = Field(default=1, description="seed of the Pareto draws", ge=0)


def select(
    documents: pa.Table,
    signals: pa.Table,
    curated: Collection[str],
    config: SelectionConfig,
    repeated: NDArray[np.bool_] | None = None,
) -> pa.Table:
    """Decide on each document by itself: rows of `documents`, in order, in the form of schemas.DECISIONS.

    `documents` needs doc_id, source and n_words; `signals` the same rows in the same order. Documents of
    the sources named in `curated` skip the language and quality rules: somebody has chosen them, they are the
    classifier's own positives, and GPT-3 filtered only the crawl. They are dropped where they have no word.
    `repeated` marks the rows whose doc_id stands at an earlier place too.

    Figure and limit: words and fewest words; language score (and smallest score); quality score and
    threshold, or for pareto the score that the draw asked for: what is kept has more. ValueError where the
    tables are not aligned.
    """
    _check_aligned(documents, signals)
    n_words = _numbers(documents["n_words"])
    is_curated = np.asarray(pc.is_in(documents["source"], value_set=pa.array(sorted(curated), pa.string())))
    decisions = _Decisions(documents.num_rows)
    if repeated is not None:
        decisions.drop(repeated, Reason.REPEATED)
    decisions.drop(
        n_words < np.where(is_curated, 1, config.min_words),
        Reason.TOO_SHORT,
        n_words,
        np.where(is_curated, 1.0, config.min_words),
    )
    crawled = ~is_curated
    language_scores = _numbers(signals["language_score"])
    if config.languages:
        wanted = pc.is_in(signals["language"], value_set=pa.array(config.languages, pa.string()))
        decisions.drop(crawled & ~np.asarray(wanted), Reason.LANGUAGE, language_scores)
    decisions.drop(
        crawled & (language_scores < np.float32(config.min_language_score)),
        Reason.LANGUAGE_UNCERTAIN,
        language_scores,
        np.full(documents.num_rows, config.min_language_score),
    )
    if config.quality != "off":
        scores = _numbers(signals["quality_score"])
        kept, limits = _quality(documents["doc_id"], scores, config)
        decisions.drop(crawled & ~kept, Reason.QUALITY, scores, limits)
        decisions.note(crawled, scores, limits)
    return decisions.table(documents, signals["language"])


def decide(
    selection: pa.Table, duplicates: pa.Table, contamination: pa.Table, min_jaccard: float
) -> pa.Table:
    """The final decisions: `selection` with the documents dropped that a later step took.

    `duplicates` is in the form of schemas.DUPLICATES; `contamination` has the columns doc_id, reason
    (passages, too_many_pieces or contaminated), figure, limit and evidence, one row for each document that
    cutting took as a whole. Both may hold documents of other shards. The limit of a near duplicate is `min_jaccard`.
    ValueError where a document appears there that an earlier step dropped: each step sees only what the
    steps before it kept.
    """
    near = pc.equal(duplicates["kind"], "near")
    losses = pa.table(
        {
            "doc_id": duplicates["doc_id"],
            "reason": pc.if_else(near, str(Reason.NEAR_DUPLICATE), str(Reason.EXACT_DUPLICATE)),
            "figure": duplicates["jaccard"].cast(pa.float64()),
            "limit": pc.if_else(near, pa.scalar(min_jaccard, pa.float64()), pa.scalar(None, pa.float64())),
            "evidence": duplicates["survivor_id"],
        }
    )
    _check_reasons(contamination)
    decided = _apply(selection, losses, "duplicates")
    return DECISIONS.conform(_apply(decided, contamination, "contamination"), "decisions")


def funnel(decisions: pa.Table) -> pa.Table:
    """Documents by source and reason, columns source, reason, documents; reasons in order of the recipe."""
    counts = decisions.group_by(["source", "reason"]).aggregate([([], "count_all")])
    order = pc.index_in(counts["reason"], value_set=pa.array(_REASONS, pa.string()))
    counts = counts.append_column("order", order).sort_by([("source", "ascending"), ("order", "ascending")])
    return counts.select(["source", "reason", "count_all"]).rename_columns(["source", "reason", "documents"])


class _Decisions:
    """Reason, figure and limit of each row while the rules are applied; the first failed rule stands."""

    def __init__(self, rows: int) -> None:
        self._reasons = np.full(rows, _REASONS.index(Reason.KEPT), np.int8)
        self._figures = np.full(rows, np.nan)
        self._limits = np.full(rows, np.nan)
        self._kept = np.ones(rows, np.bool_)

    def drop(
        self,
        failed: NDArray[np.bool_],
        reason: Reason,
        figures: NDArray[np.float64] | None = None,
        limits: NDArray[np.float64] | None = None,
    ) -> None:
        now = failed & self._kept
        self._reasons[now] = _REASONS.index(reason)
        if figures is not None:
            self._figures[now] = figures[now]
        if limits is not None:
            self._limits[now] = limits[now]
        self._kept &= ~failed

    def note(
        self, rows: NDArray[np.bool_], figures: NDArray[np.float64], limits: NDArray[np.float64]
    ) -> None:
        """Give the rows that are kept the figure and limit that kept them."""
        now = rows & self._kept
        self._figures[now] = figures[now]
        self._limits[now] = limits[now]

    def table(self, documents: pa.Table, languages: pa.ChunkedArray) -> pa.Table:
        reasons = pa.array(_REASONS, pa.string()).take(pa.array(self._reasons))
        by_language = pc.is_in(reasons, value_set=_LANGUAGE_REASONS)
        columns = {
            "doc_id": documents["doc_id"],
            "source": documents["source"],
            "keep": pa.array(self._kept),
            "reason": reasons,
            "figure": pa.array(self._figures, from_pandas=True),
            "limit": pa.array(self._limits, from_pandas=True),
            "evidence": pc.if_else(by_language, languages, pa.scalar(None, pa.string())),
        }
        return DECISIONS.conform(pa.table(columns), "selection")


def _quality(
    doc_ids: pa.ChunkedArray, scores: NDArray[np.float64], config: SelectionConfig
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    if config.quality == "threshold":
        return scores >= config.threshold, np.full(len(scores), config.threshold)
    limits = score_limits(uniform(doc_ids, config.seed, DRAW_PURPOSE), config.pareto_alpha)
    return scores > limits, limits


def _apply(decisions: pa.Table, losses: pa.Table, name: str) -> pa.Table:
    """`decisions` with the rows of `losses`, matched by doc_id, in place of what was kept."""
    found = pc.index_in(decisions["doc_id"], value_set=losses["doc_id"].combine_chunks())
    # A repeated row shares its id with the copy that stands for both.
    lost = pc.and_(pc.is_valid(found), pc.not_equal(decisions["reason"], str(Reason.REPEATED)))
    wrong = pc.and_(lost, pc.invert(decisions["keep"]))
    if pc.any(wrong).as_py():
        doc_id, reason = (decisions[column].filter(wrong)[0] for column in ("doc_id", "reason"))
        raise ValueError(
            f"{name}: {pc.sum(wrong)} documents were dropped before, the first {doc_id} for '{reason}'; "
            "give this step only what was kept until then"
        )
    taken = losses.take(found.combine_chunks())
    columns = {"doc_id": decisions["doc_id"], "source": decisions["source"]}
    columns["keep"] = pc.and_(decisions["keep"], pc.invert(lost))
    for column in ("reason", "figure", "limit", "evidence"):
        columns[column] = pc.if_else(lost, taken[column].cast(decisions[column].type), decisions[column])
    return pa.table(columns)


def _check_reasons(contamination: pa.Table) -> None:
    allowed = _CUT_REASONS.to_pylist()
    unknown = sorted(set(contamination["reason"].unique().to_pylist()) - set(allowed))
    if unknown:
        raise ValueError(f"contamination: unknown reasons {unknown} in column 'reason', expected {allowed}")


def _check_aligned(documents: pa.Table, signals: pa.Table) -> None:
    if documents.num_rows != signals.num_rows:
        raise ValueError(
            f"{documents.num_rows} documents but {signals.num_rows} signals: not of the same shard"
        )
    same = np.asarray(pc.equal(documents["doc_id"].combine_chunks(), signals["doc_id"].combine_chunks()))
    if not same.all():
        row = int(np.argmin(same))
        raise ValueError(
            f"documents and signals differ in row {row}: doc_id {documents['doc_id'][row]} "
            f"and {signals['doc_id'][row]}; make the signals again"
        )


def _numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    return column.to_numpy().astype(np.float64)
