import pyarrow as pa
import pytest

from pipelines.rlhf.personal_data import PersonalDataConfig, personal_data
from pipelines.rlhf.record_texts import record_texts
from tests.pipelines.rlhf.rule_tables import messages, turns

MAIL = "write to jane.doe@example.org please"
PROMPTS = messages(turns("hello"), turns(MAIL, "no", MAIL), turns("x"))
ANSWERS = pa.array([["fine", MAIL], [], ["fine"]], pa.large_list(pa.large_string()))


@pytest.mark.parametrize(
    ("texts", "rows", "finds"),
    [
        pytest.param("all", [0, 1], [1, 2], id="answers too"),
        pytest.param("prompts", [1], [2], id="prompts alone, every turn"),
    ],
)
def test_records_with_finds_go(texts: str, rows: list[int], finds: list[int]) -> None:
    drops = personal_data(record_texts(PROMPTS, ANSWERS), PersonalDataConfig(texts=texts))  # type: ignore[arg-type]
    assert drops.rows.tolist() == rows
    assert drops.figure.tolist() == finds
    assert set(drops.evidence.to_pylist()) == {"email"}


def test_no_kinds_no_search() -> None:
    assert len(personal_data(record_texts(PROMPTS, ANSWERS), PersonalDataConfig(kinds=[])).rows) == 0
