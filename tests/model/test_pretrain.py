"""Pretraining runs as its users run it; the slow ones are killed, stopped and spread over processes."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from model.config_files import load_config
from model.data import DataError
from model.export import load_hf
from model.metrics import read_metrics
from model.pretrain import train
from model.pretrain_config import PretrainConfig, plan_step
from tests.model.checkpoints import byte_tokenizer
from tests.model.packed import LENGTH, numbered, small_config, small_dataset, write_config, write_packed

ROOT = Path(__file__).parents[2]
EXACT = ("step", "tokens", "loss", "rate", "gradient_norm", "validation/loss", "validation/loss/a")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return small_dataset(tmp_path / "data")


def pretrain(config: dict[str, Any], out: Path) -> dict[str, Any]:
    return train(load_config(PretrainConfig, config), out)


def curve(out: Path) -> list[list[Any]]:
    return [[line.get(key) for key in EXACT] for line in read_metrics(out / "metrics.jsonl")]


def test_a_run_learns_and_stock_transformers_load_it(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    summary = pretrain(small_config(data, tokens=60 * 128, model__resid_dropout=0.0), out)
    assert (summary["steps"], summary["tokens"]) == (60, 60 * 128)
    assert read_metrics(out / "metrics.jsonl")[0]["loss"] > 4.4
    assert summary["loss"] < 3.5
    assert summary["validation/loss"] < 4.0
    assert {path.name for path in out.iterdir()} == {
        "metrics.jsonl", "samples.jsonl", "checkpoints", "final", "summary.json"
    }  # fmt: skip
    ids = torch.tensor(numbered(range(2)))[:, :-1]
    stock = AutoModelForCausalLM.from_pretrained(out / "final")
    ours = load_hf(out / "final")
    with torch.no_grad():
        torch.testing.assert_close(stock(ids).logits, ours.logits(ours(ids)), rtol=1e-4, atol=1e-5)


def test_samples_and_bits_per_byte_with_a_tokenizer(tmp_path: Path) -> None:
    vocab = byte_tokenizer(tmp_path / "tokenizer")
    data = small_dataset(tmp_path / "data")
    changes = {"watch__sample_every": 2, "watch__prompts": ["ab", ""], "watch__sample_tokens": 3}
    config = small_config(data, tokens=5 * 128, tokenizer=str(tmp_path / "tokenizer"), **changes)
    config["model"]["vocab_size"] = vocab
    summary = pretrain(config, tmp_path / "out")
    samples = read_metrics(tmp_path / "out" / "samples.jsonl")
    assert [(line["step"], line["prompt"]) for line in samples] == [
        (step, prompt) for step in (2, 4, 5) for prompt in ("ab", "")
    ]
    # Every token of these rows is one byte.
    expected = summary["validation/loss"] / 0.6931471805599453
    assert summary["validation/bits_per_byte"] == pytest.approx(expected)
    assert (tmp_path / "out" / "final" / "tokenizer.json").exists()


def test_micro_batches_do_not_change_a_run(data: Path, tmp_path: Path) -> None:
    curves = []
    for name, micro in (("1x8", 8), ("4x2", 2)):
        config = small_config(data, batch__micro_rows=micro, model__resid_dropout=0.0, tokens=6 * 128)
        config["adam"] = {"epsilon": 1e-3}  # the default blows rounding near 0 up to whole steps
        pretrain(config, tmp_path / name)
        curves.append(
            torch.tensor([line["loss"] for line in read_metrics(tmp_path / name / "metrics.jsonl")])
        )
    torch.testing.assert_close(curves[0], curves[1], rtol=1e-6, atol=0.0)


def test_a_low_precision_run_exports_its_master_weights(data: Path, tmp_path: Path) -> None:
    pretrain(small_config(data, tokens=3 * 128, run__dtype="bfloat16"), tmp_path)
    master = load_file(tmp_path / "checkpoints" / "step-00000003" / "model.safetensors")["ln_f.weight"]
    exported = load_file(tmp_path / "final" / "model.safetensors")["transformer.ln_f.weight"]
    assert torch.equal(exported, master)
    assert not torch.equal(exported.bfloat16().float(), master)


def test_a_finished_run_is_not_run_again_and_may_be_prolonged(data: Path, tmp_path: Path) -> None:
    first = pretrain(small_config(data, tokens=5 * 128), tmp_path / "out")
    again = pretrain(small_config(data, tokens=5 * 128), tmp_path / "out")
    assert (again["steps"], again["resumed_at"]) == (5, 5)
    assert again["validation/loss"] == first["validation/loss"]
    assert pretrain(small_config(data, tokens=7 * 128), tmp_path / "out")["steps"] == 7


def test_positions_that_no_row_reaches_are_told(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pretrain(small_config(data), tmp_path / "fits")
    assert "positions" not in capsys.readouterr().err
    pretrain(small_config(data, model__context=24), tmp_path / "wide")
    assert "train 16 of the 24 positions of model.context" in capsys.readouterr().err


def test_sources_are_mixed_by_weight_and_resumed(data: Path, tmp_path: Path) -> None:
    sources = [{"folder": str(data), "source": name, "weight": w} for name, w in (("a", 1.0), ("b", 3.0))]
    pretrain(small_config(data, sources=sources, tokens=9 * 128), tmp_path / "whole")
    config = small_config(data, sources=sources, tokens=9 * 128)
    pretrain(
        {**config, "tokens": 5 * 128, "rate": {**config["rate"], "decay_tokens": 9 * 128}}, tmp_path / "out"
    )
    pretrain({**config, "rate": {**config["rate"], "decay_tokens": 9 * 128}}, tmp_path / "out")
    assert [line[2] for line in curve(tmp_path / "out")] == [line[2] for line in curve(tmp_path / "whole")]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sources": []}, "sources must name at least one folder"),
        ({"sources": [{"folder": "/nowhere"}]}, "/nowhere: no such folder"),
        ({"model__vocab_size": 50}, "token id .* does not fit a vocabulary of 50"),
        ({"model__context": 8}, "rows of 17 tokens need a context of 16, config key model.context is 8"),
        ({"batch__micro_rows": 3}, r"rows \(8\) must be a multiple of micro_rows \(3\)"),
        ({"batch__first_rows": 9}, "first_rows must be 1 to rows"),
        ({"batch__ramp_tokens": -1}, "ramp_tokens must be at least 0"),
        ({"tokens": 0}, "tokens must be at least 1"),
        ({"tokens": 100}, r"rate.warmup_tokens \(256\) must not exceed tokens"),
        ({"rate__peak": 0.0}, "peak must be above 0"),
        ({"rate__final_fraction": 2.0}, "final_fraction must lie in"),
        ({"rate__decay_tokens": 10}, "decay_tokens .* must not be below warmup_tokens"),
        ({"rate__speed": 1}, "unknown key rate.speed; known here: peak"),
        ({"watch__sample_every": 1}, "tokenizer must be given for sample texts"),
        ({"tokenizer": "/nowhere"}, "/nowhere: no such folder"),
        ({"model__pattern": "strided"}, "strided"),
        ({"run__device": "tpu"}, "run.device must be one of"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_bad_settings_are_told_before_anything_starts(
    data: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        pretrain(small_config(data, **changes), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_dataset_without_validation_says_what_to_set(tmp_path: Path) -> None:
    data = write_packed(tmp_path / "data", {"train-00000": range(16)})
    with pytest.raises(DataError, match="validate_every to 0"):
        pretrain(small_config(data), tmp_path / "out")


def test_sources_of_other_lengths_are_refused(data: Path, tmp_path: Path) -> None:
    short = write_packed(
        tmp_path / "short", {"train-00000": range(16), "validation-00000": range(2)}, length=9
    )
    sources = [{"folder": str(data)}, {"folder": str(short)}]
    with pytest.raises(DataError, match=r"rows of 9 tokens, but .* has 17"):
        pretrain(small_config(data, sources=sources), tmp_path / "out")


def test_the_batch_grows_and_the_rate_follows_tokens(data: Path) -> None:
    raw = small_config(
        data, tokens=10_000, batch__first_rows=2, batch__ramp_tokens=4_000, batch__micro_rows=2
    )
    config = load_config(PretrainConfig, raw)
    plans = [plan_step(config, seen, 16, processes=1) for seen in (0, 2_000, 4_000, 9_999)]
    assert [plan.rows for plan in plans] == [2, 4, 8, 8]
    assert plans[0].rate == pytest.approx(0.01 * 32 / 256)
    assert plans[-1].rate == pytest.approx(0.001)
    assert plan_step(config, 2_000, 16, processes=2).rows == 4


# From here on: processes.


def start(config: Path, out: Path, launcher: Sequence[str] = ()) -> subprocess.Popen[str]:
    command = [sys.executable, *launcher, "-m", "model.pretrain", str(config), "--out", str(out)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)


def wait_for_steps(out: Path, steps: int) -> None:
    """Return as soon as so many steps are logged."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        if len(read_metrics(out / "metrics.jsonl")) >= steps:
            return
        time.sleep(0.002)
    pytest.fail(f"no {steps} steps within two minutes")


