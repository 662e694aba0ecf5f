"""OpenAI's forms: what is written is read back as the same dialogue."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from pipelines.rlhf.export_openai import (
    PromptCompletionConfig,
    chat_rows,
    prompt_completion_rows,
    write_jsonl,
)
from pipelines.rlhf.schemas import MESSAGES
from pipelines.rlhf.source_config import RlhfSourceConfig
from tests.pipelines.rlhf.instruction_files import read_files, said

PLAIN = [("user", "你好"), ("assistant", "q")]
SEVERAL = [("system", "s"), ("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")]
CALL = '{"name": "f", "arguments": {"x": "é"}}'
CALLS = '[{"name": "f", "arguments": {}}, {"name": "g", "arguments": {"y": 2}}]'
TOOLS = [("user", "q"), ("assistant", CALL), ("tool", "7"), ("assistant", "seven")]
TWO_TOOLS = [("user", "q"), ("assistant", CALLS), ("tool", "7"), ("tool", "8"), ("assistant", "15")]


def sft(*dialogues: list[tuple[str, str]]) -> pa.Table:
    rows = [[{"role": role, "content": text} for role, text in turns] for turns in dialogues]
    ids = pa.array([f"r{n}" for n in range(len(rows))])
    return pa.table({"record_id": ids, "messages": pa.array(rows, MESSAGES)})


@pytest.mark.parametrize(
    "turns", [PLAIN, SEVERAL, TOOLS, TWO_TOOLS], ids=["plain", "several", "tools", "two-tools"]
)
def test_chat_rows_are_read_back(tmp_path: Path, turns: list[tuple[str, str]]) -> None:
    path = str(tmp_path / "chat.jsonl")
    assert write_jsonl(chat_rows(sft(turns)), path) == 1
    raw = read_files(tmp_path / "out", RlhfSourceConfig(name="s", files=[path]))
    assert said(raw.demonstrations[0]["messages"]) == [(role[0], text) for role, text in turns]


def test_tool_calls_have_the_ids_of_their_answers() -> None:
    (row,) = chat_rows(sft(TWO_TOOLS))
    calls = row["messages"][1]["tool_calls"]
    assert [call["id"] for call in calls] == [message["tool_call_id"] for message in row["messages"][2:4]]
    assert json.loads(calls[1]["function"]["arguments"]) == {"y": 2}


def test_prompt_and_completion_are_read_back(tmp_path: Path) -> None:
    config = PromptCompletionConfig()
    path = str(tmp_path / "pc.jsonl")
    write_jsonl(prompt_completion_rows(sft(PLAIN), config), path)
    assert json.loads(Path(path).read_text()) == {"prompt": "你好\n\n###\n\n", "completion": " q END"}
    source = RlhfSourceConfig(
        name="s", files=[path], prompt_separator=config.separator, completion_stop=config.stop
    )
    raw = read_files(tmp_path / "out", source)
    assert said(raw.demonstrations[0]["messages"]) == [("u", "你好"), ("a", "q")]


def test_a_dialogue_names_its_speakers() -> None:
    (row,) = prompt_completion_rows(sft(SEVERAL), PromptCompletionConfig(separator=" ->"))
    assert row["prompt"] == "s\n\nUser: a\n\nAssistant: b\n\nUser: c\n\nAssistant: ->"


@pytest.mark.parametrize(
    ("turns", "key"),
    [
        ([("user", "a\n\n###\n\nb"), ("assistant", "c")], "separator"),
        ([("user", "a"), ("assistant", "THE END")], "stop"),
    ],
    ids=["separator", "stop"],
)
def test_a_text_with_an_end_mark_is_refused(turns: list[tuple[str, str]], key: str) -> None:
    with pytest.raises(ValueError, match=f"record r1: its text holds the {key}"):
        list(prompt_completion_rows(sft(PLAIN, turns), PromptCompletionConfig()))
