import os
import signal
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from model import checkpoint, trainer
from model.checkpoint import CheckpointError
from model.gpt import GPT
from model.gpt_config import GPTConfig
from model.losses import lm_loss
from model.metrics import read_metrics
from model.optimizer import AdamConfig, NonFiniteError
from model.trainer import RunConfig, Stopped, Trainer

CONFIG = GPTConfig(vocab_size=40, context=8, n_layer=1, n_head=2, d_model=8, band=4, resid_dropout=0.2)
SETTINGS = {"model": asdict(CONFIG), "rate": {"peak": 0.01}, "tags": ("a", "b")}


class Counter:
    """A part with JSON state, and one with tensors."""

    def __init__(self) -> None:
        self.seen = 0
        self.average = torch.zeros(2)

    def state_dict(self) -> dict[str, Any]:
        return {"seen": self.seen}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.seen = state["seen"]

    def tensors(self) -> dict[str, Tensor]:
        return {"average": self.average}

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        self.average = tensors["average"]


def run_to(
    out: Path,
    last: int,
    settings: Mapping[str, Any] = SETTINGS,
    stop_at: int | None = None,
    fail_at: int | None = None,
    **options: Any,
) -> tuple[Trainer, Counter, GPT]:
    """The smallest loop: to step `last`, with SIGTERM or an infinite loss on the way."""
    config = RunConfig(**{"checkpoint_every": 3, "device": "cpu", **options})
    with Trainer(out, config, settings, may_change=("rate",)) as run:
        model, counter = GPT(CONFIG), Counter()
        optimizer = run.optimizer("model", model, AdamConfig())
        run.track("counter", counter)
        run.track_tensors("average", counter)
        run.resume()
        while run.step < last:
            ids = torch.randint(40, (4, 9))
            loss = lm_loss(model, model(ids[:, :-1]), ids[:, 1:])
            run.backward(loss, optimizer)
            value = float("inf") if run.step + 1 == fail_at else loss.item()
            norm = run.update(optimizer, 0.01, {"loss": value})
            counter.seen += 4
            counter.average += 1
            if run.step + 1 == stop_at:
                os.kill(os.getpid(), signal.SIGTERM)
            run.finish_step(32, {"loss": value, "norm": norm})
    return run, counter, model


def losses(out: Path) -> list[tuple[int, float, float]]:
    return [(line["step"], line["loss"], line["norm"]) for line in read_metrics(out / "metrics.jsonl")]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_run_in_pieces_equals_a_run_in_one(tmp_path: Path, dtype: str) -> None:
    whole = run_to(tmp_path / "whole", 8, dtype=dtype)
    run_to(tmp_path / "pieces", 5, dtype=dtype)
    pieces = run_to(tmp_path / "pieces", 8, dtype=dtype)
    assert (pieces[0].resumed_at, pieces[0].tokens) == (3, 8 * 32)
    assert losses(tmp_path / "pieces") == losses(tmp_path / "whole")
    assert (pieces[1].seen, pieces[1].average.tolist()) == (32, [8, 8])
    for ours, theirs in zip(pieces[2].parameters(), whole[2].parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_equal_seeds_give_equal_runs_and_others_do_not(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        run_to(tmp_path / name, 2, seed=seed)
    assert losses(tmp_path / "a") == losses(tmp_path / "b") != losses(tmp_path / "c")


def test_sigterm_saves_and_stops_and_the_same_command_goes_on(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Stopped, match="after step 5"):
        run_to(tmp_path, 8, stop_at=5)
    assert signal.getsignal(signal.SIGTERM) == before
    assert run_to(tmp_path, 8)[0].resumed_at == 5
    run_to(tmp_path / "whole", 8)
    assert losses(tmp_path) == losses(tmp_path / "whole")


def test_a_second_signal_interrupts_at_once(tmp_path: Path) -> None:
    with Trainer(tmp_path, RunConfig(device="cpu"), {}):
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)


def test_an_infinite_loss_stops_and_the_last_checkpoint_stays(tmp_path: Path) -> None:
    with pytest.raises(NonFiniteError, match=r"step 5 .*'loss' is inf.*step-00000003") as told:
        run_to(tmp_path, 8, fail_at=5)
    assert "Lower the learning rate" in str(told.value)
    assert [path.name for path in checkpoint.checkpoints(tmp_path / "checkpoints")] == ["step-00000003"]
    assert losses(tmp_path)[-1][0] == 4


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"model": {**asdict(CONFIG), "n_layer": 2}}, "model.n_layer was 1, is 2"),
        ({"tags": ("a",)}, "tags was"),
        ({"new": 1}, "new was None, is 1"),
    ],
    ids=["changed", "list", "added"],
)
def test_a_resume_with_other_settings_is_refused(
    tmp_path: Path, changed: Mapping[str, Any], message: str
) -> None:
    run_to(tmp_path, 3)
    with pytest.raises(CheckpointError, match=message):
        run_to(tmp_path, 4, {**SETTINGS, **changed})


def test_settings_that_may_change_do(tmp_path: Path) -> None:
    run_to(tmp_path, 3)
    assert run_to(tmp_path, 4, {**SETTINGS, "rate": {"peak": 1}})[0].resumed_at == 3


def test_lines_are_written_at_intervals_with_time_and_memory(tmp_path: Path) -> None:
    run_to(tmp_path, 7, log_every=3)
    lines = read_metrics(tmp_path / "metrics.jsonl")
    assert [line["step"] for line in lines] == [3, 6]
    assert lines[1]["tokens"] == 192
    assert lines[1]["peak_memory_bytes"] > 10**7
    assert lines[1]["tokens_per_second"] == pytest.approx(32 / lines[1]["seconds"])


def test_the_terminal_hears_of_long_runs_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_to(tmp_path / "short", 2)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(trainer, "TELL_SECONDS", 0.0)
    run_to(tmp_path / "long", 2)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(", loss")[0] for line in lines] == ["step 1, 32 tokens", "step 2, 64 tokens"]
    assert all(line.endswith(" tokens/s") for line in lines)


def test_waiting_is_told_and_other_work_is_off_the_clock(tmp_path: Path) -> None:
    clock = iter([0.0, 10.0, 13.0, 20.0, 26.0, 30.0])
    with Trainer(tmp_path, RunConfig(device="cpu"), {}) as run, pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.perf_counter", lambda: next(clock))
        run.resume()
        run._clock.begin = next(clock)
        with run.waiting():
            pass
        with run.off_the_clock():
            pass
        run.finish_step(120, {})
    (line,) = read_metrics(tmp_path / "metrics.jsonl")
    assert (line["seconds"], line["data_wait_seconds"], line["tokens_per_second"]) == (24, 3, 5)


def test_cuda_is_refused_where_there_is_none(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")
    with (
        pytest.raises(ValueError, match=r"run.device is 'cuda'"),
        Trainer(tmp_path, RunConfig(device="cuda"), {}),
    ):
        pass


@pytest.mark.parametrize("key", ["log_every", "checkpoint_every", "keep_checkpoints", "seed"])
def test_bad_settings_are_named(key: str) -> None:
    with pytest.raises(ValueError, match=key):
        RunConfig(**{key: -1})
