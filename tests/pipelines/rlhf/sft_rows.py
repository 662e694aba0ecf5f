"""Rows of `sft`, `comparisons` and `prompts`, in a line each."""

from typing import Any

import pyarrow as pa

from pipelines.rlhf.records import completion_id, prompt_id, record_id
from pipelines.rlhf.schemas import COMPARISONS, PROMPTS, SFT
from tests.pipelines.rlhf.rule_tables import turns


def _answered(source: str, row: Any, facts: dict[str, Any]) -> dict[str, Any]:
    origin = f"{source}.jsonl#{row}"
    empty = dict.fromkeys(("user_id", "user_id_kind", "use_case", "language", "licence"))
    kind = {"user_id_kind": "given"} if "user_id" in facts else {}
    own = {"record_id": record_id(source, origin), "source": source, "origin": origin, "split": "train"}
    return own | {"split_group": f"g{row}"} | empty | kind | facts


def sft_row(row: Any, *contents: str, source: str = "demos", **facts: Any) -> dict[str, Any]:
    messages = turns(*contents)
    return {
        "prompt_id": prompt_id(messages[:-1]),
        "prompt": messages[:-1],
        "completion": messages[-1:],
        "messages": messages,
        "kind": "demonstration",
        "form": "plain" if len(contents) == 2 else "dialogue",
        "made_from": [],
        "n_prompt_tokens": sum(len(text.split()) for text in contents[:-1]),
        "n_completion_tokens": len(contents[-1].split()),
    } | _answered(source, row, facts)


def prompt_row(row: Any, *contents: str, source: str = "lists", **facts: Any) -> dict[str, Any]:
    messages = turns(*contents)
    tokens = sum(len(text.split()) for text in contents)
    asked = {"prompt_id": prompt_id(messages), "prompt": messages, "messages": messages, "n_tokens": tokens}
    return asked | _answered(source, row, facts)


def comparison_row(
    row: Any,
    asked: str,
    completions: list[str],
    ranks: list[int | None],
    source: str = "judged",
    **facts: Any,
) -> dict[str, Any]:
    messages = turns(asked)
    judge = {"labeler_id": "ann", "judge_kind": "human", "criteria": None, "weight": 1.0}
    judge |= {name: facts.pop(name) for name in tuple(facts) if name in judge}
    answered = _answered(source, row, facts)
    return (
        answered
        | judge
        | {
            "judgement_id": answered.pop("record_id"),
            "prompt_id": prompt_id(messages),
            "prompt": messages,
            "completions": completions,
            "completion_ids": [completion_id(prompt_id(messages), text) for text in completions],
            "completion_authors": [None] * len(completions),
            "ranks": ranks,
            "partial": None in ranks,
            "n_prompt_tokens": len(asked.split()),
            "n_completion_tokens": [len(text.split()) for text in completions],
        }
    )


def sft_table(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=SFT.schema)


def prompt_table(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=PROMPTS.schema)


def comparison_table(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=COMPARISONS.schema)
