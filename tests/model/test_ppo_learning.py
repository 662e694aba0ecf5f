"""Proof that PPO learns: a reward that only a policy that has learnt can get, and what happens without it."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from model import experience
from model.ppo_steps import advantages_and_returns
from model.rollout import Episodes
from tests.model.toy_ppo import copy_first_token, learn_toy, nothing, toy_config


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_it_learns_to_copy_the_first_token(tmp_path: Path, seed: int) -> None:
    lines = learn_toy(toy_config(seed), tmp_path)
    assert lines[0]["objective/scores"] == pytest.approx(1 / 16, abs=0.04)
    last = [line["objective/scores"] for line in lines[-10:]]
    assert sum(last) / len(last) >= 0.9


@pytest.mark.slow
def test_without_reward_it_stays_where_it_is(tmp_path: Path) -> None:
    lines = learn_toy(toy_config(steps=40, reward__kl_beta=0.1), tmp_path, nothing)
    assert max(line["objective/kl"] for line in lines) < 0.5


@pytest.mark.slow
def test_with_the_sign_of_the_advantage_turned_it_learns_the_contrary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def turned(*given: Any) -> tuple[Tensor, Tensor]:
        advantages, returns = advantages_and_returns(*given)
        return -advantages, returns

    monkeypatch.setattr(experience, "advantages_and_returns", turned)
    lines = learn_toy(toy_config(steps=40), tmp_path)
    last = [line["objective/scores"] for line in lines[-10:]]
    assert sum(last) / len(last) < 1 / 16


def test_the_toy_reward_is_what_it_says() -> None:
    ids = torch.tensor([[3, 0, 0, 0, 3, 3, 3, 3, 3, 3, 3, 3], [1, 0, 0, 0, 1, 1, 2, 2, 2, 2, 2, 2]])
    lengths = torch.tensor([8, 8])
    made = Episodes(ids, lengths - 4, lengths, lengths > 0, torch.zeros(2, 8))
    assert copy_first_token(made).tolist() == [1.0, 0.25]
