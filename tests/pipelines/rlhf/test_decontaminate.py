from pathlib import Path

import pyarrow as pa
import pytest

from pipelines.decontaminate import DecontaminationConfig, Decontaminator
from pipelines.rlhf.decontaminate import contaminated
from pipelines.rlhf.record_texts import record_texts
from tests.pipelines.rlhf.rule_tables import messages, turns

ITEM = "which of these seventeen rivers flows past the old mill and the bakery before it reaches the sea"


@pytest.fixture(scope="module")
def decontaminator(tmp_path_factory: pytest.TempPathFactory) -> Decontaminator:
    path: Path = tmp_path_factory.mktemp("benchmarks") / "rivers.txt"
    path.write_text(ITEM + "\n")
    return Decontaminator.from_files(str(path), DecontaminationConfig(max_documents=2))


def _found(prompts: pa.Array, answers: pa.Array, decontaminator: Decontaminator) -> dict[int, str]:
    drops = contaminated(record_texts(prompts, answers), decontaminator)
    return dict(zip(drops.rows.tolist(), drops.evidence.to_pylist(), strict=True))


def test_prompts_and_answers_are_searched(decontaminator: Decontaminator) -> None:
    prompts = messages(turns("hello"), turns(f"tell me: {ITEM.upper()}?"), turns("hi"), turns(ITEM[:40]))
    answers = pa.array([["no", ITEM], ["yes"], [], []], pa.large_list(pa.large_string()))
    found = _found(prompts, answers, decontaminator)
    assert set(found) == {0, 1}
    assert found[0].startswith("rivers: which of these seventeen rivers")


def test_one_text_in_many_records_is_no_common_phrase(decontaminator: Decontaminator) -> None:
    prompts = messages(*[turns(ITEM)] * 5)
    answers = pa.array([[]] * 5, pa.large_list(pa.large_string()))
    assert set(_found(prompts, answers, decontaminator)) == {0, 1, 2, 3, 4}


def test_what_many_different_texts_hold_is_one(decontaminator: Decontaminator) -> None:
    prompts = messages(*[turns(f"{i}) {ITEM}") for i in range(3)])
    answers = pa.array([[]] * 3, pa.large_list(pa.large_string()))
    assert _found(prompts, answers, decontaminator) == {}


def test_a_gram_does_not_join_two_turns(decontaminator: Decontaminator) -> None:
    half = ITEM.split()
    prompts = messages(turns(" ".join(half[:9]), " ".join(half[9:])))
    assert _found(prompts, pa.array([[]], pa.large_list(pa.large_string())), decontaminator) == {}
