import doctest

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipelines.rlhf import forms, licences
from pipelines.rlhf.augment import AugmentConfig, Augmented, augment, mark_code
from pipelines.rlhf.forms import few_shot_text, task_text
from pipelines.rlhf.lengths import LengthConfig
from pipelines.rlhf.normalise import prompt_ids
from pipelines.rlhf.schemas import SFT
from tests.pipelines.rlhf.rule_tables import chat_tokenizer
from tests.pipelines.rlhf.sft_rows import sft_row, sft_table

ALL = AugmentConfig(few_shot_share=1, task_share=1, examples=2)
LIMITS = LengthConfig()


def rewrite(row: int, **facts: object) -> dict[str, object]:
    known = {"use_case": "rewrite", "language": "en", "licence": "MIT"}
    return sft_row(row, f"Rewrite {row}.", f"Written {row}.", **(known | facts))


BASE = sft_table(*(rewrite(row) for row in range(5)))


def made(table: pa.Table, config: AugmentConfig = ALL, limits: LengthConfig = LIMITS) -> Augmented:
    return augment(table, chat_tokenizer(), config, limits)


def of_form(found: Augmented, form: str) -> list[dict[str, object]]:
    return found.rows.filter(pc.equal(found.rows["form"], form)).to_pylist()


@pytest.mark.parametrize("module", [forms, licences], ids=lambda module: module.__name__)
def test_examples_in_docstrings(module: object) -> None:
    assert doctest.testmod(module).failed == 0


def test_a_few_shot_form_holds_its_examples_and_the_parents_answer() -> None:
    texts = {
        row["record_id"]: (row["prompt"][0]["content"], row["completion"][0]["content"])
        for row in BASE.to_pylist()
    }
    rows = of_form(made(BASE), "few_shot")
    assert len(rows) == 5
    for row in rows:
        parent, *examples = row["made_from"]
        assert len({parent, *examples}) == 3
        expected = few_shot_text(texts[parent][0], [texts[example] for example in examples], "en")
        assert row["prompt"] == [{"role": "user", "content": expected}]
        assert (
            row["messages"][-1] == row["completion"][0] == {"role": "assistant", "content": texts[parent][1]}
        )


@pytest.mark.parametrize(
    "other",
    [
        {"split": "validation"},
        {"use_case": "chat"},
        {"language": "zh"},
        {"split_group": "g0"},
        {"use_case": None},
        {"form": "code"},
        {"n_completion_tokens": 300},
    ],
    ids=["another split", "another use case", "another language", "its own group", "no use case", "another form",
         "too long"],
)  # fmt: skip
def test_what_is_no_example_of_a_prompt(other: dict[str, object]) -> None:
    table = sft_table(rewrite(0), rewrite(1), rewrite(2) | other)
    found = made(table)
    parents = {row["made_from"][0] for row in of_form(found, "few_shot")}
    outsider = table["record_id"][2].as_py()
    used = {name for row in of_form(found, "few_shot") for name in row["made_from"][1:]}
    assert table["record_id"][0].as_py() not in parents
    assert outsider not in used or other == {"split_group": "g0"}
    assert found.counts["few_shot:without_examples"] > 0


def test_two_examples_of_one_group_are_one() -> None:
    table = sft_table(rewrite(0), *(rewrite(row, split_group="same") for row in (1, 2, 3)))
    assert of_form(made(table), "few_shot") == []


def test_task_conditioned_forms() -> None:
    table = sft_table(
        rewrite(0)
        | sft_row(0, "改写下面的句子。\n今天天气好。", "天气不错。", use_case="rewrite", language="zh")
    )
    (row,) = of_form(made(table, AugmentConfig(task_share=1)), "task_conditioned")
    assert row["prompt"][0]["content"] == "任务：改写文字\n\n指令：改写下面的句子。\n\n输入：\n今天天气好。"
    assert row["made_from"] == table["record_id"].to_pylist()


def test_a_long_first_line_is_no_instruction() -> None:
    text = " ".join(["word"] * 61) + "\nmore"
    assert task_text(text, "chat", "en") == f"Task: carry on a conversation\n\nInstruction: {text}"


def test_rows_are_those_of_sft_with_ids_and_lengths_of_their_own() -> None:
    rows = made(BASE).rows
    SFT.check(rows.schema, "augmented")
    assert rows["prompt_id"].to_pylist() == prompt_ids(rows["prompt"]).to_pylist()
    assert rows["n_prompt_tokens"].to_pylist() == chat_tokenizer().count_prompts(rows["prompt"]).tolist()
    assert not set(rows["record_id"].to_pylist()) & set(BASE["record_id"].to_pylist())
    assert pc.count_distinct(rows["record_id"]).as_py() == rows.num_rows == 10
    assert set(rows["split"].to_pylist()) == {"train"}


@pytest.mark.parametrize(("other", "licence"), [("MIT", "MIT"), (None, None), ("CC0-1.0", "CC0-1.0 AND MIT")])
def test_licences_of_all_that_it_is_made_of(other: str | None, licence: str | None) -> None:
    table = sft_table(rewrite(0), rewrite(1, licence=other))
    found = made(table, AugmentConfig(few_shot_share=1, examples=1))
    told = {row["licence"] for row in of_form(found, "few_shot")}
    assert {licence and " AND ".join(sorted(licence.split(" AND "))) for licence in told} == {licence}


def test_forms_over_the_limit_are_counted() -> None:
    found = made(BASE, limits=LengthConfig(max_prompt_tokens=1))
    assert (
        found.rows.num_rows,
        found.counts["few_shot:too_long"],
        found.counts["task_conditioned:too_long"],
    ) == (0, 5, 5)


def test_the_share_is_a_draw_that_grows() -> None:
    many = sft_table(*(rewrite(row) for row in range(300)))
    few, more = (
        set(made(many, AugmentConfig(task_share=share)).rows["origin"].to_pylist()) for share in (0.2, 0.5)
    )
    assert few < more
    assert 30 < len(few) < 90


def test_the_order_of_rows_does_not_matter() -> None:
    shuffled = BASE.take(pa.array([3, 0, 4, 1, 2]))
    assert made(shuffled).rows.equals(made(BASE).rows)


def test_nothing_by_default() -> None:
    assert made(BASE, AugmentConfig()).rows.num_rows == 0


def test_code_is_marked_by_its_source() -> None:
    marked = mark_code(sft_table(sft_row(0, "a", "b"), sft_row(1, "c", "d", source="scipy")), ["scipy"])
    assert marked["form"].to_pylist() == ["plain", "code"]
