"""PPO as its users run it; the slow ones are killed."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoModelForCausalLM

from model.checkpoint import CheckpointError
from model.config_files import load_config
from model.export import load_hf, save_hf
from model.gpt import ScalarGPT
from model.gpt_config import GPTConfig
from model.losses import lm_loss
from model.memory import OutOfMemoryError
from model.metrics import read_metrics
from model.ppo import RunawayKLError, learn, train
from model.ppo_config import PPOConfig, PtxConfig, rate_at
from model.ptx import Pretraining
from model.rollout import Episodes
from model.run_config import AdamConfig, RunConfig
from model.trainer import Trainer
from tests.model.checkpoints import byte_tokenizer, random_model
from tests.model.packed import LENGTH, numbered, small_dataset, write_config
from tests.model.toy_ppo import (
    learn_toy,
    nothing,
    small_config,
    toy_actors,
    toy_task,
)

ROOT = Path(__file__).parents[2]
TIMES = ("seconds", "episodes_per_second", "tokens_per_second", "data_wait_seconds", "peak_memory")


def exact(out: Path) -> list[dict[str, Any]]:
    """All that must not depend on the clock."""
    return [
        {key: value for key, value in line.items() if not key.startswith(TIMES)}
        for line in read_metrics(out / "metrics.jsonl")
    ]


def weights(out: Path) -> dict[str, Tensor]:
    return load_file(out / "final" / "model.safetensors")


def same_weights(one: Path, other: Path) -> None:
    ours, theirs = weights(one), weights(other)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_the_first_update_finds_policy_and_reference_where_they_were(tmp_path: Path) -> None:
    lines = learn_toy(small_config(), tmp_path, d_model=16)
    first = lines[0]
    assert (first["objective/kl"], first["objective/non_score_reward"]) == (0.0, 0.0)
    # In every step, not the first alone: the update reads answers as the scoring before it did.
    assert {line["val/first_ratio_error"] for line in lines} == {0.0}
    assert {line["val/first_approxkl"] for line in lines} == {0.0}
    assert all(line["policy/approxkl_avg"] > 0 for line in lines)
    assert lines[-1]["objective/kl"] != 0.0
    assert max(line["val/sampler_gap"] for line in lines) < 1e-5
    # A fresh policy is all but uniform over 16 tokens.
    assert first["objective/entropy"] == pytest.approx(8 * math.log(16), rel=0.05)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert (summary["steps"], summary["episodes"], summary["stopped"]) == (4, 64, None)
    assert summary["val/first_ratio_error"] == 0.0


def test_figures_fit_together(tmp_path: Path) -> None:
    for line in learn_toy(small_config(), tmp_path, d_model=16):
        whole = line["objective/scores"] + line["objective/non_score_reward"]
        assert line["objective/rlhf_reward"] == pytest.approx(whole)
        assert line["objective/non_score_reward"] == pytest.approx(-0.01 * line["objective/kl"])
        parts = [line[f"seconds/{part}"] for part in ("generate", "score", "update")]
        assert line["episodes_per_second"] == pytest.approx(16 / sum(parts))
        assert line["val/answer_tokens"] == 8
        assert line["val/ratio"] == pytest.approx(1.0, abs=0.1)  # a mean over tokens


def test_micro_batches_do_not_change_a_run(tmp_path: Path) -> None:
    adam = {"epsilon": 1e-3, "weight_decay": 0.0}  # a small one blows rounding near 0 up to whole steps
    for micro in (8, 3):
        batch = {"episodes": 16, "minibatch": 8, "micro_rows": micro}
        learn_toy(small_config(batch=batch, adam=adam), tmp_path / str(micro), d_model=16)
    one, other = weights(tmp_path / "8"), weights(tmp_path / "3")
    for name, tensor in one.items():
        torch.testing.assert_close(other[name], tensor, atol=2e-6, rtol=1e-4, msg=name)


def test_a_run_in_two_parts_is_the_run_in_one(tmp_path: Path) -> None:
    batch = {"episodes": 16, "minibatch": 8, "micro_rows": 8, "inner_epochs": 2}
    learn_toy(small_config(batch=batch, episodes=64), tmp_path / "whole", d_model=16)
    learn_toy(small_config(batch=batch, episodes=32), tmp_path / "parts", d_model=16)
    learn_toy(small_config(batch=batch, episodes=64), tmp_path / "parts", d_model=16)
    assert exact(tmp_path / "parts") == exact(tmp_path / "whole")
    same_weights(tmp_path / "parts", tmp_path / "whole")


def test_each_prompt_is_answered_once_an_epoch(tmp_path: Path) -> None:
    seen: list[tuple[int, ...]] = []

    def reward(episodes: Episodes) -> Tensor:
        seen.extend(tuple(row) for row in episodes.ids[:, :4].tolist())
        return nothing(episodes)

    task = toy_task(0, prompts=32)
    learn(small_config(), tmp_path, toy_actors(0, reward, 16), task)
    prompts = sorted(tuple(prompt.ids) for prompt in task.prompts)
    assert sorted(seen[:32]) == sorted(seen[32:]) == prompts
    assert seen[:32] != seen[32:]


def test_averaged_weights_are_exported_or_the_last_ones(tmp_path: Path) -> None:
    learn_toy(small_config(), tmp_path / "averaged", d_model=16)
    learn_toy(small_config(update__ema_decay=0.0), tmp_path / "last", d_model=16)
    kept = tmp_path / "averaged" / "checkpoints" / "step-00000004"
    name = "transformer.ln_f.weight"
    assert torch.equal(
        weights(tmp_path / "averaged")[name], load_file(kept / "ema.safetensors")["ln_f.weight"]
    )
    last = load_file(kept / "policy.safetensors")["ln_f.weight"]
    assert torch.equal(weights(tmp_path / "last")[name], last)
    assert not torch.equal(weights(tmp_path / "averaged")[name], last)


def test_a_policy_that_runs_away_is_stopped_with_the_reason(tmp_path: Path) -> None:
    config = small_config(
        episodes=16 * 50, update__stop_kl=0.5, update__policy_rate=0.02, run__checkpoint_every=1
    )
    with pytest.raises(RunawayKLError, match=r"update\.stop_kl allows 0\.5"):
        learn_toy(config, tmp_path, d_model=16)
    summary = json.loads((tmp_path / "summary.json").read_text())
    steps = summary["steps"]
    assert f"step {steps + 1}: objective/kl is" in summary["stopped"]
    assert summary["last_checkpoint"] == str(tmp_path / "checkpoints" / f"step-{steps:08d}")
    assert not (tmp_path / "final").exists()
    assert all(line["objective/kl"] <= 0.5 for line in exact(tmp_path))
    # It goes on from there with another rate.
    calmer = small_config(
        episodes=16 * (steps + 1), update__stop_kl=50.0, update__policy_rate=1e-5, run__checkpoint_every=1
    )
    learn_toy(calmer, tmp_path, d_model=16)
    assert json.loads((tmp_path / "summary.json").read_text())["stopped"] is None
    with pytest.raises(CheckpointError, match="answer_tokens"):
        learn_toy(small_config(answer_tokens=7), tmp_path, d_model=16)


@pytest.mark.parametrize(
    ("function", "key"),
    [("roll_out", "batch.generate_rows from 256 to 128"), ("gather", "batch.micro_rows from 8 to 4")],
)
def test_full_memory_is_told_with_the_key_of_the_part_that_filled_it(
    function: str, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(f"model.ppo.{function}", full)
    with pytest.raises(OutOfMemoryError, match=key):
        learn_toy(small_config(), tmp_path, d_model=16)


@pytest.mark.parametrize(
    ("step", "expected"), [(0, 0.1), (5, 0.55), (10, 1.0), (500, 1.0)]
)  # fmt: skip
def test_rates_grow_from_a_tenth(step: int, expected: float) -> None:
    assert rate_at(step, 1.0, 10) == pytest.approx(expected)
    assert rate_at(step, 1.0, 0) == 1.0


def test_pretraining_gradients_are_those_of_the_mean_loss_times_the_coefficient(tmp_path: Path) -> None:
    source = small_dataset(tmp_path / "data")
    model = random_model(GPTConfig(vocab_size=97, context=16, n_layer=2, n_head=2, d_model=16, band=4))
    ptx = {"sources": [{"folder": str(source)}], "ratio": 2, "micro_rows": 3, "sequence_tokens": 10}
    config = load_config(PtxConfig, {**ptx, "window_rows": 64})
    with Trainer(tmp_path / "out", RunConfig(device="cpu"), {}) as run:
        optimizer = run.optimizer("policy", model, AdamConfig())
        pretraining = Pretraining(config, model, run)
        loss = pretraining.gradients(optimizer, episodes=3)
        place = pretraining.loader.state_dict()["position"]
        rows = pretraining.loader._order.rows(0, 6)
        pretraining.loader.close()
    assert place == 6
    ids = torch.tensor(numbered(range(64)))[torch.from_numpy(rows)][:, :11]
    found = [parameter.grad for parameter in model.parameters()]
    expected = lm_loss(model, model(ids[:, :-1]), ids[:, 1:])
    assert loss == pytest.approx(expected.item(), rel=1e-5)
    slow = torch.autograd.grad(27.8 * expected, list(model.parameters()))
    for ours, theirs in zip(found, slow, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    assert ids.shape[1] < LENGTH


# From here on: folders.

WORDS = ["ab", "cd", "ef", "a b", "why", "what is a mill", "tell me", "how"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chat tokenizer, a policy, a reward model, a value function, prompts, and packed rows."""
    root = tmp_path_factory.mktemp("ppo")
    vocab = byte_tokenizer(root / "tokenizer")
    shape = GPTConfig(vocab_size=vocab, context=40, n_layer=2, n_head=2, d_model=16, band=8)
    save_hf(random_model(shape), root / "policy", root / "tokenizer")
    for name, seed in (("value", 1), ("reward", 2)):
        save_hf(ScalarGPT(random_model(shape, seed)), root / name, root / "tokenizer")
    (root / "prompts").mkdir()
    messages = [[{"role": "user", "content": word}] for word in WORDS] * 4
    columns = {"prompt_id": [f"p{n}" for n in range(32)], "prompt": messages, "split": ["train"] * 32}
    pq.write_table(pa.table(columns), root / "prompts" / "shard-00000.parquet")
    small_dataset(root / "packed")
    return root


