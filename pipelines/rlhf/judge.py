"""The automatic judge: ranks answers by stated features, or by given scores; always marked as a model's.

A score is the weighted mean of the features that apply, times a power of the share of the answer that does not repeat
itself: what repetition spoils no other feature makes good. (Version 1 had repetition as one summand of five, so that
an answer padded with its own last lines could still beat an honest one that was further from the reference.)

It knows nothing of truth or use. It makes a run without people complete, and its verdicts can be left out by
judge_kind or labeler_id.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field

from pipelines.rlhf import judge_features
from pipelines.rlhf.normalise import turns
from pipelines.rlhf.raw_rows import dense_ranks
from pipelines.rlhf.records import record_id
from pipelines.rlhf.schemas import RAW_JUDGEMENTS
from pipelines.schemas import DatasetSchema

Floats = npt.NDArray[np.float64]

NAME, VERSION = "features", 2
FEATURES = ("python_parses", "ends_well", "length_fits", "overlap")


def _column(name: str, kind: pa.DataType, meaning: str, nullable: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable, {"meaning": meaning})


JUDGE_SCORES = DatasetSchema(
    "judge_scores",
    1,
    pa.schema(
        [
            _column("record_id", pa.string(), "record_id of the candidates"),
            _column("completion_id", pa.string(), "the answer"),
            _column(
                "python_parses", pa.float64(), "1 where it is Python; null where none was asked for", True
            ),
            _column("not_repetitive", pa.float64(), "share of the answer that does not repeat itself, 0..1"),
            _column(
                "ends_well",
                pa.float64(),
                "1 where it ended by itself; null where code's end is unknown",
                True,
            ),
            _column("length_fits", pa.float64(), "1 within the bounds of length, repetitions not counted"),
            _column("overlap", pa.float64(), "words in common with the reference; null without one", True),
            _column(
                "score",
                pa.float64(),
                "mean of the features that apply, by weight, times a power of not_repetitive; 0..1",
            ),
        ]
    ),
)
"""The features behind each verdict, one row an answer."""


class JudgeConfig(BaseModel):
    """Weights of the features, what repetition costs, and how fine a difference counts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    python_parses: float = Field(
        default=2.0, description="weight of being Python, where the prompt asks for it", ge=0
    )
    ends_well: float = Field(default=1.0, description="weight of coming to an end", ge=0)
    length_fits: float = Field(default=1.0, description="weight of a length within the bounds", ge=0)
    overlap: float = Field(
        default=2.0, description="weight of words in common with the reference, where there is one", ge=0
    )
    repetition_power: float = Field(
        default=2.0,
        description="the score is multiplied by this power of the share of the answer that does not repeat itself; "
        "0: repetition costs nothing",
        ge=0,
    )
    min_words: int = Field(default=5, description="least words of an answer that is long enough", ge=1)
    max_words: int = Field(default=600, description="most words of an answer that is short enough", ge=1)
    step: float = Field(
        default=0.02, description="scores are rounded to multiples of this; equal ones tie", gt=0, le=1
    )
    code_marks: list[str] = Field(
        default=["Python"], description="a prompt whose last turn holds one of these asks for Python"
    )

    def describe(self) -> str:
        """The criteria as judgements carry them: features with their weights, and the power of repetition."""
        told = ", ".join(f"{name} {getattr(self, name):g}" for name in FEATURES if getattr(self, name))
        return (
            f"{told}; times not_repetitive to the {self.repetition_power:g}"
            if self.repetition_power
            else told
        )


class Judged(NamedTuple):
    """RAW_JUDGEMENTS, JUDGE_SCORES of the answers, and how many candidates got no two ranks."""

    judgements: pa.Table
    scores: pa.Table
    unranked: int


def judge(candidates: pa.Table, config: JudgeConfig, references: pa.Table | None = None) -> Judged:
    """Judge CANDIDATES by their features; `references` has record_id and reference (text) of some of them."""
    lists = candidates["completions"].combine_chunks()
    owner = np.asarray(lists.value_parent_indices()).astype(np.int64)
    scores = _scores(candidates, lists.flatten(), owner, config, references)
    rounded = np.rint(np.asarray(scores["score"]) / config.step)
    made = _judgements(candidates, rounded, f"{NAME}-v{VERSION}", config.describe())
    return Judged(made, scores, candidates.num_rows - made.num_rows)


