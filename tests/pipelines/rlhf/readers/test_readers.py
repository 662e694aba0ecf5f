"""Every layout by a row in its documented form: which records it gives, with whose words, in which order."""

from pathlib import Path
from typing import Any

import pytest

from tests.pipelines.rlhf.instruction_files import read_rows_of, said

HH = "\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: How old are you?\n\nAssistant:"

DEMONSTRATIONS = {
    "alpaca": ({"instruction": "Add.", "input": "1 2", "output": "3"}, [("u", "Add.\n1 2"), ("a", "3")]),
    "alpaca-no-input": ({"instruction": "说好", "input": "", "output": "好"}, [("u", "说好"), ("a", "好")]),
    "alpaca-history": (
        {"instruction": "b", "output": "B", "system": "s", "history": [["a", "A"]]},
        [("s", "s"), ("u", "a"), ("a", "A"), ("u", "b"), ("a", "B")],
    ),
    "sharegpt": (
        {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}], "system": "s"},
        [("s", "s"), ("u", "q"), ("a", "a")],
    ),
    "sharegpt-tools": (
        {
            "conversations": [
                {"from": "human", "value": "q"},
                {"from": "function_call", "value": '{"name": "f", "arguments": {}}'},
                {"from": "observation", "value": "7"},
                {"from": "gpt", "value": "seven"},
            ],
            "tools": '[{"name": "f"}]',
        },
        [
            ("s", 'Tools:\n[{"name": "f"}]'),
            ("u", "q"),
            ("a", '{"name": "f", "arguments": {}}'),
            ("t", "7"),
            ("a", "seven"),
        ],
    ),
    "openai-messages": (
        {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]},
        [("u", "q"), ("a", "a")],
    ),
    "openai-tool-calls": (
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "q"}]},
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [
                        {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}
                    ],
                },
                {"role": "tool", "tool_call_id": "1", "content": "7"},
                {"role": "assistant", "content": "seven"},
            ]
        },
        [("u", "q"), ("a", '{"name": "f", "arguments": {"x": 1}}'), ("t", "7"), ("a", "seven")],
    ),
    "openai-function-call": (
        {
            "messages": [
                {"role": "user", "content": "q"},
                {"role": "assistant", "function_call": {"name": "f", "arguments": '{"x": 1}'}},
            ],
            "functions": [{"name": "f"}],
        },
        [("s", 'Tools:\n[{"name": "f"}]'), ("u", "q"), ("a", '{"name": "f", "arguments": {"x": 1}}')],
    ),
    "openai-completion": ({"prompt": "q", "completion": " a"}, [("u", "q"), ("a", "a")]),
    "trl-completion": (
        {
            "prompt": [{"role": "user", "content": "q"}],
            "completion": [{"role": "assistant", "content": "a"}],
        },
        [("u", "q"), ("a", "a")],
    ),
    "self-instruct": (
        {"id": "t1", "name": "n", "instruction": "Do.", "instances": [{"input": "x", "output": "y"}]},
        [("u", "Do.\nx"), ("a", "y")],
    ),
    "belle-eval": ({"question": "几?", "std_answer": "一", "class": "math"}, [("u", "几?"), ("a", "一")]),
    "tldr": (
        {"model_type": "sft", "context": "post\n\nTL;DR:", "ref_text": "One.|Two.", "sample": "x"},
        [("u", "post\n\nTL;DR:"), ("a", "One. Two.")],
    ),
}


@pytest.mark.parametrize(("row", "expected"), DEMONSTRATIONS.values(), ids=DEMONSTRATIONS.keys())
def test_demonstrations(tmp_path: Path, row: dict, expected: list) -> None:
    raw = read_rows_of(tmp_path, [row])
    assert [said(found["messages"]) for found in raw.demonstrations] == [expected]
    assert not raw.judgements


