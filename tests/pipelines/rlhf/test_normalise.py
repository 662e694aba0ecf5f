import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.rlhf import normalise
from pipelines.rlhf import records as one_by_one
from pipelines.rlhf.schemas import MESSAGES
from tests.pipelines.rlhf.rule_tables import messages, prompt_records, turns
from tests.pipelines.rlhf.rule_tables import prompt as raw_prompt

TEXTS = st.text(st.characters(codec="utf-8"), max_size=12)
ROLES = st.sampled_from(["system", "user", "assistant", "tool"])
DIALOGUES = st.lists(
    st.lists(st.builds(lambda r, c: {"role": r, "content": c}, ROLES, TEXTS), max_size=4), max_size=5
)


@given(DIALOGUES)
def test_ids_are_those_that_readers_make_one_by_one(dialogues: list[list[dict[str, str]]]) -> None:
    expected = [one_by_one.prompt_id(dialogue) for dialogue in dialogues]
    assert normalise.prompt_ids(pa.array(dialogues, MESSAGES)).to_pylist() == expected


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=5))
def test_completion_ids_are_those_of_readers(rows: list[tuple[str, str]]) -> None:
    prompts, answers = (pa.array([row[i] for row in rows], pa.string()) for i in (0, 1))
    expected = [one_by_one.completion_id(prompt, answer) for prompt, answer in rows]
    assert normalise.completion_ids(prompts, answers).to_pylist() == expected


@given(DIALOGUES, st.integers(0, 5))
def test_turns_and_dialogues_are_inverse_in_any_chunks(
    dialogues: list[list[dict[str, str]]], cut: int
) -> None:
    column = pa.chunked_array([pa.array(dialogues[:cut], MESSAGES), pa.array(dialogues[cut:], MESSAGES)])
    assert normalise.dialogues(*normalise.turns(column)).to_pylist() == dialogues
    assert normalise.contexts(column).to_pylist() == [dialogue[:-1] for dialogue in dialogues]
    assert normalise.contexts(column.slice(1)).to_pylist() == [dialogue[:-1] for dialogue in dialogues[1:]]


def test_a_null_dialogue_is_named() -> None:
    with pytest.raises(ValueError, match="row 1 of the messages is null"):
        normalise.turns(pa.array([[], None], MESSAGES))


def test_only_the_users_own_words_are_compared() -> None:
    column = messages(
        turns("### Instruction: add", "sure", "more", system="be kind"), [{"role": "system", "content": "x"}]
    )
    found = normalise.user_texts(column, ["### Instruction: "])
    assert found.to_pylist() == ["add\nmore", ""]


def test_the_longest_template_goes_first() -> None:
    found = normalise.user_texts(messages(turns("abcd")), ["ab", "abc"])
    assert found.to_pylist() == ["d"]


def test_earlier_rows_come_first_by_number_and_not_by_text() -> None:
    rows = [raw_prompt(row, "x") for row in ("10", "9", "9#2", "9#10", "9#b")]
    table = prompt_records(*rows)
    order = np.argsort(normalise.earliest(table))
    assert [rows[i]["origin"] for i in order] == [
        f"lists.jsonl#{row}" for row in ("9", "9#b", "9#2", "9#10", "10")
    ]


def test_an_origin_of_another_form_still_has_a_place() -> None:
    table = prompt_records(raw_prompt("a", "x"), raw_prompt("3", "y"))
    assert sorted(normalise.earliest(table).tolist()) == [0, 1]
