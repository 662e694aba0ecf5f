"""Every reader under every wrong value in every place: a row gives sound records or one error that names a field."""

import copy
import re
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from pipelines.rlhf.fields import Fields, RowError
from pipelines.rlhf.layouts import LAYOUTS, MAPPED
from pipelines.rlhf.mapped_config import MappedConfig
from pipelines.rlhf.raw_rows import raw_row
from pipelines.rlhf.schemas import RAW_DEMONSTRATIONS, RAW_JUDGEMENTS, RAW_PROMPTS, READ_DECISIONS
from pipelines.rlhf.source_config import RlhfSourceConfig

HUMAN, MODEL = {"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}
USER, ANSWER = {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}
CALL = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"function": {"name": "f", "arguments": {"x": 1}}}],
}
HH = "\n\nHuman: Hi\n\nAssistant: {}"
REPLY = {"message_id": "2", "role": "assistant", "text": "a", "rank": 0, "user_id": "v", "synthetic": False}
TREE = {
    "message_id": "1",
    "role": "prompter",
    "text": "q",
    "lang": "en",
    "review_result": True,
    "deleted": False,
}
PAIR = {"prompt": "q", "response 1": "a", "response 2": "b", "label": 1, "scenario": "chat"}
ROWS: dict[str, list[Any]] = {
    "alpaca": [{"instruction": "q", "input": "x", "output": "a", "system": "s", "history": [["q", "a"]]}],
    "alpaca_eval": [
        {
            "instruction": "q",
            "output_1": "a",
            "output_2": "b",
            "preference": 1.2,
            "generator_1": "m",
            "annotator": "n",
        }
    ],
    "alpaca_preference": [{"instruction": "q", "input": "", "chosen": "a", "rejected": "b"}],
    "auto_j": [PAIR],
    "belle_eval": [{"question": "几?", "std_answer": "一", "class": "math"}],
    "hh_rlhf": [{"chosen": HH.format("a"), "rejected": HH.format("b")}],
    "kto": [
        {"messages": [USER, ANSWER], "label": True},
        {"conversations": [HUMAN, MODEL], "kto_tag": False},
        {"instruction": "q", "output": "a", "label": True},
        {"prompt": "q", "completion": "a", "label": True},
    ],
    "llmbar": [{"input": "q", "output_1": "a", "output_2": "b", "label": 2}],
    "messages": [
        {"messages": [USER, CALL, {"role": "tool", "content": "7"}, ANSWER], "tools": [{"name": "f"}]},
        {"messages": [USER, {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}}]},
    ],
    "oasst_tree": [
        {
            "message_tree_id": "t",
            "prompt": TREE | {"replies": [REPLY, REPLY | {"message_id": "3", "rank": 1}]},
        }
    ],
    "openai_preference": [
        {
            "input": {"messages": [USER], "tools": []},
            "preferred_output": [ANSWER],
            "non_preferred_output": [ANSWER],
        }
    ],
    "pandalm": [
        {
            "instruction": "q",
            "input": "",
            "response1": "a",
            "response2": "b",
            "annotator1": 0,
            "cmp_key": "m_n",
        }
    ],
    "prompt_completion": [{"prompt": "q", "completion": "a"}, {"prompt": [USER], "completion": [ANSWER]}],
    "prompt_list": ["why?"],
    "prompt_only": [{"prompt": "q"}, {"prompt": [USER]}],
    "self_instruct": [
        {
            "id": "t",
            "name": "n",
            "instruction": "q",
            "instances": [{"input": "x", "output": "a"}],
            "is_classification": True,
        }
    ],
    "sharegpt": [{"conversations": [HUMAN, MODEL], "system": "s", "tools": "[]", "id": "c"}],
    "sharegpt_preference": [
        {"conversations": [HUMAN], "chosen": "a", "rejected": "b"},
        {"conversations": [HUMAN], "chosen": MODEL, "rejected": MODEL},
    ],
    "tldr_samples": [{"context": "q", "ref_text": "a|b", "sample": "x", "model_type": "sft"}],
    "trl_preference": [
        {"prompt": "q", "chosen": "a", "rejected": "b"},
        {"prompt": [USER], "chosen": [ANSWER], "rejected": [ANSWER]},
    ],
}
MAPPED_ROWS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "verdicts": (
        {
            "prompt_template": "{q}\n{x}",
            "completion_columns": ["a", "b"],
            "author_columns": ["m", "n"],
            "verdict_columns": ["v", "w"],
            "verdicts": [{"value": "1", "verdict": "first"}, {"value": "0", "verdict": "tie"}],
            "user_column": "u",
        },
        {"q": "q", "x": "x", "a": "a", "b": "b", "m": "m", "n": "n", "v": 1, "w": 0, "u": "u"},
    ),
    "ranks": (
        {
            "prompt_column": "q",
            "completions_column": "c",
            "completion_text": "t",
            "ranks_column": "r",
            "labeler_column": "l",
        },
        {"q": "q", "c": [{"t": "a"}, {"t": "b"}, {"t": "c"}], "r": [1, None, 1], "l": "l"},
    ),
    "scores": (
        {
            "messages_column": "m",
            "completion_columns": ["a", "b"],
            "rank_columns": ["x", "y"],
            "best": "highest",
        },
        {"m": [USER], "a": "a", "b": "b", "x": 0.5, "y": 0.7},
    ),
}
MISSING = object()
DEEP: Any = "x"
for _ in range(2000):
    DEEP = [DEEP]
