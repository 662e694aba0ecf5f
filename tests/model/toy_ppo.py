"""The smallest thing that PPO can learn: to say the prompt's first token again and again."""

import copy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model.config_files import load_config
from model.gpt import GPT, ScalarGPT
from model.gpt_config import GPTConfig
from model.metrics import read_metrics
from model.ppo import Actors, Task, learn
from model.ppo_config import LoopConfig
from model.rollout import Episodes, Prompt, Reward

VOCAB, PROMPT, ANSWER = 16, 4, 8


def copy_first_token(episodes: Episodes) -> Tensor:
    """The share of an answer's tokens that equal the prompt's first one."""
    right = (episodes.ids[:, PROMPT : PROMPT + ANSWER] == episodes.ids[:, :1]).float()
    return right.mean(1)


def nothing(episodes: Episodes) -> Tensor:
    return torch.zeros(len(episodes.ids))


def toy_actors(seed: int, reward: Reward, d_model: int = 64) -> Actors:
    """Policy and reference alike, a value function that begins at 0."""
    torch.manual_seed(seed)
    config = GPTConfig(
        vocab_size=VOCAB, context=PROMPT + ANSWER, n_layer=2, n_head=2, d_model=d_model, band=8
    )
    policy = GPT(config)
    value = ScalarGPT(copy.deepcopy(policy))
    torch.nn.init.zeros_(value.score.weight)
    return Actors(policy, copy.deepcopy(policy), value, reward)


def toy_task(seed: int, prompts: int = 1024) -> Task:
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(VOCAB, (prompts, PROMPT), generator=generator).tolist()
    return Task([Prompt(str(number), row) for number, row in enumerate(ids)], ())


def toy_config(seed: int = 0, steps: int = 100, **changes: Any) -> LoopConfig:
    """128 episodes a step, four updates of 32; keys of changes are dotted with '__'."""
    config: dict[str, Any] = {
        "episodes": steps * 128,
        "answer_tokens": ANSWER,
        "batch": {"episodes": 128, "minibatch": 32, "micro_rows": 32},
        "reward": {"kl_beta": 0.01},
        "update": {"policy_rate": 2e-3, "value_rate": 2e-3, "warmup_steps": 2, "ema_decay": 0.9},
        "run": {"seed": seed, "device": "cpu", "checkpoint_every": 1000},
    }
    for key, value in changes.items():
        at = config
        *parents, last = key.split("__")
        for parent in parents:
            at = at[parent]
        at[last] = value
    return load_config(LoopConfig, config)


def small_config(**changes: Any) -> LoopConfig:
    """Steps of 16 episodes that take milliseconds."""
    batch = {"episodes": 16, "minibatch": 8, "micro_rows": 8}
    return toy_config(**{"batch": batch, "episodes": 64, "update__warmup_steps": 0, **changes})


def learn_toy(
    config: LoopConfig, out: Path, reward: Reward = copy_first_token, d_model: int = 64
) -> list[dict[str, Any]]:
    """Run PPO; the lines of its metrics."""
    learn(config, out, toy_actors(config.run.seed, reward, d_model), toy_task(config.run.seed))
    return read_metrics(out / "metrics.jsonl")
