import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from model.pair_loss import element_weights, pair_loss, ranked_pairs

Judgement = list[int | None]


def by_loop(scores: list[Tensor], judgements: list[list[Judgement]], weights: list[list[float]]) -> Tensor:
    """The loss pair by pair, from the paper's formula: scores of each prompt's answers, its judgements' ranks."""
    means = []
    for of_prompt, ranked, judged in zip(scores, judgements, weights, strict=True):
        total, count = torch.zeros((), dtype=torch.float64), 0.0
        for ranks, weight in zip(ranked, judged, strict=True):
            for i, j in itertools.combinations(range(len(ranks)), 2):
                a, b = ranks[i], ranks[j]
                if a is None or b is None or a == b:
                    continue
                margin = of_prompt[i] - of_prompt[j] if a < b else of_prompt[j] - of_prompt[i]
                total = total - weight * torch.log(1 / (1 + torch.exp(-margin)))
                count += weight
        if count:
            means.append(total / count)
    return torch.stack(means).mean()


FULL, STAR, TIES = [2, 1, 4, 3], [1, 2, 2, 2], [1, 1, 2, None]
CASES: dict[str, list[list[Judgement]]] = {
    "full rankings": [[FULL], [[1, 2]], [[3, 2, 1]]],
    "a star, and ties": [[STAR], [TIES]],
    "two judges of a prompt": [[FULL, [1, 2, 3, 4]], [[1, 2]]],
    "a prompt without a pair": [[[1, 1]], [[None, 1]], [[1, 2]]],
}


@pytest.mark.parametrize("judgements", CASES.values(), ids=CASES)
def test_value_and_gradient_are_those_of_the_plain_loop(judgements: list[list[Judgement]]) -> None:
    torch.manual_seed(0)
    weights = [[1.0 / (1 + n) for n in range(len(ranked))] for ranked in judgements]
    sizes = [len(ranked[0]) for ranked in judgements]
    starts = np.cumsum([0, *sizes])
    plain = [torch.randn(size, dtype=torch.float64, requires_grad=True) for size in sizes]
    pairs = [
        (prompt, starts[prompt] + i, starts[prompt] + j, weight)
        for prompt, ranked in enumerate(judgements)
        for ranks, weight in zip(ranked, weights[prompt], strict=True)
        for i, j in ranked_pairs(ranks)
    ]
    prompt, better, worse, weight = (np.array(column) for column in zip(*pairs, strict=True))
    ours = torch.cat([part.detach() for part in plain]).float().requires_grad_()
    loss = pair_loss(
        ours,
        torch.from_numpy(better),
        torch.from_numpy(worse),
        torch.from_numpy(element_weights(prompt, weight)).float(),
    )
    expected = by_loop(plain, judgements, weights)
    loss.backward()
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    assert ours.grad is not None
    gradient = torch.cat([torch.zeros(len(p)) if p.grad is None else p.grad for p in plain]).float()
    torch.testing.assert_close(ours.grad, gradient, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("k", [2, 4, 9])
def test_a_full_ranking_has_all_pairs(k: int) -> None:
    pairs = ranked_pairs(list(range(1, k + 1)))
    assert len(pairs) == len(set(pairs)) == math.comb(k, 2)
    assert all(better < worse for better, worse in pairs)


def test_far_scores_neither_overflow_nor_lose_their_gradient() -> None:
    scores = torch.tensor([-300.0, 300.0], requires_grad=True)
    loss = pair_loss(scores, torch.tensor([0]), torch.tensor([1]), torch.tensor([1.0]))
    loss.backward()
    assert loss.item() == 600
    assert scores.grad is not None and scores.grad.tolist() == [-1.0, 1.0]


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(0.01, 1.0)), min_size=1, max_size=40))
def test_prompts_weigh_the_same_however_many_pairs_they_have(pairs: list[tuple[int, float]]) -> None:
    element, weight = np.array([e for e, _ in pairs]), np.array([w for _, w in pairs])
    found = element_weights(element, weight)
    for name in np.unique(element):
        mine = found[element == name]
        assert mine.sum() == pytest.approx(1 / len(np.unique(element)))
        np.testing.assert_allclose(mine / mine.sum(), weight[element == name] / weight[element == name].sum())