def same_weights(one: Path, other: Path) -> None:
    ours, theirs = (load_file(out / "final" / "model.safetensors") for out in (one, other))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.slow
def test_a_killed_run_ends_as_if_it_had_not_been(data: Path, tmp_path: Path) -> None:
    tokens = 40 * 8 * (LENGTH - 1)
    pretrain(small_config(data, tokens=tokens), tmp_path / "whole")
    raw = small_config(data, tokens=tokens, run__checkpoint_every=2)
    config = write_config(tmp_path / "config.json", raw)
    out = tmp_path / "killed"
    draw = random.Random(int(time.time()))
    for steps in (draw.randint(1, 6), draw.randint(7, 15)):
        process = start(config, out)
        wait_for_steps(out, steps)
        time.sleep(draw.random() * 0.02)
        process.kill()
        assert process.wait() == -signal.SIGKILL
    process = start(config, out)
    assert process.wait(120) == 0, process.stderr and process.stderr.read()
    assert [line[0] for line in curve(out)] == list(range(1, 41))
    assert curve(out) == curve(tmp_path / "whole")
    same_weights(out, tmp_path / "whole")


@pytest.mark.slow
def test_sigterm_saves_and_says_so(data: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path / "config.json", small_config(data, tokens=2000 * 128))
    process = start(config, tmp_path / "out")
    wait_for_steps(tmp_path / "out", 3)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 143
    assert "the same command resumes there" in said
    steps = len(read_metrics(tmp_path / "out" / "metrics.jsonl"))
    assert (tmp_path / "out" / "checkpoints" / f"step-{steps:08d}" / "state.json").exists()