def folder_config(root: Path, **changes: Any) -> dict[str, Any]:
    config: dict[str, Any] = {
        "policy": str(root / "policy"),
        "reward_model": str(root / "reward"),
        "value_init": str(root / "value"),
        "prompts": {"folder": str(root / "prompts")},
        "episodes": 48,
        "answer_tokens": 12,
        "batch": {"episodes": 8, "minibatch": 4, "micro_rows": 4},
        "reward": {"missing_end_penalty": 1.0},
        "update": {"policy_rate": 1e-3, "value_rate": 1e-3},
        "ptx": {
            "sources": [{"folder": str(root / "packed")}],
            "ratio": 2,
            "micro_rows": 4,
            "sequence_tokens": 8,
            "window_rows": 16,
        },
        "sample_every": 2,
        "samples": 1,
        "run": {"device": "cpu", "checkpoint_every": 2},
    }
    return {**config, **changes}


def test_a_run_from_folders_gives_a_model_that_stock_transformers_load(folders: Path, tmp_path: Path) -> None:
    summary = train(load_config(PPOConfig, folder_config(folders)), tmp_path)
    assert (summary["steps"], summary["prompts"], summary["prompts_left_out"]) == (6, 32, 0)
    lines = read_metrics(tmp_path / "metrics.jsonl")
    assert lines[0]["val/first_ratio_error"] == 0.0
    assert all(line["loss/ptx_avg"] > 0 and line["seconds/ptx"] > 0 for line in lines)
    assert {line["step"] for line in read_metrics(tmp_path / "samples.jsonl")} == {1, 2, 4, 6}
    sample = read_metrics(tmp_path / "samples.jsonl")[0]
    assert sample["prompt"].startswith("<|user|>")
    assert sample["prompt"].endswith("<|end|><|assistant|>")
    stock = AutoModelForCausalLM.from_pretrained(tmp_path / "final")
    ours = load_hf(tmp_path / "final")
    ids = torch.arange(20)[None]
    with torch.no_grad():
        torch.testing.assert_close(stock(ids).logits, ours.logits(ours(ids)), rtol=1e-4, atol=1e-4)


