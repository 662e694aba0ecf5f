"""AlpacaEval's annotations: a model's preference between two outputs.

1 and 2 name the better output, 0 and 1.5 are ties. Later versions give 1 + P(output_2 is better): any number
between, which stands for the nearer end. A null is an annotation that failed.
"""

from collections.abc import Iterator
from typing import Any

from pipelines.rlhf.fields import Fields, RowError
from pipelines.rlhf.layout import Layout, has_texts
from pipelines.rlhf.readers.verdicts import FIRST, SECOND, TIE
from pipelines.rlhf.reasons import Reason
from pipelines.rlhf.records import Excluded, Judgement, Output, Turn
from pipelines.rlhf.source_config import RlhfSourceConfig


def _fits(row: Any) -> bool:
    return has_texts(row, "instruction", "output_1", "output_2") and "preference" in row


def _read(row: Fields, _: RlhfSourceConfig) -> Iterator[Output]:
    preference = row.optional("preference")
    if preference is None:
        if "preference" not in row.value:
            row.at("preference")  # raises: a failed annotation is null, this row has none
        yield Excluded("raw_judgements", Reason.UNJUDGED, evidence="preference: null")
        return
    names = [row.optional(name) for name in ("generator_1", "generator_2")]
    judge = row.optional("annotator")
    yield Judgement(
        [Turn("user", row.at("instruction").text())],
        [row.at("output_1").text(), row.at("output_2").text()],
        _ranks(preference),
        [name.label() if name else None for name in names],
        judge.label() if judge else None,
        "model",
    )


def _ranks(preference: Fields) -> tuple[int, int]:
    value = preference.score()
    if value in (0.0, 1.5):
        return TIE
    if not 1 <= value <= 2:
        raise RowError("unknown_verdict", f"field 'preference' is {value}; this layout knows 0 and 1 to 2")
    return FIRST if value < 1.5 else SECOND


LAYOUT = Layout(
    "alpaca_eval",
    '{"instruction", "output_1", "output_2", "preference"[, "generator_1", "generator_2", "annotator"]}',
    _fits,
    _read,
    "preference 1 first, 2 second, 0 or 1.5 tie",
)