WRONG = [
    MISSING,
    None,
    True,
    0,
    7,
    -1,
    1.5,
    float("nan"),
    float("inf"),
    10**400,
    "",
    " ",
    "\ud800",
    "²",
    "--5",
    "x" * 2000,
    [],
    [None],
    [[]],
    ["x", "y", "z"],
    {},
    {"role": 7},
    [{"role": "user"}],
    [{"role": "narrator", "content": "x"}],
    [{"content": "\udfff", "role": "user", "tool_calls": [{"name": "\ud800", "arguments": "{"}]}],
    {"\ud800": "\ud800"},
    DEEP,
]
CONFIG = {"name": "s", "files": ["f"], "max_field_chars": 1500}


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value in a row, its own, which is empty, among them."""
    yield at
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield from places(value[key], (*at, key))


def changed(row: Any, at: tuple[Any, ...], value: Any) -> Any:
    """`row` with another value at a place, or without what is there."""
    if not at:
        return None if value is MISSING else value
    made = copy.deepcopy(row)
    inner = made
    for key in at[:-1]:
        inner = inner[key]
    if value is MISSING:
        del inner[at[-1]]
    else:
        inner[at[-1]] = value
    return made


def cases() -> Iterator[Any]:
    for name, rows in ROWS.items():
        for number, row in enumerate(rows):
            config = RlhfSourceConfig(**CONFIG, layout=name, unpaired="demonstrations")
            yield pytest.param(LAYOUTS[name].read, config, row, id=f"{name}-{number}")
    for name, (mapped, row) in MAPPED_ROWS.items():
        config = RlhfSourceConfig(**CONFIG, layout="mapped", mapped=MappedConfig(**mapped))
        yield pytest.param(MAPPED.read, config, row, id=f"mapped-{name}")


def test_every_reader_is_here() -> None:
    assert set(ROWS) == set(LAYOUTS)


@pytest.mark.parametrize(("read", "config", "row"), cases())
def test_a_row_gives_sound_records_or_names_a_field(read: Any, config: RlhfSourceConfig, row: Any) -> None:
    assert list(read(Fields(row, config.max_field_chars), config))
    for at in places(row):
        for value in WRONG:
            wrong = changed(row, at, value)
            try:
                outputs = list(read(Fields(wrong, config.max_field_chars), config))
            except RecursionError:
                continue  # the stage makes a dead letter of it
            except RowError as error:
                told = str(error)
                assert re.search(r"fields? '|^the row", told), told
                continue
            assert outputs, wrong
            for output in outputs:
                check(raw_row(output, config, "f#1"))


def check(found: Any) -> None:
    """The row is of its schema, writable, and its dialogue ends as the schema says."""
    schemas = (RAW_DEMONSTRATIONS, RAW_JUDGEMENTS, RAW_PROMPTS, READ_DECISIONS)
    (schema,) = [schema for schema in schemas if schema.name == found.dataset]
    table = pa.Table.from_pylist([found.values], schema=schema.schema)
    schema.check(table.schema, "made")
    table.validate(full=True)
    if schema is READ_DECISIONS:
        return
    told = str(found.values)[:300]
    roles = [message["role"] for message in found.values["messages"]]
    assert "user" in roles, told
    assert (roles[-1] == "assistant") == (schema is RAW_DEMONSTRATIONS), told
    if schema is RAW_JUDGEMENTS:
        n = len(found.values["completions"])
        assert len(found.values["ranks"]) == len(found.values["completion_authors"]) == n, told
