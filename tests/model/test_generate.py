"""Files of prompts, and the same tokens from stock transformers: in process and behind its server."""

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LogitsProcessorList

from model.command import run_command
from model.generate import GenerateConfig, SamplingConfig, answer_file, generate
from model.inference import encode_text, open_model
from model.sampling import FrequencyPresencePenalty
from model.tokenizer import encode_dialogue, end_ids
from tests.model.checkpoints import make_checkpoint

GREEDY = SamplingConfig(temperature=0, max_new_tokens=24)
TEXTS = ["once", "the quick brown fox jumps over the lazy dog", "Ein Wort", "x" * 60]
TALK = [{"role": "user", "content": "hello there"}]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chat checkpoint with alternating layers, band 8, context 96."""
    return make_checkpoint(tmp_path_factory.mktemp("chat"))


def config_for(checkpoint: Path, folder: Path, rows: list[dict[str, Any]], **changes: Any) -> GenerateConfig:
    prompts = folder / "prompts.jsonl"
    prompts.write_text("".join(json.dumps(row) + "\n" for row in rows))
    sampling = SamplingConfig(max_new_tokens=12, seed=3)
    made = GenerateConfig(model=str(checkpoint), prompts=str(prompts), sampling=sampling)
    return replace(made, **changes)


def answers(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "generations.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("band", [8, None], ids=["alternating", "dense"])
@pytest.mark.parametrize("penalty", [0.0, 0.6], ids=["plain", "penalised"])
def test_greedy_tokens_are_those_of_stock_transformers(
    band: int | None, penalty: float, tmp_path: Path
) -> None:
    folder = make_checkpoint(tmp_path, band=band)
    model, tokenizer = open_model(folder, "cpu", "float32")
    stock = AutoModelForCausalLM.from_pretrained(folder)
    their_tokenizer = AutoTokenizer.from_pretrained(folder)
    ours = generate(
        model,
        [encode_text(tokenizer, text) for text in TEXTS],
        replace(GREEDY, frequency_penalty=penalty, presence_penalty=penalty),
        end_ids(tokenizer),
    )
    batch = their_tokenizer(TEXTS, return_tensors="pt", padding=True)
    n_prompt = batch["input_ids"].shape[1]
    processors = LogitsProcessorList([FrequencyPresencePenalty(penalty, penalty, n_prompt)])
    made = stock.generate(**batch, max_new_tokens=24, do_sample=False, logits_processor=processors)
    theirs = [row[row != their_tokenizer.pad_token_id].tolist() for row in made[:, n_prompt:]]
    assert [ids.tolist() for ids in ours.ids] == theirs


def test_every_form_of_prompt_gives_the_same_answer(checkpoint: Path, tmp_path: Path) -> None:
    tables = {"plain.txt": None, "lines.jsonl": None, "rows.parquet": None}
    (tmp_path / "plain.txt").write_text("once\nEin Wort\n")
    (tmp_path / "lines.jsonl").write_text('{"prompt": "once"}\n{"prompt": "Ein Wort"}\n')
    pq.write_table(pa.table({"prompt": ["once", "Ein Wort"]}), tmp_path / "rows.parquet")
    made = []
    for name in tables:
        out = tmp_path / f"out-{name}"
        answer_file(replace(config_for(checkpoint, tmp_path, []), prompts=str(tmp_path / name)), out)
        made.append(answers(out))
    assert made[0] == made[1] == made[2]
    assert [row["prompt"] for row in made[0]] == ["once", "Ein Wort"]


def test_turns_are_read_as_the_chat_format_and_typed_marks_as_text(checkpoint: Path, tmp_path: Path) -> None:
    rows = [
        {"messages": [{"role": "user", "content": "stop <|end|>"}]},
        {"prompt": [{"role": "user", "content": "stop <|end|>"}]},
        {"prompt": "stop <|end|>"},
        {"prompt": ""},
    ]
    answer_file(config_for(checkpoint, tmp_path, rows), tmp_path / "out")
    made = answers(tmp_path / "out")
    assert [row["n_prompt_tokens"] for row in made] == [15, 15, 12, 1]
    assert made[0]["prompt"] == "<|user|>stop <|end|><|end|><|assistant|>"


def test_a_cut_off_run_ends_as_a_whole_one(checkpoint: Path, tmp_path: Path) -> None:
    rows = [{"prompt": text} for text in ["a", "b", "a", "c d"]]
    config = config_for(checkpoint, tmp_path, rows, samples=2, rows_per_part=3)
    answer_file(config, tmp_path / "whole")
    answer_file(config, tmp_path / "cut")
    (tmp_path / "cut/parts/000000003.parquet").unlink()
    (tmp_path / "cut/generations.jsonl").unlink()
    kept = (tmp_path / "cut/parts/000000000.parquet").stat().st_mtime_ns
    summary = answer_file(config, tmp_path / "cut")
    assert answers(tmp_path / "cut") == answers(tmp_path / "whole")
    assert (tmp_path / "cut/parts/000000000.parquet").stat().st_mtime_ns == kept
    assert (summary["prompts"], summary["answers"]) == (4, 8)
    # Part sizes are no part of the result, though copies of a prompt stand in different parts.
    answer_file(replace(config, rows_per_part=100), tmp_path / "at-once")
    texts = [[row["completion"] for row in answers(tmp_path / name)] for name in ("at-once", "whole")]
    assert texts[0] == texts[1]
    assert len({row["completion"] for row in answers(tmp_path / "whole") if row["prompt"] == "a"}) == 4


def test_a_folder_of_another_run_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    config = config_for(checkpoint, tmp_path, [{"prompt": "a"}])
    answer_file(config, tmp_path / "out")
    with pytest.raises(ValueError, match=r"another run, config\.sampling differ"):
        answer_file(replace(config, sampling=replace(config.sampling, seed=4)), tmp_path / "out")
    # What the advice on full memory asks for is no other run.
    answer_file(replace(config, sampling=replace(config.sampling, max_rows=1)), tmp_path / "out")
    with pytest.raises(ValueError, match=r"another run, inputs\..*prompts\.jsonl differ"):
        answer_file(config_for(checkpoint, tmp_path, [{"prompt": "b"}]), tmp_path / "out")


@pytest.mark.parametrize(
    ("rows", "changes", "message"),
    [
        pytest.param([{"text": "a"}], {}, r"row 0: expected `prompt` .* the row has text", id="other_field"),
        pytest.param([{"prompt": []}], {}, r"row 0: expected `prompt`", id="no_turns"),
        pytest.param(
            [{"prompt": "a"}, {"messages": [{"role": "user"}]}],
            {},
            r"jsonl: row 1: .*`content`",
            id="no_content",
        ),
        pytest.param(
            [{"messages": [{"role": "judge", "content": "a"}]}],
            {},
            r"jsonl: row 0: .*'judge'",
            id="no_such_role",
        ),
        pytest.param([], {}, r"^prompts: .* holds none", id="empty_file"),
        pytest.param(
            [{"prompt": "a"}, {"prompt": "b" * 90}],
            {"sampling": SamplingConfig(max_new_tokens=12, on_long_prompt="refuse")},
            "prompt 1: its 90 tokens",
            id="too_long_names_the_row_of_the_file",
        ),
    ],
)
def test_faults_are_named_before_anything_is_written(
    rows: list[dict[str, Any]], changes: dict[str, Any], message: str, checkpoint: Path, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        answer_file(config_for(checkpoint, tmp_path, rows, **changes), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_prompts_may_be_a_dataset_of_which_the_pointer_names_a_version(
    checkpoint: Path, tmp_path: Path
) -> None:
    for version, text in (("v-old", "a"), ("v-new", "b")):
        (tmp_path / "prompts" / version).mkdir(parents=True)
        rows = pa.table({"prompt": [[{"role": "user", "content": text}]]})
        pq.write_table(rows, tmp_path / "prompts" / version / "train-00000.parquet")
    (tmp_path / "prompts" / "CURRENT.json").write_text(json.dumps({"version": "v-new"}))
    answer_file(config_for(checkpoint, tmp_path, [], prompts=str(tmp_path / "prompts")), tmp_path / "out")
    assert [row["prompt"] for row in answers(tmp_path / "out")] == ["<|user|>b<|end|><|assistant|>"]


def test_stop_strings_cut_the_text_and_trimmed_prompts_are_told(checkpoint: Path, tmp_path: Path) -> None:
    free = config_for(checkpoint, tmp_path, [{"prompt": "b" * 90}])
    summary = answer_file(free, tmp_path / "free")
    (row,) = answers(tmp_path / "free")
    assert (row["trimmed"], row["n_prompt_tokens"], summary["trimmed_prompts"]) == (True, 84, 1)
    stop = next(letter for letter in row["completion"][2:] if letter.isascii())
    answer_file(replace(free, sampling=replace(free.sampling, stop=(stop,))), tmp_path / "stopped")
    (stopped,) = answers(tmp_path / "stopped")
    assert stopped["completion"] == row["completion"].partition(stop)[0]
    assert stopped["finish_reason"] == "stop"


def test_the_command_writes_parquet_and_a_summary(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "prompts.txt").write_text("one\ntwo\n")
    settings = {
        "model": str(checkpoint),
        "prompts": str(tmp_path / "prompts.txt"),
        "output": "parquet",
        "sampling": {"max_new_tokens": 4},
    }
    (tmp_path / "config.json").write_text(json.dumps(settings))
    arguments = [str(tmp_path / "config.json"), "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", ["model.generate", *arguments])
    run_command(GenerateConfig, answer_file, None)
    assert pq.read_table(tmp_path / "out/generations.parquet")["row"].to_pylist() == [0, 1]
    assert json.loads((tmp_path / "out/summary.json").read_text())["answers"] == 2


@contextmanager
def served(checkpoint: Path, cache: Path) -> Iterator[str]:
    """`transformers serve` on a free port of this machine; gives its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (cache / "hub").mkdir(parents=True)
    code = "from transformers.cli.transformers import main; main()"
    arguments = ["serve", str(checkpoint), "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    environment = {"HF_HOME": str(cache), "HF_HUB_OFFLINE": "1", "PATH": "/usr/bin:/bin", "HOME": str(cache)}
    with (cache / "log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-c", code, *arguments], stdout=log, stderr=log, env=environment
        )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            if server.poll() is not None:
                raise AssertionError((cache / "log").read_text()[-3000:])
            try:
                urllib.request.urlopen(f"{address}/health", timeout=5)
                break
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.5)
        yield address
    finally:
        server.terminate()
        server.wait(timeout=30)


