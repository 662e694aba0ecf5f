"""What decontamination says of a document, and what becomes of it in the decisions."""

import pyarrow as pa
import pytest

from pipelines.decontamination.decontaminate_stage import DECONTAMINATED
from pipelines.schemas import DECISIONS, DUPLICATES
from pipelines.select import decide
from pipelines.select_stages import whole_losses
from tests.pipelines.tables import filled

MAX_PIECES = 10


@pytest.mark.parametrize(
    ("outcome", "n_split", "cut_bytes", "benchmark", "decision"),
    [
        pytest.param("kept", 2, 900, "quiz", (True, "kept", None, None, None), id="cut and kept"),
        pytest.param("not_selected", 0, 0, None, (True, "kept", None, None, None), id="not looked at"),
        pytest.param("passages_cut_out", 0, 0, None, (False, "passages", None, None, None), id="passages"),
        pytest.param(
            "too_many_pieces", 12, 5, "quiz", (False, "too_many_pieces", 12.0, 10.0, "quiz"), id="pieces"
        ),
        pytest.param(
            "pieces_too_short", 2, 900, "quiz", (False, "contaminated", 900.0, None, "quiz"), id="short"
        ),
    ],
)
def test_an_outcome_becomes_a_decision(outcome, n_split, cut_bytes, benchmark, decision):
    columns = {"doc_id": ["a", "b"], "outcome": [outcome, "kept"], "n_split": [n_split, 1]}
    outcomes = filled(
        DECONTAMINATED, {**columns, "cut_bytes": [cut_bytes, 0], "benchmark": [benchmark, None]}
    )
    selection = filled(DECISIONS, {"doc_id": ["a", "b"], "keep": [True, True], "reason": ["kept", "kept"]})
    nothing = pa.nulls(2, pa.float64())
    for name, column in (("figure", nothing), ("limit", nothing), ("evidence", pa.nulls(2, pa.string()))):
        place = selection.schema.get_field_index(name)
        selection = selection.set_column(place, selection.schema.field(name), column)
    losses = whole_losses(outcomes, MAX_PIECES)
    decided = decide(selection, DUPLICATES.schema.empty_table(), losses, 0.75).to_pylist()
    names = ("keep", "reason", "figure", "limit", "evidence")
    assert [tuple(row[name] for name in names) for row in decided] == [
        decision,
        (True, "kept", None, None, None),
    ]
