"""A step of the reward model in micro-batches against each prompt's answers by themselves."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from model.gpt import GPT, ScalarGPT
from model.gpt_config import GPTConfig
from model.judgements import Judged, read_judgements
from model.pair_loss import pair_loss
from model.reward_batches import reward_step
from model.scoring import last_scores
from model.tokenizer import load_tokenizer
from tests.model.checkpoints import byte_tokenizer
from tests.model.dialogues import comparison_table, judgement

ROWS = [
    judgement("q", {"a": 1, "bbbb": 2, "cc": 3, "ddddddd": 4}),
    judgement("rrrrrrr", {"a": 2, "b": 1}, weight=0.5),
    judgement("rrrrrrr", {"a": 1, "b": 2, "ccccc": 3}),
    judgement("s", {"aaaaaaaaaaaa": 1, "b": 2, "c": None, "d": 2}),
]
PAD = 257


@pytest.fixture
def judged(tmp_path: Path) -> Judged:
    byte_tokenizer(tmp_path)
    return read_judgements(comparison_table(ROWS), load_tokenizer(tmp_path, "right"), 32, "drop")


@pytest.fixture
def model() -> ScalarGPT:
    torch.manual_seed(0)
    return ScalarGPT(GPT(GPTConfig(vocab_size=262, context=32, n_layer=2, n_head=2, d_model=16, band=4)))


def by_loop(model: ScalarGPT, judged: Judged, prompts: list[int]) -> Tensor:
    """Every answer in a pass of its own; each prompt's weighted mean over its pairs, then the mean over prompts."""
    means = []
    for prompt in prompts:
        total, weight = torch.zeros(()), 0.0
        for p in np.flatnonzero(judged.prompt_of_pair == prompt):
            better, worse = (
                model(torch.from_numpy(judged.rows.row(int(answer))[None]).long())[0, -1]
                for answer in (judged.better[p], judged.worse[p])
            )
            total = total + judged.weight[p] * -torch.log(torch.sigmoid(better - worse))
            weight += float(judged.weight[p])
        means.append(total / weight)
    return torch.stack(means).mean()


@pytest.mark.parametrize("prompts", [[0, 1, 2], [2, 0], [1]])
@pytest.mark.parametrize("budget", [1, 70, 10_000], ids=["a prompt each", "some", "all at once"])
@pytest.mark.parametrize("size", [1, 2], ids=["one process", "two"])
def test_value_and_gradient_are_those_of_the_plain_loop(
    model: ScalarGPT, judged: Judged, prompts: list[int], budget: int, size: int
) -> None:
    expected = by_loop(model, judged, prompts)
    wanted = torch.autograd.grad(expected, list(model.parameters()))
    losses = []
    for rank in range(size):
        for micro in reward_step(judged, np.array(prompts), budget, PAD, rank, size).micros:
            scores = last_scores(model, micro.ids, micro.last)
            losses.append(pair_loss(scores, micro.better, micro.worse, micro.weights))
    found = torch.stack(losses).sum()
    got = torch.autograd.grad(found, list(model.parameters()))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    for ours, theirs in zip(got, wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-6)


def test_a_prompts_answers_stay_together_and_are_read_once(judged: Judged) -> None:
    step = reward_step(judged, np.arange(3), 1, PAD, 0, 1)
    assert sorted(len(micro.ids) for micro in step.micros) == [3, 3, 4]  # the unjudged answer is not read
    assert (step.pairs, step.tokens) == (len(judged.better), int(judged.rows.lengths.sum()))
    assert sum(float(micro.weights.sum()) for micro in step.micros) == pytest.approx(1.0)
