"""What a PPO update reads of a step's episodes: steps 1 to 5 of model/ppo_steps.py, and figures of the whole.

Shapes: N episodes, R places of an answer.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from model.gpt import GPT, ScalarGPT
from model.ppo_config import PPOBatchConfig, PPORewardConfig
from model.ppo_steps import advantages_and_returns, penalised_scores, shaped_rewards, whiten
from model.rollout import Episodes, Reward, answer_logprobs, answer_values, micro_batches


class Readers(NamedTuple):
    """Who reads the episodes."""

    policy: GPT
    reference: GPT
    value: ScalarGPT
    reward: Reward


class Experience(NamedTuple):
    """Episodes and what was read of them: fp32 [N, R] on the models' device; mask bool; scores, ended [N]."""

    episodes: Episodes
    mask: Tensor
    ended: Tensor
    scores: Tensor
    logprobs: Tensor
    reference: Tensor
    values: Tensor
    non_score: Tensor
    advantages: Tensor
    returns: Tensor


@torch.no_grad()
def gather(
    episodes: Episodes, readers: Readers, end_ids: Sequence[int], batch: PPOBatchConfig, earn: PPORewardConfig
) -> Experience:
    """Read the episodes in the micro-batches of the first pass over them, and estimate their advantages."""
    logprobs, reference, values = _read(episodes, readers, batch)
    mask = episodes.mask.to(logprobs.device)
    ended = _ended(episodes, end_ids).to(logprobs.device)
    scores = penalised_scores(
        readers.reward(episodes).to(logprobs.device), ended, earn.missing_end_penalty
    )  # 1
    rewards, non_score = shaped_rewards(scores, logprobs, reference, mask, earn.kl_beta)  # 2
    if earn.whiten_rewards:
        rewards = whiten(rewards, mask, shift_mean=False)  # 3
    advantages, returns = advantages_and_returns(rewards, values, mask, earn.gamma, earn.gae_lambda)  # 4
    if earn.whiten_advantages:
        advantages = whiten(advantages, mask)  # 5
    return Experience(
        episodes, mask, ended, scores, logprobs, reference, values, non_score, advantages, returns
    )


def objective(seen: Experience) -> dict[str, float]:
    """Means over episodes, under TRL's names; of sums over the tokens of an answer, in nats."""
    kl = ((seen.logprobs - seen.reference) * seen.mask).sum(1)
    paid = seen.non_score.sum(1)
    gap = ((seen.logprobs - seen.episodes.logprobs.to(seen.mask.device)) * seen.mask).abs()
    means = {
        "objective/kl": kl.mean(),
        "objective/entropy": -(seen.logprobs * seen.mask).sum(1).mean(),
        "objective/non_score_reward": paid.mean(),
        "objective/rlhf_reward": (seen.scores + paid).mean(),
        "objective/scores": seen.scores.mean(),
        "val/num_eos_tokens": seen.ended.sum().float(),
        "val/answer_tokens": seen.mask.sum(1).float().mean(),
        # The sampler reads token by token, from a cache. Where this grows, its numbers are not the model's.
        "val/sampler_gap": gap.sum() / seen.mask.sum(),
    }
    return dict(zip(means, torch.stack(list(means.values())).tolist(), strict=True))  # waits for the device


def _read(episodes: Episodes, readers: Readers, batch: PPOBatchConfig) -> tuple[Tensor, Tensor, Tensor]:
    """Log-probabilities of policy and reference, and values."""
    policy, reference, values = [], [], []
    rows = torch.arange(len(episodes.ids))
    for micro in micro_batches(rows, batch.minibatch, batch.micro_rows):
        part = episodes.take(micro)
        policy.append(answer_logprobs(readers.policy, part)[0])
        reference.append(answer_logprobs(readers.reference, part)[0])
        values.append(answer_values(readers.value, part))
    return torch.cat(policy), torch.cat(reference), torch.cat(values)


def _ended(episodes: Episodes, end_ids: Sequence[int]) -> Tensor:
    """Whether an answer ends as it should [N]: not by its limit, and by the end of the turn, not of the text."""
    last = episodes.n_prompt + episodes.n_answer - 1
    proper = torch.tensor(end_ids[-1:], dtype=torch.int64)
    return torch.isin(episodes.ids[torch.arange(len(last)), last], proper)
