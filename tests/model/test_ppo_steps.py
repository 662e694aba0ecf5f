"""Each step of PPO beside the same thing in plain Python: loops over episodes and tokens, numbers, no tensors."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from model.ppo_steps import (
    advantages_and_returns,
    approximate_kls,
    penalised_scores,
    policy_loss,
    shaped_rewards,
    value_loss,
    whiten,
)

LENGTHS = (3, 1, 4, 2)
WIDTH = 5
MASK = torch.arange(WIDTH) < torch.tensor(LENGTHS)[:, None]
TOKENS = float(sum(LENGTHS))
CLIP = 0.2


def draw(seed: int, scale: float = 1.0) -> Tensor:
    """Numbers everywhere, outside of the answers too: there they must count for nothing."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(len(LENGTHS), WIDTH, dtype=torch.float64, generator=generator) * scale


def close(found: Tensor, expected: Tensor | list[list[float]] | float) -> None:
    torch.testing.assert_close(found, torch.as_tensor(expected, dtype=found.dtype), rtol=1e-9, atol=1e-9)


def answers(values: Tensor) -> list[list[float]]:
    """The numbers of each answer alone."""
    return [row[:length].tolist() for row, length in zip(values, LENGTHS, strict=True)]


def padded(rows: list[list[float]]) -> list[list[float]]:
    return [row + [0.0] * (WIDTH - len(row)) for row in rows]


def test_answers_without_their_end_pay() -> None:
    scores = penalised_scores(torch.tensor([2.0, 2.0]), torch.tensor([True, False]), 3.0)
    assert scores.tolist() == [2.0, -1.0]


def test_the_score_comes_at_the_last_token_and_divergence_costs_at_each() -> None:
    logprobs, reference = draw(1), draw(2)
    scores = torch.tensor([10.0, -20.0, 30.0, -40.0], dtype=torch.float64)
    found = shaped_rewards(scores, logprobs, reference, MASK, 0.5)
    paid = [
        [-0.5 * (ours - theirs) for ours, theirs in zip(*pair, strict=True)]
        for pair in zip(answers(logprobs), answers(reference), strict=True)
    ]
    close(found.non_score, padded(paid))
    for row, score in zip(paid, scores.tolist(), strict=True):
        row[-1] += score
    close(found.total, padded(paid))


@pytest.mark.parametrize("shift_mean", [True, False])
def test_whitening_counts_the_tokens_of_answers_alone(shift_mean: bool) -> None:
    values = draw(3, 4.0) + 7
    flat = [number for row in answers(values) for number in row]
    mean = math.fsum(flat) / len(flat)
    deviation = math.sqrt(math.fsum((number - mean) ** 2 for number in flat) / len(flat) + 1e-8)
    expected = [
        [(number - mean) / deviation + (0 if shift_mean else mean) for number in row]
        for row in answers(values)
    ]
    close(whiten(values, MASK, shift_mean), padded(expected))


def slow_advantages(rewards: list[float], values: list[float], gamma: float, lam: float) -> list[float]:
    """Equation 16 of the GAE paper as a double sum."""
    ahead = [*values[1:], 0.0]
    deltas = [r + gamma * after - v for r, v, after in zip(rewards, values, ahead, strict=True)]
    return [
        math.fsum((gamma * lam) ** (k - t) * deltas[k] for k in range(t, len(deltas)))
        for t in range(len(deltas))
    ]


@pytest.mark.parametrize(
    ("gamma", "lam"), [(1.0, 0.95), (0.9, 0.5), (1.0, 0.0), (1.0, 1.0)],
    ids=["paper", "both", "one_step", "whole_return"],
)  # fmt: skip
def test_advantages_are_the_sum_of_what_is_to_come(gamma: float, lam: float) -> None:
    rewards, values = draw(4), draw(5)
    found, returns = advantages_and_returns(rewards, values, MASK, gamma, lam)
    pairs = zip(answers(rewards), answers(values), strict=True)
    expected = [slow_advantages(r, v, gamma, lam) for r, v in pairs]
    close(found, padded(expected))
    close(returns, found + values * MASK)


def test_without_discount_and_lambda_1_a_return_is_the_sum_of_rewards() -> None:
    rewards = draw(4)
    _, returns = advantages_and_returns(rewards, draw(5), MASK, 1.0, 1.0)
    expected = [[math.fsum(row[at:]) for at in range(len(row))] for row in answers(rewards)]
    close(returns, padded(expected))


def test_kl_estimates_agree_with_the_exact_divergence() -> None:
    generator = torch.Generator().manual_seed(0)
    old, new = (torch.randn(6, generator=generator).double().log_softmax(0) for _ in range(2))
    exact = float((old.exp() * (old - new)).sum())
    everything = torch.ones(1, 6, dtype=torch.bool)
    kls = approximate_kls(new[None], old[None], everything)
    for kl in (kls.k1, kls.k3):  # their mean over what the old distribution draws
        assert float((old.exp() * kl[0]).sum()) == pytest.approx(exact)
    assert kls.k3.min() >= 0
    assert float(approximate_kls(draw(1), draw(2), MASK).k2[~MASK].abs().max()) == 0
    close(kls.k2, 0.5 * (new - old)[None].square())