PAIR = {"instruction": "q", "output_1": "one", "output_2": "two"}
JUDGEMENTS: dict[str, tuple[str, dict[str, Any], list, list[str], list]] = {
    "hh": (
        "auto",
        {"chosen": f"{HH} 5", "rejected": f"{HH} 6"},
        ["Hi", "Hello", "How old are you?"],
        ["5", "6"],
        [1, 2],
    ),
    "alpaca-preference": (
        "auto",
        {"instruction": "q", "input": "", "chosen": "c", "rejected": "r"},
        ["q"],
        ["c", "r"],
        [1, 2],
    ),
    "sharegpt-texts": (
        "auto",
        {"conversations": [{"from": "human", "value": "q"}], "chosen": "c", "rejected": "r"},
        ["q"],
        ["c", "r"],
        [1, 2],
    ),
    "sharegpt-objects": (
        "auto",
        {
            "conversations": [{"from": "human", "value": "q"}],
            "chosen": {"from": "gpt", "value": "c"},
            "rejected": {"from": "gpt", "value": "r"},
        },
        ["q"],
        ["c", "r"],
        [1, 2],
    ),
    "trl-texts": ("auto", {"prompt": "q", "chosen": " c", "rejected": " r"}, ["q"], ["c", "r"], [1, 2]),
    "trl-implicit": (
        "auto",
        {"chosen": "The sky is blue.", "rejected": "The sky is green."},
        ["The sky is"],
        ["blue.", "green."],
        [1, 2],
    ),
    "trl-messages": (
        "auto",
        {
            "prompt": [{"role": "user", "content": "q"}],
            "chosen": [{"role": "assistant", "content": "c"}],
            "rejected": [{"role": "assistant", "content": "r"}],
        },
        ["q"],
        ["c", "r"],
        [1, 2],
    ),
    "trl-implicit-messages": (
        "auto",
        {
            "chosen": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "c"}],
            "rejected": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "r"}],
        },
        ["q"],
        ["c", "r"],
        [1, 2],
    ),
    "openai-preference": (
        "auto",
        {
            "input": {"messages": [{"role": "user", "content": "q"}], "tools": []},
            "preferred_output": [{"role": "assistant", "content": "c"}],
            "non_preferred_output": [{"role": "assistant", "content": "r"}],
        },
        ["q"],
        ["c", "r"],
        [1, 2],
    ),
    "alpaca-eval-1": ("alpaca_eval", PAIR | {"preference": 1}, ["q"], ["one", "two"], [1, 2]),
    "alpaca-eval-2": ("alpaca_eval", PAIR | {"preference": 2.0}, ["q"], ["one", "two"], [2, 1]),
    "alpaca-eval-0": ("alpaca_eval", PAIR | {"preference": 0}, ["q"], ["one", "two"], [1, 1]),
    "alpaca-eval-1.99": ("alpaca_eval", PAIR | {"preference": 1.99}, ["q"], ["one", "two"], [2, 1]),
    **{
        f"auto-j-{label}": (
            "auto_j",
            {"scenario": "s", "label": label, "prompt": "q", "response 1": "one", "response 2": "two"},
            ["q"],
            ["one", "two"],
            ranks,
        )
        for label, ranks in ((0, [1, 2]), (1, [2, 1]), (2, [1, 1]))
    },
    **{
        f"llmbar-{label}": (
            "llmbar",
            {"input": "q", "output_1": "one", "output_2": "two", "label": label},
            ["q"],
            ["one", "two"],
            ranks,
        )
        for label, ranks in ((1, [1, 2]), (2, [2, 1]))
    },
}


@pytest.mark.parametrize(
    ("layout", "row", "context", "answers", "ranks"), JUDGEMENTS.values(), ids=JUDGEMENTS.keys()
)
def test_judgements(
    tmp_path: Path, layout: str, row: dict, context: list[str], answers: list[str], ranks: list[int]
) -> None:
    raw = read_rows_of(tmp_path, [row], layout=layout)
    (judgement,) = raw.judgements
    assert [message["content"] for message in judgement["messages"]] == context
    assert judgement["completions"] == answers
    assert judgement["ranks"] == ranks
    assert not raw.demonstrations


PROMPTS = {
    "csv-row": ({"act": "Linux", "prompt": "Be a shell.", "for_devs": "TRUE"}, ["Be a shell."]),
    "trl-prompt": ({"prompt": [{"role": "user", "content": "q"}]}, ["q"]),
    "text": ("why?", ["why?"]),
    "hh": ({"chosen": f"{HH} 5", "rejected": f"{HH} 6"}, ["Hi", "Hello", "How old are you?"]),
    "kto": (
        {
            "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}],
            "label": True,
        },
        ["q"],
    ),
    "open-dialogue": ({"conversations": [{"from": "human", "value": "q"}]}, ["q"]),
}


@pytest.mark.parametrize(("row", "expected"), PROMPTS.values(), ids=PROMPTS.keys())
def test_prompts(tmp_path: Path, row: Any, expected: list[str]) -> None:
    raw = read_rows_of(tmp_path, [row])
    (prompt,) = raw.prompts
    assert [message["content"] for message in prompt["messages"]] == expected
    assert not raw.demonstrations


def test_pandalm_gives_a_judgement_an_annotator(tmp_path: Path) -> None:
    row = {
        "instruction": "q",
        "input": "x",
        "response1": "one",
        "response2": "two",
        "cmp_key": "bloom-7b_llama-7b",
        "annotator1": 0,
        "annotator2": 1,
        "annotator3": 2,
    }
    raw = read_rows_of(tmp_path, [row], layout="pandalm")
    assert [(j["labeler_id"], j["ranks"], j["judge_kind"]) for j in raw.judgements] == [
        ("test:annotator1", [1, 1], "human"),
        ("test:annotator2", [1, 2], "human"),
        ("test:annotator3", [2, 1], "human"),
    ]
    assert raw.judgements[0]["completion_authors"] == ["bloom-7b", "llama-7b"]
    assert len({judgement["record_id"] for judgement in raw.judgements}) == 3


