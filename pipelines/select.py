"""Keep or drop: the signals of every document turned into one decision with its reason, figure and limit.

Nothing is measured here, so a threshold can change without reading a text again. A document has one reason:
the first rule of the recipe that it fails, in the order of `Reason`.
"""

from collections.abc import Collection

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipelines.judge import Judged, judge
from pipelines.reasons import REASONS, Reason
from pipelines.schemas import DECISIONS
from pipelines.selection_config import SelectionConfig

__all__ = ["Reason", "SelectionConfig", "as_decisions", "decide", "funnel", "select"]

_CUT_REASONS = pa.array([Reason.PASSAGES, Reason.TOO_MANY_PIECES, Reason.CONTAMINATED], pa.string())


def select(
    documents: pa.Table,
    signals: pa.Table,
    curated: Collection[str],
    config: SelectionConfig,
    repeated: NDArray[np.bool_] | None = None,
    blocked: pa.RecordBatch | None = None,
) -> pa.Table:
    """Decide on each document by itself: rows of `documents`, in order, in the form of schemas.DECISIONS.

    `documents` needs doc_id, source and n_words; `signals` the same rows in the same order. Documents of
    the sources named in `curated` skip the rules on address, language, page and quality: somebody has chosen
    them, they are the classifier's own positives, and GPT-3 filtered only the crawl. They are dropped where they
    have no word, and where the config limits personal data.
    `repeated` marks the rows whose doc_id stands at an earlier place too; `blocked` is Blocklists.check of the
    addresses.

    Figure and limit: words and fewest words; language score (and smallest score); the signal and the limit of a
    rule, whose name is the evidence; quality score and threshold, or for pareto the score that the draw asked
    for: what is kept has more. ValueError where the tables are not aligned, judge.SignalError where a signal was
    not measured.
    """
    check_aligned(documents, signals)
    return as_decisions(documents, judge(documents, signals, curated, config, repeated, blocked))


def as_decisions(documents: pa.Table, judged: Judged) -> pa.Table:
    """What was judged in the form of schemas.DECISIONS."""
    columns = {
        "doc_id": documents["doc_id"],
        "source": documents["source"],
        "keep": pa.array(judged.kept),
        "reason": pa.array(REASONS, pa.string()).take(pa.array(judged.reasons)),
        "figure": pa.array(judged.figures, from_pandas=True),
        "limit": pa.array(judged.limits, from_pandas=True),
        "evidence": judged.evidence,
    }
    return DECISIONS.conform(pa.table(columns), "selection")


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
    order = pc.index_in(counts["reason"], value_set=pa.array(REASONS, pa.string()))
    counts = counts.append_column("order", order).sort_by([("source", "ascending"), ("order", "ascending")])
    return counts.select(["source", "reason", "count_all"]).rename_columns(["source", "reason", "documents"])


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


def check_aligned(documents: pa.Table, signals: pa.Table) -> None:
    """ValueError unless both tables hold the same documents in the same order."""
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