def judge_by_scores(candidates: pa.Table, scores: pa.Table, name: str, criteria: str = "reward") -> Judged:
    """Judge CANDIDATES by given scores, such as a reward model's: completion_id, score, and any other columns.

    An answer without a score is not judged; equal scores tie. ValueError for a score that is no number and for an
    answer with two scores.
    """
    given = np.asarray(scores["score"].combine_chunks().cast(pa.float64()))
    wrong = np.flatnonzero(~np.isfinite(given))
    if len(wrong):
        raise ValueError(f"scores: row {wrong[0]}: score is {given[wrong[0]]}, expected a finite number")
    ids = scores["completion_id"].combine_chunks()
    if pc.count_distinct(ids).as_py() != len(ids):
        counts = ids.value_counts()
        twice = counts.filter(pc.greater(counts.field("counts"), 1)).field("values")[0].as_py()
        raise ValueError(f"scores: completion_id {twice} has several scores, expected one")
    at = pc.index_in(candidates["completion_ids"].combine_chunks().flatten(), value_set=ids)
    values = np.where(
        np.asarray(pc.is_valid(at)), np.append(given, np.nan)[pc.fill_null(at, len(given))], np.nan
    )
    made = _judgements(candidates, values, name, criteria)
    empty = JUDGE_SCORES.schema.empty_table()
    return Judged(made, empty, candidates.num_rows - made.num_rows)


def _scores(
    candidates: pa.Table,
    answers: pa.Array,
    owner: npt.NDArray[np.int64],
    config: JudgeConfig,
    references: pa.Table | None,
) -> pa.Table:
    asks_code = _asks_code(candidates, config)[owner]
    reference = _references(candidates, references).take(pa.array(owner))
    known = np.asarray(pc.is_valid(reference))
    reasons = candidates["finish_reasons"].combine_chunks().flatten()
    fresh = judge_features.not_repetitive(answers)
    values = {
        "python_parses": judge_features.python_parses(answers),
        "ends_well": judge_features.ends_well(answers, reasons),
        "length_fits": judge_features.length_fits(answers, fresh, config.min_words, config.max_words),
        "overlap": judge_features.overlap(answers, pc.fill_null(reference, "")),
    }
    applies = {name: np.ones(len(answers), np.bool_) for name in FEATURES}
    applies["ends_well"] = ~asks_code | np.asarray(pc.is_valid(reasons))
    applies |= {"python_parses": asks_code, "overlap": known}
    weights = {name: getattr(config, name) * applies[name] for name in FEATURES}
    total = np.sum([weights[name] for name in FEATURES], axis=0)
    summed = np.sum([weights[name] * values[name] for name in FEATURES], axis=0)
    mean = np.divide(summed, total, out=np.zeros(len(answers)), where=total > 0)
    columns = {
        "record_id": candidates["record_id"].combine_chunks().take(pa.array(owner)),
        "completion_id": candidates["completion_ids"].combine_chunks().flatten(),
        **{name: pa.array(values[name], pa.float64(), mask=~applies[name]) for name in FEATURES},
        "not_repetitive": pa.array(fresh),
        "score": pa.array(mean * fresh**config.repetition_power),
    }
    return JUDGE_SCORES.conform(pa.table(columns), JUDGE_SCORES.name)


def _asks_code(candidates: pa.Table, config: JudgeConfig) -> npt.NDArray[np.bool_]:
    flat = turns(candidates["messages"])
    last = flat.contents.take(pa.array(flat.offsets[1:] - 1))
    asks = np.zeros(candidates.num_rows, np.bool_)
    for mark in config.code_marks:
        asks |= np.asarray(pc.match_substring(last, mark))
    return asks


def _references(candidates: pa.Table, references: pa.Table | None) -> pa.Array:
    if references is None:
        return pa.nulls(candidates.num_rows, pa.string())
    at = pc.index_in(
        candidates["record_id"].combine_chunks(), value_set=references["record_id"].combine_chunks()
    )
    return references["reference"].combine_chunks().cast(pa.string()).take(at)


def _judgements(candidates: pa.Table, scores: Floats, judge_name: str, criteria: str) -> pa.Table:
    """RAW_JUDGEMENTS by descending scores (NaN: not judged) of those candidates that have two of them."""
    rows, start = [], 0
    for row in candidates.to_pylist():
        own = scores[start : start + len(row["completions"])]
        start += len(own)
        if np.isfinite(own).sum() < 2:
            continue
        levels = {
            score: place for place, score in enumerate(sorted(set(own[np.isfinite(own)]), reverse=True))
        }
        ranks = dense_ranks([levels.get(score) for score in own.tolist()])
        origin = f"{row['origin']}#{judge_name}"
        rows.append(
            {name: row.get(name) for name in RAW_JUDGEMENTS.schema.names}
            | {
                "record_id": record_id(row["source"], origin),
                "origin": origin,
                "ranks": ranks,
                "labeler_id": f"judge:{judge_name}",
                "judge_kind": "model",
                "criteria": criteria,
                "partial": None in ranks,
            }
        )
    return pa.Table.from_pylist(rows, schema=RAW_JUDGEMENTS.schema).sort_by("record_id")