@pytest.mark.slow
def test_a_wrong_config_is_one_line_and_status_2(data: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path / "config.json", small_config(data, model__n_head=3))
    process = start(config, tmp_path / "out")
    _, said = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "in model: n_head must divide d_model" in said
    assert "Traceback" not in said


@pytest.mark.slow
def test_two_processes_equal_one(data: Path, tmp_path: Path) -> None:
    raw = small_config(data, model__resid_dropout=0.0)
    raw["adam"] = {"epsilon": 1e-3}
    pretrain(raw, tmp_path / "one")
    config = write_config(tmp_path / "config.json", raw)
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    process = start(config, tmp_path / "two", launcher)
    _, said = process.communicate(timeout=240)
    assert process.returncode == 0, said[-3000:]
    one, two = (torch.tensor([line[2:6] for line in curve(tmp_path / name)][4::5]) for name in ("one", "two"))
    torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-6)
    ours, theirs = (load_file(tmp_path / name / "final" / "model.safetensors") for name in ("one", "two"))
    for name, tensor in ours.items():
        torch.testing.assert_close(theirs[name], tensor, rtol=1e-3, atol=1e-5, msg=name)
    # One process takes over what two have left behind.
    raw["tokens"] = 22 * 8 * (LENGTH - 1)
    assert pretrain(raw, tmp_path / "two")["resumed_at"] == 20
