"""Each contract of the instruction datasets tells a dataset that breaks it."""

from typing import Any

import pyarrow as pa
import pytest

from pipelines.build import rlhf_contracts as contracts
from tests.pipelines.rlhf.rule_tables import chat_tokenizer, messages, turns


def grouped(*rows: tuple[str, str]) -> pa.Table:
    return pa.table(
        {
            "split_group": [g for g, _ in rows],
            "split": [s for _, s in rows],
            "prompt_id": [g for g, _ in rows],
        }
    )


def decided(*rows: tuple[str, str]) -> pa.Table:
    return pa.table({"dataset": [d for d, _ in rows], "record_id": [r for _, r in rows]})


RAW = {"raw_prompts": pa.table({"record_id": ["a", "b"]})}
NONE = decided().cast(pa.schema([("dataset", pa.string()), ("record_id", pa.string())]))


@pytest.mark.parametrize(
    ("check", "passed", "told"),
    [
        pytest.param(
            contracts.groups_in_one_split(
                {"sft": grouped(("a", "train")), "prompts": grouped(("a", "test"))}
            ),
            False,
            "in several splits: 1, such as a",
            id="a group in two splits of two datasets",
        ),
        pytest.param(
            contracts.groups_in_one_split({"sft": grouped(("a", "train"), ("b", "test"))}),
            True,
            "2 groups",
            id="groups in one split",
        ),
        pytest.param(
            contracts.prompts_in_one_split(grouped(("a", "train"), ("a", "test"))),
            False,
            "such as a",
            id="a prompt in two splits",
        ),
        pytest.param(
            contracts.disjoint_prompts(grouped(("a", "train")), [grouped(("a", "train"))], False),
            False,
            "1 of 1",
            id="a shared group",
        ),
        pytest.param(
            contracts.disjoint_prompts(grouped(("a", "train")), [grouped(("a", "train"))], True),
            True,
            "1 of 1",
            id="sharing allowed",
        ),
        pytest.param(
            contracts.one_decision_each(decided(("raw_prompts", "a"), ("raw_prompts", "b")), RAW, NONE),
            True,
            "2 decisions",
            id="one each",
        ),
        pytest.param(
            contracts.one_decision_each(decided(("raw_prompts", "a")), RAW, NONE),
            False,
            "1 not at all",
            id="no decision",
        ),
        pytest.param(
            contracts.one_decision_each(decided(*[("raw_prompts", r) for r in "aab"]), RAW, NONE),
            False,
            "1 records decided twice",
            id="two decisions",
        ),
        pytest.param(
            contracts.one_decision_each(decided(*[("raw_prompts", r) for r in "abc"]), RAW, NONE),
            False,
            "1 decisions on no record",
            id="a decision on nothing",
        ),
        pytest.param(
            contracts.filled(grouped().slice(0), 3, "sft"),
            False,
            "0 rows of 3 records",
            id="empty though meant",
        ),
        pytest.param(
            contracts.filled(grouped().slice(0), 0, "sft"),
            True,
            "0 rows of 0 records",
            id="empty as nothing was meant",
        ),
    ],
)
def test_contract(check: Any, passed: bool, told: str) -> None:
    assert check.passed is passed
    assert told in check.detail


def test_judged_dialogues_put_each_answer_behind_its_prompt() -> None:
    table = pa.table(
        {
            "prompt": messages(turns("a"), turns("b", "c", "d")),
            "completions": pa.array([["x", "y"], ["z"]], pa.list_(pa.string())),
        }
    )
    found = contracts.judged_dialogues(table).to_pylist()
    assert found == [turns("a", "x"), turns("a", "y"), turns("b", "c", "d", "z")]


def test_template_ids_differ_under_a_tokenizer_that_puts_spaces_in_front() -> None:
    good = contracts.template_ids(pa.chunked_array([messages(turns("the cat", "sat"))]), chat_tokenizer())
    assert (good.passed, good.detail) == (True, "equal ids in 1 dialogues")
