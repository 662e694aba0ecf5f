import numpy as np
import pyarrow as pa
import pytest

from pipelines.rlhf.demonstrations import answers, build
from pipelines.rlhf.lengths import measure
from pipelines.rlhf.normalise import contexts, prompt_ids
from tests.pipelines.rlhf.rule_tables import chat_tokenizer, demonstration, demonstrations


def _sft(raw: pa.Table) -> pa.Table:
    prompts = contexts(raw["messages"])
    raw = raw.append_column("prompt_id", prompt_ids(prompts)).append_column("split_group", raw["record_id"])
    raw = raw.append_column("split", pa.array(["train"] * raw.num_rows, pa.string()))
    return build(raw, measure(prompts, answers(raw["messages"]), chat_tokenizer()))


def test_only_the_last_answer_is_the_completion_and_tokens_add_up() -> None:
    raw = demonstrations(demonstration(0, "the cat", "sat"), demonstration(1, "x", "y", "z 中文", "mat"))
    rows = {row["record_id"]: row for row in _sft(raw).to_pylist()}
    for given in raw.to_pylist():
        row = rows[given["record_id"]]
        assert row["prompt"] + row["completion"] == row["messages"] == given["messages"]
        assert len(row["completion"]) == 1
        whole = chat_tokenizer().dialogue_ids(pa.array([given["messages"]], raw["messages"].type), False)[0]
        assert row["n_prompt_tokens"] + row["n_completion_tokens"] == len(whole)
    assert [rows[record]["form"] for record in raw["record_id"].to_pylist()] == ["plain", "dialogue"]


def test_order_of_rows_does_not_matter() -> None:
    raw = demonstrations(*(demonstration(i, f"q{i}", f"a{i}") for i in range(5)))
    assert _sft(raw).equals(_sft(raw.take(pa.array(np.arange(5)[::-1]))))


@pytest.mark.parametrize("contents", [("only asked",), ("x", "y", "asked again"), ()])
def test_a_demonstration_without_an_answer_is_an_error(contents: tuple[str, ...]) -> None:
    raw = demonstrations(demonstration(0, "q", "a"), demonstration(1, *contents))
    with pytest.raises(ValueError, match=f"record {raw['record_id'][1].as_py()} does not end on"):
        _sft(raw)
