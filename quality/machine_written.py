"""A detector of machine-written text: logistic regression on hashed words, human against model answers.

Training data is the user's, in the layout of HC3 (Guo et al. 2023): JSON lines with `question`, `human_answers`,
`chatgpt_answers` and `source` (English files) or without `source` (some Chinese ones). All answers to a question
are held out together, and accuracy is told by source. The detector knows the models and the fields it was
trained on and little else: it is one more number beside the others, and off unless asked for. Train one a language.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from quality.classifiers.examples import UNNAMED_SOURCE, Examples, held_out
from quality.classifiers.logistic_regression import FitConfig, QualityClassifier
from text.buffers import Texts
from text.hashing import digest128

SIGNAL = "machine_written"
REASON = "machine_written"


class MachineWrittenConfig(BaseModel):
    """Whether the detector runs, and whether it may drop."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Literal["off", "signal", "drop"] = Field(
        default="off", description="off; signal: score only; drop: take documents above max_score"
    )
    model: str | None = Field(default=None, description="local folder of a trained detector")
    max_score: float = Field(
        default=0.99, description="largest probability of a machine's text that stays, 0..1", ge=0, le=1
    )


class AnswerError(ValueError):
    """A row of the training data is not in HC3's layout."""


class Answers(NamedTuple):
    """Human and machine answers, row by row with the digest of their question and their source."""

    human: Examples
    machine: Examples


def read_answers(lines: Iterable[str | bytes], where: str) -> Answers:
    """HC3's JSON lines as examples; empty answers are left out. AnswerError names the line and the key."""
    rows: dict[str, list[tuple[str, str, str]]] = {"human_answers": [], "chatgpt_answers": []}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise AnswerError(f"{where}, line {number}: not JSON ({error})") from None
        _add(row, rows, f"{where}, line {number}")
    return Answers(_examples(rows["human_answers"]), _examples(rows["chatgpt_answers"]))


def fit(answers: Answers, config: FitConfig | None = None) -> tuple[QualityClassifier, dict[str, Any]]:
    """A detector (machine text is the positive class) and its held-out accuracy by source.

    The report has, for `all` and each source: human, machine (answers held out), accuracy at 0.5 with both classes
    weighed alike, and recall of each; None where a class has no answer. ValueError where a class is empty.
    """
    chosen = config or FitConfig()
    model = QualityClassifier(chosen).fit(answers.machine, answers.human)
    if model.card["held_out"] is None:
        return model, {}
    masks = held_out(answers.machine, answers.human, chosen.held_out_share, chosen.seed)
    machine, human = (
        (model.score(examples.take(mask)), _sources(examples)[mask])
        for examples, mask in zip((answers.machine, answers.human), masks, strict=True)
    )
    return model, accuracy_by_source(machine, human)


def accuracy_by_source(
    machine: tuple[NDArray[np.float64], NDArray[Any]], human: tuple[NDArray[np.float64], NDArray[Any]]
) -> dict[str, Any]:
    """The report of `fit` from scores and sources of held-out texts of both classes."""
    report = {}
    for source in ["all", *sorted({*machine[1], *human[1]})]:
        ours = [scores[(names == source) | (source == "all")] for scores, names in (machine, human)]
        recalls = [float(np.mean(part)) if len(part) else None for part in (ours[0] >= 0.5, ours[1] < 0.5)]
        both = [recall for recall in recalls if recall is not None]
        report[source] = {
            "machine": len(ours[0]),
            "human": len(ours[1]),
            "accuracy": float(np.mean(both)) if len(both) == 2 else None,
            "machine_recall": recalls[0],
            "human_recall": recalls[1],
        }
    return report


def signals(model: QualityClassifier, texts: Texts) -> pa.RecordBatch:
    """Column machine_written: P(a machine wrote it) of each text, float32."""
    return pa.record_batch([pa.array(model.score(texts).astype(np.float32))], names=[SIGNAL])


def _add(row: Any, rows: Mapping[str, list[tuple[str, str, str]]], where: str) -> None:
    if not isinstance(row, dict) or not isinstance(row.get("question"), str):
        raise AnswerError(f"{where}: key 'question' is no text; expected HC3's layout")
    for key, answers in rows.items():
        given = row.get(key)
        if not isinstance(given, list) or not all(isinstance(answer, str) for answer in given):
            raise AnswerError(f"{where}: key '{key}' is no list of texts; expected HC3's layout")
        source = row.get("source") or UNNAMED_SOURCE
        answers.extend((answer, row["question"], source) for answer in given if answer.strip())


def _examples(rows: list[tuple[str, str, str]]) -> Examples:
    texts, questions, sources = ([row[place] for row in rows] for place in range(3))
    groups = digest128(pa.array(questions, pa.string()))
    return Examples(
        pa.chunked_array([pa.array(texts, pa.large_string())]), groups, pa.array(sources, pa.string())
    )


def _sources(examples: Examples) -> NDArray[Any]:
    if examples.sources is None:
        return np.full(len(examples), UNNAMED_SOURCE, object)
    return np.array(examples.sources.to_pylist(), object)