@pytest.mark.slow
@pytest.mark.external
@pytest.mark.skipif(
    find_spec("fastapi") is None or find_spec("openai") is None,
    reason="needs transformers[serving]: make test-peers",
)
def test_greedy_answers_are_those_of_transformers_serve(checkpoint: Path, tmp_path: Path) -> None:
    model, tokenizer = open_model(checkpoint, "cpu", "float32")
    prompt = encode_dialogue(tokenizer, TALK, add_assistant=True)
    ours = generate(model, [prompt], GREEDY, end_ids(tokenizer)).ids[0].tolist()
    body = {"model": str(checkpoint), "messages": TALK, "temperature": 0, "max_tokens": 24, "stream": False}
    body["generation_config"] = json.dumps({"do_sample": False, "max_new_tokens": 24})
    with served(checkpoint, tmp_path) as address:
        asked = urllib.request.Request(
            f"{address}/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        answered = json.loads(urllib.request.urlopen(asked, timeout=120).read())
    text = answered["choices"][0]["message"]["content"]
    assert text == tokenizer.decode(ours, skip_special_tokens=True)


def test_the_random_checkpoint_has_something_to_say(checkpoint: Path) -> None:
    """Parity of empty answers, or of one token over and over, would prove nothing."""
    model, tokenizer = open_model(checkpoint, "cpu", "float32")
    prompt = encode_dialogue(tokenizer, TALK, add_assistant=True)
    ids = generate(model, [prompt], GREEDY, end_ids(tokenizer)).ids[0]
    assert len(ids) == 24
    assert len(torch.unique(ids)) > 4
