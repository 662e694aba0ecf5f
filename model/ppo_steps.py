"""The mathematics of PPO, in the order of a step, each a pure function.

Shapes: B episodes, R places of an answer. Column t of a row belongs to the answer's token t: its log-probability, and
the value of the state before it. `mask` [B, R] is true at the tokens of an answer, its end token included; they
stand on the left, and every answer has at least one. All numbers are fp32; where the mask is false, results are 0.

Read beside: Schulman et al. 2017 (PPO), Schulman et al. 2016 (GAE), InstructGPT 3.5 and C.4, Huang et al. 2024
(arXiv 2403.17031). An episode is a bandit's: the score comes once, at the last token, and nothing follows it.
"""

from typing import NamedTuple

import torch
from torch import Tensor

WHITEN_EPS = 1e-8  # below the variance (lm-human-preferences)


class Rewards(NamedTuple):
    """Step 2: what each token earns [B, R], and its share that the divergence from the reference takes [B, R]."""

    total: Tensor
    non_score: Tensor


class Kls(NamedTuple):
    """Three estimates of KL(old || new) from tokens that the old distribution drew (Schulman 2020), [B, R]."""

    k1: Tensor  # unbiased, and of either sign
    k2: Tensor  # half the squared log-ratio: biased, small variance; `approxkl` of TRL and Baselines
    k3: Tensor  # unbiased, and never negative


class PolicyLoss(NamedTuple):
    """Step 6, sums over tokens divided by `divisor`; only `loss` has a gradient."""

    loss: Tensor
    clip_fraction: Tensor  # tokens whose clipped term is the one that counts
    ratio: Tensor
    approximate_kl: Tensor


class ValueLoss(NamedTuple):
    """Step 7, as PolicyLoss."""

    loss: Tensor
    clip_fraction: Tensor


def penalised_scores(scores: Tensor, ended: Tensor, penalty: float) -> Tensor:
    """Step 1: scores [B], less `penalty` where an answer did not end by itself (`ended` [B]).

    >>> penalised_scores(torch.tensor([1.0, 1.0]), torch.tensor([True, False]), 0.5).tolist()
    [1.0, 0.5]
    """
    return scores - penalty * (~ended).float()


def shaped_rewards(
    scores: Tensor, logprobs: Tensor, reference: Tensor, mask: Tensor, kl_beta: float
) -> Rewards:
    """Step 2: at each token -beta (log pi - log reference), and at the last one the score [B] besides."""
    non_score = -kl_beta * (logprobs - reference) * mask
    last = mask.sum(1, keepdim=True).long() - 1
    return Rewards(non_score.scatter_add(1, last, scores[:, None]), non_score)


def whiten(values: Tensor, mask: Tensor, shift_mean: bool = True) -> Tensor:
    """Step 3 (of rewards, their mean kept) and 5 (of advantages): variance 1 over all tokens, mean 0 where shifted.

    The variance is the biased one.
    """
    count = mask.sum()
    mean = (values * mask).sum() / count
    variance = ((values - mean).square() * mask).sum() / count
    white = (values - mean) * torch.rsqrt(variance + WHITEN_EPS)
    return (white if shift_mean else white + mean) * mask


def advantages_and_returns(
    rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, lam: float
) -> tuple[Tensor, Tensor]:
    """Step 4: generalised advantage estimates A_t = delta_t + gamma lambda A_(t+1), and returns A + V, both [B, R].

    delta_t = r_t + gamma V_(t+1) - V_t; behind the last token both V and A are 0.
    """
    values = values * mask
    found = torch.zeros_like(values)
    following, next_value = torch.zeros_like(values[:, 0]), torch.zeros_like(values[:, 0])
    for at in range(values.shape[1] - 1, -1, -1):
        delta = rewards[:, at] + gamma * next_value - values[:, at]
        # Right of the answer all terms are 0, so that its last token sees nothing behind it.
        following = (delta + gamma * lam * following) * mask[:, at]
        found[:, at], next_value = following, values[:, at]
    return found, found + values


def approximate_kls(logprobs: Tensor, old_logprobs: Tensor, mask: Tensor) -> Kls:
    """Estimates a token of how far the new policy is from the old one that drew the tokens."""
    log_ratio = (logprobs - old_logprobs) * mask
    return Kls(-log_ratio, 0.5 * log_ratio.square(), torch.expm1(log_ratio) - log_ratio)


def policy_loss(
    logprobs: Tensor,
    old_logprobs: Tensor,
    advantages: Tensor,
    mask: Tensor,
    clip: float,
    divisor: float | Tensor,
) -> PolicyLoss:
    """Step 6: minus the clipped surrogate min(rho A, clamp(rho, 1 - clip, 1 + clip) A), rho = pi / pi_old.

    `divisor` is the count of the whole minibatch's tokens: losses of its micro-batches then add up to its mean.
    """
    ratio = ((logprobs - old_logprobs) * mask).exp()
    plain, clipped = -advantages * ratio, -advantages * ratio.clamp(1 - clip, 1 + clip)
    loss = (torch.maximum(plain, clipped) * mask).sum() / divisor
    with torch.no_grad():
        cut = ((clipped > plain) * mask).sum() / divisor
        kl = approximate_kls(logprobs, old_logprobs, mask).k2.sum() / divisor
        return PolicyLoss(loss, cut, (ratio * mask).sum() / divisor, kl)


def value_loss(
    values: Tensor,
    old_values: Tensor,
    returns: Tensor,
    mask: Tensor,
    clip: float | None,
    divisor: float | Tensor,
) -> ValueLoss:
    """Step 7: half the squared error, or that of the value held within `clip` of the old one where it is larger."""
    squared = (values - returns).square()
    moved = values if clip is None else old_values + (values - old_values).clamp(-clip, clip)
    clipped = (moved - returns).square()
    loss = 0.5 * (torch.maximum(squared, clipped) * mask).sum() / divisor
    with torch.no_grad():
        return ValueLoss(loss, ((clipped > squared) * mask).sum() / divisor)
