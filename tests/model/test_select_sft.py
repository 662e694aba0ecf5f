"""Choosing an epoch by reward: the whole way from two small runs, and what a resume leaves alone."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from model.config_files import load_config
from model.decoding import Generated
from model.export import load_hf_scalar
from model.reward import train as train_reward
from model.reward_config import RewardConfig
from model.select_sft import candidates, paired, score_answers, select
from model.select_sft_config import SelectSFTConfig
from model.sft import train as train_sft
from model.sft_config import SFTConfig
from model.tokenizer import load_tokenizer
from tests.model.dialogues import base_checkpoint, write_comparisons, write_demonstrations


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SFT run of three epochs and a reward model, both tiny."""
    folder = tmp_path_factory.mktemp("runs")
    model, tokenizer = base_checkpoint(folder / "start", chat=True)
    common = {"model": model, "rate": {"peak": 0.01}, "run": {"device": "cpu"}}
    data = write_demonstrations(folder / "sft-data", train=8)
    sft = {**common, "tokenizer": tokenizer, "data": data, "epochs": 3, "batch": {"rows": 4}}
    train_sft(load_config(SFTConfig, sft), folder / "sft")
    comparisons = write_comparisons(folder / "comparisons", train=8, validation=4)
    train_reward(load_config(RewardConfig, {**common, "comparisons": comparisons}), folder / "reward")
    return folder


@pytest.fixture
def settings(runs: Path) -> dict[str, Any]:
    return {
        "candidates": str(runs / "sft"),
        "reward_model": str(runs / "reward" / "final"),
        "prompts": str(runs / "sft-data"),
        "rows": 5,
        "samples": 2,
        "sampling": {"max_new_tokens": 6},
        "device": "cpu",
    }


def run(settings: dict[str, Any], out: Path) -> dict[str, Any]:
    return select(load_config(SelectSFTConfig, settings), out)


def test_the_epoch_of_the_highest_score_is_chosen(settings: dict[str, Any], tmp_path: Path) -> None:
    summary = run(settings, tmp_path / "out")
    means = {}
    for epoch in (1, 2, 3):
        table = pq.read_table(tmp_path / "out" / f"epoch-{epoch:02d}.parquet")
        assert table.num_rows == 10
        means[epoch] = float(np.mean(table["score"].to_numpy()))
    chosen = summary["chosen_epoch"]
    assert chosen == max(means, key=lambda epoch: means[epoch])
    assert summary["chosen_score"] == pytest.approx(means[chosen])
    lowest = summary["lowest_loss_epoch"]
    assert summary["lowest_loss_score"] == pytest.approx(means[lowest])
    assert summary["difference"] == pytest.approx(means[chosen] - means[lowest], abs=1e-6)
    final, epoch = (
        load_file(folder / "model.safetensors")
        for folder in (tmp_path / "out" / "final", Path(settings["candidates"]) / f"epoch-{chosen:02d}")
    )
    assert all(torch.equal(final[name], epoch[name]) for name in epoch)
    assert json.loads((tmp_path / "out" / "summary.json").read_text()) == summary


def test_finished_epochs_are_not_answered_again(settings: dict[str, Any], tmp_path: Path) -> None:
    first = run(settings, tmp_path / "out")
    kept = tmp_path / "out" / "epoch-01.parquet"
    before = kept.stat().st_mtime_ns
    (tmp_path / "out" / "epoch-02.parquet").unlink()
    assert run(settings, tmp_path / "out") == first
    assert kept.stat().st_mtime_ns == before
    with pytest.raises(ValueError, match=r"config.rows differ"):
        run(settings | {"rows": 4}, tmp_path / "out")


def test_a_run_without_epochs_says_so(settings: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="with keep_epochs"):
        candidates(tmp_path)
    with pytest.raises(ValueError, match="samples must be at least 1"):
        run(settings | {"samples": 0}, tmp_path / "out")


@pytest.mark.parametrize(
    ("answer", "scored"),
    [
        (["a", "b", "<|end|>"], ["a", "b", "<|end|>"]),
        (["a", "b", "<|endoftext|>"], ["a", "b", "<|end|>"]),
        (["a", "b"], ["a", "b", "<|end|>"]),
        ([], ["<|end|>"]),
    ],
    ids=["ended", "ended a document", "cut off", "empty"],
)
def test_an_answer_is_scored_at_its_end(runs: Path, answer: list[str], scored: list[str]) -> None:
    scorer, tokenizer = load_hf_scalar(runs / "reward" / "final"), load_tokenizer(runs / "start" / "chat")
    prompt, ids, expected = (
        tokenizer.convert_tokens_to_ids(tokens)
        for tokens in (["<|user|>", "q", "<|assistant|>"], answer, scored)
    )
    # The model has read two tokens of its prompt alone.
    made = Generated([torch.tensor(ids, dtype=torch.int64)], [torch.zeros(len(ids))], [True], [2])
    found = score_answers(scorer, tokenizer, [prompt], made, 100)
    with torch.no_grad():
        assert found[0] == pytest.approx(
            scorer(torch.tensor([[*prompt[-2:], *expected]]))[0, -1].item(), abs=1e-5
        )
    long = Generated([torch.full((60,), 65)], [torch.zeros(60)], [False], [2])
    with pytest.raises(ValueError, match="context of 48 tokens is too short for an answer of 61"):
        score_answers(scorer, tokenizer, [prompt], long, 100)


def test_differences_are_taken_prompt_by_prompt() -> None:
    def table(scores: list[float]) -> pa.Table:
        return pa.table({"prompt": [0, 0, 1, 1, 2, 2], "score": pa.array(scores, pa.float32())})

    one, other = table([1, 3, 10, 10, -5, -5]), table([0, 2, 9, 9, -8, -6])
    difference, error = paired(one, other)
    assert difference == pytest.approx(4 / 3)  # 1, 1, 2
    assert error == pytest.approx(np.std([1, 1, 2], ddof=1) / np.sqrt(3))