def test_low_precision_exports_the_averaged_master_weights(folders: Path, tmp_path: Path) -> None:
    run = {"device": "cpu", "dtype": "bfloat16", "checkpoint_every": 50}
    train(load_config(PPOConfig, folder_config(folders, run=run, episodes=16)), tmp_path)
    kept = load_file(tmp_path / "checkpoints" / "step-00000002" / "ema.safetensors")["ln_f.weight"]
    assert torch.equal(weights(tmp_path)["transformer.ln_f.weight"], kept)
    assert not torch.equal(kept.bfloat16().float(), kept)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"policy": "/nowhere"}, "/nowhere"),
        ({"value_init": "{root}/policy"}, "no head with one score"),
        ({"policy": "{root}/reward"}, "a model with a scalar head"),
        ({"prompts": {"folder": "/nowhere"}}, "/nowhere: no such folder"),
        ({"answer_tokens": 36}, "none has 3 tokens or fewer"),
        ({"episodes": 12}, r"episodes \(12\) must be a multiple of batch.episodes \(8\)"),
        ({"batch": {"episodes": 8, "minibatch": 3}}, r"must be a multiple of minibatch"),
        ({"update": {"ema_decay": 1.0}}, "update: ema_decay must lie in"),
        ({"update": {"stop_kl": 0.0}}, "stop_kl must be above 0"),
        ({"reward": {"gae_lambda": 1.5}}, "gae_lambda must lie in"),
        ({"ptx": {"sources": []}}, "sources must name at least one folder"),
        ({"ptx": {"sources": [{"folder": "{root}/packed"}], "ratio": 1}}, "multiple of ptx.micro_rows"),
        (
            {"ptx": {"sources": [{"folder": "{root}/packed"}], "ratio": 4}},
            "ptx.sequence_tokens is 512, but the rows of .* have 16",
        ),
        ({"penalty": 1}, "unknown key penalty"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_bad_settings_are_told(folders: Path, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    filled = json.loads(json.dumps(changes).replace("{root}", str(folders)))
    with pytest.raises(ValueError, match=message):
        train(load_config(PPOConfig, folder_config(folders, **filled)), tmp_path / "out")
    assert not (tmp_path / "out" / "metrics.jsonl").exists()


def test_models_of_another_tokenizer_are_refused(folders: Path, tmp_path: Path) -> None:
    byte_tokenizer(tmp_path / "large", texts=["what is a mill what is a mill"] * 3)
    config = folder_config(folders, tokenizer=str(tmp_path / "large"))
    with pytest.raises(ValueError, match=r"policy: .* all models must share the tokenizer"):
        train(load_config(PPOConfig, config), tmp_path / "out")


# From here on: processes.


def start(config: Path, out: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "model.ppo", str(config), "--out", str(out)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)


def wait_for_steps(out: Path, steps: int) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        if len(read_metrics(out / "metrics.jsonl")) >= steps:
            return
        time.sleep(0.005)
    pytest.fail(f"no {steps} steps within two minutes")


@pytest.mark.slow
def test_a_killed_run_ends_as_if_it_had_not_been(folders: Path, tmp_path: Path) -> None:
    raw = folder_config(folders, episodes=160)
    torch.set_num_threads(1)
    train(load_config(PPOConfig, raw), tmp_path / "whole")
    config, out = write_config(tmp_path / "config.json", raw), tmp_path / "killed"
    process = start(config, out)
    wait_for_steps(out, 5)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    process = start(config, out)
    _, said = process.communicate(timeout=240)
    assert process.returncode == 0, said[-3000:]
    assert [line["step"] for line in exact(out)] == list(range(1, 21))
    assert exact(out) == exact(tmp_path / "whole")
    same_weights(out, tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        (lambda raw: raw | {"update": {"policy_rate": 0.5, "stop_kl": 0.01}}, 1, "RunawayKLError: step"),
        (lambda raw: raw | {"reward_model": "/nowhere"}, 2, "/nowhere: no config.json"),
    ],
    ids=["runaway", "wrong_folder"],
)
def test_what_goes_wrong_is_one_line_and_a_status(
    folders: Path,
    tmp_path: Path,
    change: Callable[[dict[str, Any]], dict[str, Any]],
    status: int,
    message: str,
) -> None:
    config = write_config(tmp_path / "config.json", change(folder_config(folders)))
    process = start(config, tmp_path / "out")
    _, said = process.communicate(timeout=240)
    assert process.returncode == status
    assert message in said
    assert "Traceback" not in said
