"""The prompts of a step of the reward model as micro-batches: whole prompts, each answer in one forward pass."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model.dialogue_rows import padded
from model.judgements import Judged
from model.pair_loss import element_weights
from model.row_order import Rows
from model.step_batches import micro_batches


class PairBatch(NamedTuple):
    """Answers [N, T], the place of each one's last token [N], and pairs of them with their weights [P]."""

    ids: Tensor
    last: Tensor
    better: Tensor
    worse: Tensor
    weights: Tensor


class RewardStep(NamedTuple):
    """This process's micro-batches of a step; of the whole step its tokens without padding, and its pairs."""

    micros: list[PairBatch]
    tokens: int
    pairs: int


def reward_step(judged: Judged, prompts: Rows, budget: int, pad: int, rank: int, size: int) -> RewardStep:
    """The step of these prompts, of which process `rank` of `size` works off its share.

    The weights of the pairs of all micro-batches and processes sum to 1 (`pair_loss.element_weights`).
    """
    # Answers lie by prompt, and so do pairs: each prompt has a stretch of both.
    n = np.arange(len(judged.prompts) + 1)
    answer_at, pair_at = np.searchsorted(judged.prompt_of, n), np.searchsorted(judged.prompt_of_pair, n)
    answers = [np.arange(answer_at[p], answer_at[p + 1]) for p in prompts]
    pairs = [np.arange(pair_at[p], pair_at[p + 1]) for p in prompts]
    lengths = judged.rows.lengths
    longest = np.array([lengths[of_prompt].max() for of_prompt in answers], np.int64)
    all_pairs = np.concatenate(pairs)
    weight = np.zeros(len(judged.better))
    weight[all_pairs] = element_weights(judged.prompt_of_pair[all_pairs], judged.weight[all_pairs])
    counts = np.array([len(of_prompt) for of_prompt in answers], np.int64)
    micros = [
        _pair_batch(
            judged,
            np.concatenate([answers[i] for i in part]),
            np.concatenate([pairs[i] for i in part]),
            weight,
            pad,
        )
        for part in micro_batches(longest, budget, counts)[rank::size]
    ]
    return RewardStep(micros, int(lengths[np.concatenate(answers)].sum()), len(all_pairs))


def _pair_batch(
    judged: Judged, answers: Rows, pairs: Rows, weight: npt.NDArray[np.float64], pad: int
) -> PairBatch:
    place = {int(answer): number for number, answer in enumerate(answers)}
    ids = padded([judged.rows.row(int(answer)) for answer in answers], pad)
    return PairBatch(
        ids,
        torch.from_numpy(judged.rows.lengths[answers] - 1),
        torch.tensor([place[int(a)] for a in judged.better[pairs]]),
        torch.tensor([place[int(a)] for a in judged.worse[pairs]]),
        torch.from_numpy(weight[pairs]).float(),
    )
