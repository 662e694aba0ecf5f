"""Fine-tuning as its users run it; the slow test kills it."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from model.config_files import load_config
from model.data import DataError
from model.export import load_hf
from model.metrics import read_metrics
from model.sft import train
from model.sft_config import SFTConfig
from model.tokenizer import encode_dialogue, load_tokenizer
from tests.model.checkpoints import in_two_processes
from tests.model.dialogues import base_checkpoint, demonstration_table, write_demonstrations
from tests.model.packed import write_packed

ROOT = Path(__file__).parents[2]
EXACT = ("step", "tokens", "epoch", "loss", "rate", "gradient_norm", "validation/loss")


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A pretrained model and a chat tokenizer."""
    return base_checkpoint(tmp_path_factory.mktemp("start"))


@pytest.fixture
def settings(start: tuple[str, str], tmp_path: Path) -> dict[str, Any]:
    """Three epochs of three steps (10, 10 and 4 rows)."""
    model, tokenizer = start
    return {
        "model": model,
        "tokenizer": tokenizer,
        "data": write_demonstrations(tmp_path / "sft"),
        "epochs": 3,
        "batch": {"rows": 10, "micro_tokens": 48},
        "rate": {"peak": 0.01},
        "run": {"device": "cpu", "checkpoint_every": 2},
    }


def sft(settings: dict[str, Any], out: Path, **changes: Any) -> dict[str, Any]:
    return train(load_config(SFTConfig, settings | changes), out)


def curve(out: Path) -> list[list[Any]]:
    return [[line.get(key) for key in EXACT] for line in read_metrics(out / "metrics.jsonl")]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def test_a_run_learns_and_leaves_a_model_an_epoch(settings: dict[str, Any], tmp_path: Path) -> None:
    out = tmp_path / "out"
    summary = sft(settings, out)
    assert (summary["steps"], summary["train_rows"], summary["validation_rows"]) == (9, 24, 6)
    losses = [line["validation/loss"] for line in summary["epochs"]]
    assert losses[-1] < losses[0] < 8
    assert summary["lowest_validation_loss"] == min(losses)
    assert json.loads((out / "summary.json").read_text())["epochs"] == summary["epochs"]
    assert {path.name for path in out.iterdir()} == {
        "metrics.jsonl", "epochs.jsonl", "checkpoints", "epoch-01", "epoch-02", "epoch-03", "final", "summary.json"
    }  # fmt: skip
    rates = [line["rate"] for line in read_metrics(out / "metrics.jsonl")]
    assert rates[-1] == pytest.approx(0.001)
    assert rates == sorted(rates, reverse=True) and rates[0] < 0.01
    first, last, final = (weights(out / name) for name in ("epoch-01", "epoch-03", "final"))
    assert all(torch.equal(last[name], final[name]) for name in final)
    assert not torch.equal(first["transformer.ln_f.weight"], final["transformer.ln_f.weight"])