def gradient_by_differences(loss: Callable[[list[list[float]]], float], at: Tensor) -> list[list[float]]:
    """Central differences of a function of plain numbers."""
    step, rows = 1e-6, at.tolist()
    found = [[0.0] * WIDTH for _ in rows]
    for i, row in enumerate(rows):
        for j, before in enumerate(row):
            sides = []
            for moved in (before + step, before - step):
                row[j] = moved
                sides.append(loss(rows))
            row[j] = before
            found[i][j] = (sides[0] - sides[1]) / (2 * step)
    return found


def slow_policy_loss(new: list[list[float]], old: Tensor, advantages: Tensor) -> tuple[float, float]:
    """(loss, share of tokens that are clipped)."""
    terms, clipped = [], 0
    for row, length in enumerate(LENGTHS):
        for t in range(length):
            ratio = math.exp(new[row][t] - float(old[row, t]))
            advantage = float(advantages[row, t])
            held = min(max(ratio, 1 - CLIP), 1 + CLIP)
            terms.append(-min(ratio * advantage, held * advantage))
            clipped += held * advantage < ratio * advantage
    return math.fsum(terms) / TOKENS, clipped / TOKENS


def slow_value_loss(
    new: list[list[float]], old: Tensor, returns: Tensor, clip: float | None
) -> tuple[float, float]:
    terms, clipped = [], 0
    for row, length in enumerate(LENGTHS):
        for t in range(length):
            plain = (new[row][t] - float(returns[row, t])) ** 2
            worst = plain
            if clip is not None:
                move = min(max(new[row][t] - float(old[row, t]), -clip), clip)
                worst = max(plain, (float(old[row, t]) + move - float(returns[row, t])) ** 2)
            clipped += worst > plain
            terms.append(worst / 2)
    return math.fsum(terms) / TOKENS, clipped / TOKENS


def test_the_policy_loss_and_its_gradient() -> None:
    old, advantages = draw(6), draw(7)
    new = (old + draw(8, 0.3)).requires_grad_()
    found = policy_loss(new, old, advantages, MASK, CLIP, TOKENS)
    loss, clipped = slow_policy_loss(new.tolist(), old, advantages)
    assert 0 < clipped < 1  # both branches are seen
    close(found.loss.detach(), loss)
    assert float(found.clip_fraction) == pytest.approx(clipped)
    (gradient,) = torch.autograd.grad(found.loss, new)
    expected = gradient_by_differences(lambda rows: slow_policy_loss(rows, old, advantages)[0], new.detach())
    torch.testing.assert_close(gradient, torch.tensor(expected, dtype=torch.float64), atol=1e-8, rtol=1e-6)
    ratios = [math.exp(a - b) for a, b in zip(new[MASK].tolist(), old[MASK].tolist(), strict=True)]
    assert float(found.ratio) == pytest.approx(sum(ratios) / TOKENS)
    assert float(found.approximate_kl) == pytest.approx(sum(math.log(r) ** 2 / 2 for r in ratios) / TOKENS)


@pytest.mark.parametrize("clip", [0.2, None], ids=["clipped", "free"])
def test_the_value_loss_and_its_gradient(clip: float | None) -> None:
    old, returns = draw(9), draw(10)
    new = (old + draw(11, 0.4)).requires_grad_()
    found = value_loss(new, old, returns, MASK, clip, TOKENS)
    loss, clipped = slow_value_loss(new.tolist(), old, returns, clip)
    close(found.loss.detach(), loss)
    assert float(found.clip_fraction) == pytest.approx(clipped)
    assert (clipped > 0) == (clip is not None)
    (gradient,) = torch.autograd.grad(found.loss, new)
    expected = gradient_by_differences(
        lambda rows: slow_value_loss(rows, old, returns, clip)[0], new.detach()
    )
    torch.testing.assert_close(gradient, torch.tensor(expected, dtype=torch.float64), atol=1e-8, rtol=1e-6)


@pytest.mark.parametrize("advantage", [1.0, -1.0], ids=["good", "bad"])
def test_before_the_first_update_the_gradient_is_that_of_reinforce(advantage: float) -> None:
    logprobs = draw(12).requires_grad_()
    found = policy_loss(logprobs, logprobs.detach(), torch.full_like(logprobs, advantage), MASK, CLIP, TOKENS)
    (gradient,) = torch.autograd.grad(found.loss, logprobs)
    close(gradient, -advantage * MASK.double() / TOKENS)
    assert (float(found.ratio), float(found.approximate_kl)) == (pytest.approx(1.0), 0.0)


def test_micro_batches_add_up() -> None:
    old, new, other = draw(6), draw(7, 0.1), draw(8)
    whole = policy_loss(old + new, old, other, MASK, CLIP, TOKENS)
    parts = [
        policy_loss((old + new)[rows], old[rows], other[rows], MASK[rows], CLIP, TOKENS)
        for rows in (slice(0, 1), slice(1, 4))
    ]
    for figure, *shares in zip(whole, *parts, strict=True):
        close(figure, float(sum(shares)))
