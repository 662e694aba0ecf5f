"""Raw tables of a few records, in a line each, and a small chat tokenizer."""

from functools import cache
from typing import Any

import pyarrow as pa
from tokenizers import Tokenizer

from pipelines.mixing.tokenizer import TokenizerConfig, train
from pipelines.rlhf.chat_tokenizer import ChatTokenizer, with_roles
from pipelines.rlhf.normalise import records
from pipelines.rlhf.records import record_id
from pipelines.rlhf.schemas import MESSAGES, RAW_DEMONSTRATIONS, RAW_JUDGEMENTS, RAW_PROMPTS


def turns(*contents: str, system: str | None = None) -> list[dict[str, str]]:
    """User, assistant, user ... with an optional system turn in front."""
    front = [] if system is None else [{"role": "system", "content": system}]
    roles = ("user", "assistant")
    return front + [{"role": roles[i % 2], "content": text} for i, text in enumerate(contents)]


def messages(*dialogues: list[dict[str, str]]) -> pa.Array:
    return pa.array(list(dialogues), MESSAGES)


def _row(source: str, row: Any, facts: dict[str, Any]) -> dict[str, Any]:
    origin = f"{source}.jsonl#{row}"
    empty = dict.fromkeys(("licence", "user_id", "user_id_kind", "root_id", "use_case", "language"))
    kind = {"user_id_kind": "given"} if "user_id" in facts else {}
    return {"record_id": record_id(source, origin), "source": source, "origin": origin} | empty | kind | facts


def demonstration(row: Any, *contents: str, source: str = "demos", **facts: Any) -> dict[str, Any]:
    return _row(source, row, facts) | {"messages": turns(*contents), "kind": "demonstration"}


def prompt(row: Any, *contents: str, source: str = "lists", **facts: Any) -> dict[str, Any]:
    return _row(source, row, facts) | {"messages": turns(*contents)}


def judgement(
    row: Any,
    asked: str,
    completions: list[str],
    ranks: list[int | None],
    labeler: str | None = "ann",
    judge_kind: str = "human",
    source: str = "judged",
    **facts: Any,
) -> dict[str, Any]:
    criteria = facts.pop("criteria", None)
    return _row(source, row, facts) | {
        "messages": turns(asked),
        "completions": completions,
        "completion_authors": [None] * len(completions),
        "ranks": ranks,
        "labeler_id": labeler,
        "judge_kind": judge_kind,
        "criteria": criteria,
        "partial": None in ranks,
    }


def demonstrations(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=RAW_DEMONSTRATIONS.schema)


def judgements(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=RAW_JUDGEMENTS.schema)


def prompts(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=RAW_PROMPTS.schema)


def prompt_records(*rows: dict[str, Any]) -> pa.Table:
    """RECORDS of raw prompts alone."""
    return records(demonstrations(), judgements(), prompts(*rows))


@cache
def base_tokenizer() -> Tokenizer:
    sample = pa.table(
        {"doc_id": ["a"], "text": ["the cat sat on the mat and <|end|> the dog did not 中文 也 有 "]}
    )
    return train(sample, TokenizerConfig(vocab_size=300, min_frequency=1))


@cache
def chat_tokenizer() -> ChatTokenizer:
    return ChatTokenizer(with_roles(base_tokenizer()))