def test_validation_is_the_mean_over_answers_without_dropout(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    summary = sft(settings, tmp_path / "out", epochs=1)
    model, tokenizer = load_hf(tmp_path / "out" / "epoch-01"), load_tokenizer(settings["tokenizer"])
    nats = []
    for row in pq.read_table(Path(settings["data"]) / "validation-00000.parquet").to_pylist():
        ids = encode_dialogue(tokenizer, [*row["prompt"], *row["completion"]])
        first = len(encode_dialogue(tokenizer, row["prompt"], add_assistant=True))
        with torch.no_grad():
            logprobs = model.logits(model(torch.tensor([ids])))[0].log_softmax(-1)
        nats += [-logprobs[place - 1, ids[place]] for place in range(first, len(ids))]
    assert summary["validation/loss"] == pytest.approx(torch.stack(nats).mean().item(), rel=1e-5)


def test_stock_transformers_load_it_with_the_tokens_of_the_chat(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    sft(settings, tmp_path / "out", epochs=1)
    stock = AutoModelForCausalLM.from_pretrained(tmp_path / "out" / "epoch-01")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out" / "epoch-01")
    # The base model had 258 tokens, the chat has four more.
    assert stock.config.vocab_size == len(tokenizer) == 262
    assert stock.generation_config.eos_token_id == tokenizer.convert_tokens_to_ids(
        ["<|endoftext|>", "<|end|>"]
    )
    chat = tokenizer.apply_chat_template(
        [{"role": "user", "content": "b"}], add_generation_prompt=True, return_tensors="pt"
    )["input_ids"]
    ours = load_hf(tmp_path / "out" / "epoch-01")
    with torch.no_grad():
        torch.testing.assert_close(stock(chat).logits, ours.logits(ours(chat)), rtol=1e-4, atol=1e-5)


def test_the_end_of_an_answer_is_learnt(settings: dict[str, Any], tmp_path: Path) -> None:
    sft(settings, tmp_path / "out", epochs=6, keep_epochs=False)
    model = load_hf(tmp_path / "out" / "final")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out" / "final")
    # An answer of five letters: the model has never seen a longer one.
    ids = tokenizer.encode("<|user|>e<|end|><|assistant|>eeeee")
    with torch.no_grad():
        chance = model.logits(model(torch.tensor([ids])))[0, -1].softmax(-1)
    end, pad = tokenizer.convert_tokens_to_ids(["<|end|>", "<|pad|>"])
    assert chance[end] > 5 / len(tokenizer)
    assert chance[pad] < 1 / len(tokenizer)


@pytest.mark.slow
def test_micro_batches_do_not_change_a_run(settings: dict[str, Any], tmp_path: Path) -> None:
    losses = []
    for budget in (20, 1000):
        sft(
            settings,
            tmp_path / str(budget),
            batch={"rows": 10, "micro_tokens": budget},
            resid_dropout=0.0,
            adam={"epsilon": 1e-3},  # the default blows rounding near 0 up to whole steps
            epochs=2,
        )
        losses.append(torch.tensor([line[3] for line in curve(tmp_path / str(budget))]))
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-5, atol=0.0)


def test_pretraining_sequences_keep_their_loss_down(settings: dict[str, Any], tmp_path: Path) -> None:
    texts = write_packed(tmp_path / "texts", {"train-00000": range(40)}, length=49)
    mixed = {"folder": str(texts), "share": 0.25}
    summary = sft(settings, tmp_path / "mixed", pretraining=mixed, keep_epochs=False)
    assert summary["pretraining_rows_an_epoch"] == 8
    assert summary["steps"] == 3 * 4  # 32 rows by 10
    assert not (tmp_path / "mixed" / "epoch-01").exists()
    sft(settings, tmp_path / "plain", keep_epochs=False)
    ids = torch.arange(40)[None] % 97
    nats = {}
    for name in ("mixed", "plain"):
        model = load_hf(tmp_path / name / "final")
        with torch.no_grad():
            logits = model.logits(model(ids[:, :-1]))
        nats[name] = torch.nn.functional.cross_entropy(logits[0], ids[0, 1:]).item()
    assert nats["mixed"] < nats["plain"] - 0.3


def test_a_run_in_pieces_equals_a_run_in_one(settings: dict[str, Any], tmp_path: Path) -> None:
    settings["run"]["keep_checkpoints"] = 9
    sft(settings, tmp_path / "whole")
    out = tmp_path / "out"
    shutil.copytree(tmp_path / "whole", out)
    # As a kill in the last epoch leaves it: a later epoch's model stands, its checkpoint does not.
    for step in (6, 8, 9):
        shutil.rmtree(out / "checkpoints" / f"step-{step:08d}")
    (out / "epoch-02" / "model.safetensors").write_bytes(b"cut")
    (out / "summary.json").unlink()
    assert sft(settings, out)["resumed_at"] == 4
    assert curve(out) == curve(tmp_path / "whole")
    assert read_metrics(out / "epochs.jsonl") == read_metrics(tmp_path / "whole" / "epochs.jsonl")
    for name in ("epoch-02", "final"):
        ours, theirs = weights(out / name), weights(tmp_path / "whole" / name)
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


def test_a_finished_run_is_not_run_again(settings: dict[str, Any], tmp_path: Path) -> None:
    first = sft(settings, tmp_path / "out", epochs=1)
    again = sft(settings, tmp_path / "out", epochs=1)
    assert (again["steps"], again["resumed_at"]) == (3, 3)
    assert again["epochs"] == first["epochs"]
    with pytest.raises(ValueError, match="epochs was 1, is 2"):
        sft(settings, tmp_path / "out", epochs=2)  # its rates would have been others


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"batch": {"rows": 0}}, "in batch: rows must be at least 1"),
        ({"batch": {"micro_tokens": 0}}, "in batch: micro_tokens must be at least 1"),
        ({"rate": {"peak": 0.0}}, "in rate: peak must be above 0"),
        ({"rate": {"peak": 1.0, "final_fraction": 2.0}}, "final_fraction must lie in"),
        ({"rate": {"peak": 1.0, "warmup_steps": -1}}, "warmup_steps must be at least 0"),
        ({"resid_dropout": 1.0}, "resid_dropout must lie in"),
        ({"prompt_loss": -1.0}, "prompt_loss must be at least 0"),
        ({"pretraining": {"folder": "x", "share": 1.0}}, r"share must lie in \(0, 1\)"),
        ({"loss_on": "all"}, "loss_on must be one of 'completion', 'assistant'"),
        ({"data": "/nowhere"}, "/nowhere: no such folder"),
        ({"tokenizer": "/nowhere"}, "/nowhere: no such folder"),
        ({"model": "/nowhere"}, "/nowhere: no config.json"),
    ],
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, dict) else "",
)
def test_bad_settings_are_told_before_anything_starts(
    settings: dict[str, Any], tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        sft(settings, tmp_path / "out", **changes)
    assert not (tmp_path / "out").exists()


def test_rows_beyond_the_context_are_counted(settings: dict[str, Any], tmp_path: Path) -> None:

    folder = tmp_path / "long"
    folder.mkdir()
    short = [("a", "a")] * 5
    pq.write_table(demonstration_table([*short, ("q" * 60, "a"), ("q", "a" * 60)]), folder / "train.parquet")
    pq.write_table(demonstration_table(short), folder / "validation.parquet")
    counts = {}
    for on_long in ("drop", "trim"):
        summary = sft(settings, tmp_path / on_long, data=str(folder), on_long=on_long, epochs=1)
        counts[on_long] = [summary[f"train_rows{kind}"] for kind in ("", "_trimmed", "_dropped")]
    assert counts == {"drop": [5, 0, 2], "trim": [6, 1, 1]}
    pq.write_table(demonstration_table([("q" * 60, "a")]), folder / "train.parquet")
    with pytest.raises(ValueError, match="all 1 rows of split 'train' are longer than the context of 48"):
        sft(settings, tmp_path / "none", data=str(folder))
    pq.write_table(demonstration_table([("q", "a" * 60)]), folder / "train.parquet")
    with pytest.raises(ValueError, match=r"all 1 answers of split 'train' .* no answer is cut"):
        sft(settings, tmp_path / "none", data=str(folder), on_long="trim")


def test_other_rows_are_not_resumed(settings: dict[str, Any], tmp_path: Path) -> None:
    sft(settings, tmp_path / "out", epochs=1)
    data = Path(settings["data"]) / "train-00000.parquet"
    data.unlink()
    with pytest.raises(DataError, match="no rows of split 'train'"):
        sft(settings, tmp_path / "out", epochs=1)
    write_demonstrations(tmp_path / "other", train=25)
    (tmp_path / "other" / "train-00000.parquet").rename(data)
    with pytest.raises(ValueError, match="the rows of the checkpoint were others"):
        sft(settings, tmp_path / "out", epochs=1)


@pytest.mark.slow
def test_a_killed_run_ends_as_if_it_had_not_been(settings: dict[str, Any], tmp_path: Path) -> None:
    settings |= {"epochs": 12}
    sft(settings, tmp_path / "whole")
    config = tmp_path / "config.json"
    config.write_text(json.dumps(settings))
    out = tmp_path / "killed"
    command = [sys.executable, "-m", "model.sft", str(config), "--out", str(out)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    draw = random.Random(int(time.time()))
    for steps in (draw.randint(1, 8), draw.randint(9, 20)):
        process = subprocess.Popen(command, cwd=ROOT, env=environment)
        end = time.monotonic() + 120
        while len(read_metrics(out / "metrics.jsonl")) < steps and time.monotonic() < end:
            time.sleep(0.002)
        time.sleep(draw.random() * 0.05)
        process.kill()
        assert process.wait() == -signal.SIGKILL
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert "resumed at step" in done.stderr
    assert curve(out) == curve(tmp_path / "whole")
    for name in ("final", *(f"epoch-{epoch:02d}" for epoch in range(1, 13))):
        ours, theirs = weights(out / name), weights(tmp_path / "whole" / name)
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs), name


@pytest.mark.slow
def test_two_processes_equal_one(settings: dict[str, Any], tmp_path: Path) -> None:
    settings |= {"resid_dropout": 0.0, "adam": {"epsilon": 1e-3}}
    one = sft(settings, tmp_path / "one")
    two = in_two_processes("model.sft", settings, tmp_path)
    for mine, theirs in zip(one["epochs"], two["epochs"], strict=True):
        assert theirs["validation/loss"] == pytest.approx(mine["validation/loss"], rel=1e-4)
    for name in ("epoch-02", "final"):
        ours, theirs = weights(tmp_path / "one" / name), weights(tmp_path / "two" / name)
        for key, tensor in ours.items():
            torch.testing.assert_close(theirs[key], tensor, rtol=1e-3, atol=1e-5, msg=key)