@pytest.mark.parametrize(
    ("chosen", "rejected", "reason", "prompts"),
    [
        (f"{HH} 5", "\n\nHuman: Hi\n\nAssistant: Hello", "context_mismatch", [["Hi"]]),
        (
            f"{HH} 5\n\nAssistant: I mean 6",
            f"{HH} 7",
            "context_mismatch",
            [["Hi", "Hello", "How old are you?"]],
        ),
        (f"{HH} 5\n\nHuman: Bye", f"{HH} 5", "ends_on_human", [["Hi", "Hello", "How old are you?"]]),
    ],
    ids=["context_mismatch", "two_replies", "ends_on_human"],
)
def test_hh_pairs_that_are_none(
    tmp_path: Path, chosen: str, rejected: str, reason: str, prompts: list[list[str]]
) -> None:
    raw = read_rows_of(tmp_path, [{"chosen": chosen, "rejected": rejected}])
    assert not raw.judgements
    assert [(d["dataset"], d["reason"]) for d in raw.decisions] == [("raw_judgements", reason)]
    assert [[message["content"] for message in prompt["messages"]] for prompt in raw.prompts] == prompts


def test_hh_branches_of_one_dialogue_have_one_root(tmp_path: Path) -> None:
    rows = [
        {"chosen": f"{HH} 5", "rejected": f"{HH} 6"},
        {"chosen": "\n\nHuman: Hi\n\nAssistant: x", "rejected": "\n\nHuman: Hi\n\nAssistant: y"},
        {"chosen": "\n\nHuman: Ho\n\nAssistant: x", "rejected": "\n\nHuman: Ho\n\nAssistant: y"},
    ]
    roots = [judgement["root_id"] for judgement in read_rows_of(tmp_path, rows).judgements]
    assert roots[0] == roots[1] != roots[2]


def test_kto_gives_its_good_answers_only_when_asked(tmp_path: Path) -> None:
    rows = [
        {"prompt": "q", "completion": "good", "label": True},
        {"prompt": "q", "completion": "bad", "label": False},
    ]
    dropped = read_rows_of(tmp_path / "a", rows) if (tmp_path / "a").mkdir() is None else None
    assert dropped is not None
    assert not dropped.demonstrations
    assert [d["reason"] for d in dropped.decisions] == ["unpaired", "unpaired"]
    (tmp_path / "b").mkdir()
    kept = read_rows_of(tmp_path / "b", rows, unpaired="demonstrations")
    assert [d["messages"][-1]["content"] for d in kept.demonstrations] == ["good"]
    assert [d["evidence"] for d in kept.decisions] == ["label: false"]


def test_every_reply_of_a_dialogue(tmp_path: Path) -> None:
    turns = [("human", "q"), ("gpt", "a"), ("human", "r"), ("gpt", "b")]
    row = {"id": "c7", "conversations": [{"from": role, "value": text} for role, text in turns]}
    raw = read_rows_of(tmp_path, [row], every_reply=True)
    assert [len(d["messages"]) for d in raw.demonstrations] == [2, 4]
    assert {d["root_id"] for d in raw.demonstrations} == {"test:c7"}


@pytest.mark.parametrize(
    ("every_reply", "kept", "left_out"),
    [(False, [], ["messages[4].weight: 0"]), (True, ["a"], ["messages[4].weight: 0"])],
    ids=["the last", "every"],
)
def test_a_reply_of_weight_0_is_context_alone(
    tmp_path: Path, every_reply: bool, kept: list[str], left_out: list[str]
) -> None:
    said_so = [("system", "s"), ("user", "q"), ("assistant", "a"), ("user", "r"), ("assistant", "b")]
    messages = [{"role": role, "content": text} for role, text in said_so]
    messages[4] |= {"weight": 0}
    raw = read_rows_of(tmp_path, [{"messages": messages}], every_reply=every_reply)
    assert [d["messages"][-1]["content"] for d in raw.demonstrations] == kept
    assert [(d["reason"], d["evidence"]) for d in raw.decisions] == [("not_trained_on", e) for e in left_out]


def test_fixed_ends_of_openai_rows_are_taken_off(tmp_path: Path) -> None:
    row = {"prompt": "q\n\n###\n\n", "completion": " a END"}
    raw = read_rows_of(tmp_path, [row], prompt_separator="\n\n###\n\n", completion_stop=" END")
    assert said(raw.demonstrations[0]["messages"]) == [("u", "q"), ("a", "a")]


def test_alpaca_eval_annotations_that_failed_are_unjudged(tmp_path: Path) -> None:
    raw = read_rows_of(tmp_path, [PAIR | {"preference": None}], layout="alpaca_eval")
    assert [d["reason"] for d in raw.decisions] == ["unjudged"]
    assert not raw.dead
