"""Sniffing: keys and types decide, two layouts or a label's meaning never."""

from typing import Any

import pytest

from pipelines.rlhf.layouts import LAYOUTS, LayoutError, sniff

MESSAGES = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ({"foo": "x"}, ["no known layout", "foo", "mapped"]),
        (
            {"messages": MESSAGES, "conversations": MESSAGES},
            ["fits 2 layouts", "messages", "sharegpt", "'layout'"],
        ),
        (
            {"instruction": "i", "output": "o", "question": "q", "std_answer": "s", "class": "c"},
            ["alpaca", "belle_eval"],
        ),
        (
            {"prompt": "q", "response 1": "a", "response 2": "b", "label": 2},
            ["auto_j", "0 first, 1 second, 2 tie"],
        ),
        ({"instruction": "q", "response1": "a", "response2": "b", "annotator1": 0}, ["pandalm", "0 tie"]),
        ({"instruction": "q", "output_1": "a", "output_2": "b", "preference": 1}, ["alpaca_eval"]),
        ({"input": "q", "output_1": "a", "output_2": "b", "label": 1}, ["llmbar"]),
        (7, ["no known layout", "int"]),
        ({"prompt": "q", "messages": MESSAGES}, ["fits 2 layouts", "messages", "prompt_only"]),
        (
            {"prompt": "q", "completion": "a", "chosen": "a", "rejected": "b"},
            ["fits 2 layouts", "prompt_completion", "trl_preference"],
        ),
        (
            {"prompt": "q", "chosen": MESSAGES, "rejected": MESSAGES, "messages": MESSAGES},
            ["fits 2 layouts", "messages", "trl_preference"],
        ),
    ],
    ids=[
        "unknown",
        "two-a",
        "two-b",
        "auto_j",
        "pandalm",
        "alpaca_eval",
        "llmbar",
        "number",
        "two-c",
        "two-d",
        "two-e",
    ],
)
def test_what_only_a_person_can_say(row: Any, named: list[str]) -> None:
    with pytest.raises(LayoutError) as error:
        sniff([row], "source 's': f.jsonl")
    assert all(name in str(error.value) for name in ["source 's': f.jsonl", *named])


def test_a_wrong_row_among_the_first_does_not_hide_the_layout() -> None:
    good = {"instruction": "i", "output": "o"}
    assert sniff([{"instruction": None}, good, good], "f").name == "alpaca"


def test_every_layout_is_registered_under_its_own_name() -> None:
    assert all(layout.name == name for name, layout in LAYOUTS.items())
    assert sum(layout.labels is not None for layout in LAYOUTS.values()) == 4
