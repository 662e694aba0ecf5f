"""Scores of whole answers by a reward model, and the shift that says what scores 0."""

from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from model.dialogue_rows import TokenRows, padded
from model.gpt import ScalarGPT
from model.step_batches import micro_batches


def last_scores(forward: nn.Module, ids: Tensor, last: Tensor) -> Tensor:
    """The score at each row's last token, fp32 [N]; rows [N, T] are padded on the right, `last` [N] are places.

    Nothing after the last token is seen by it, so padding needs no mask.
    """
    scores: Tensor = forward(ids)
    return scores.gather(1, last[:, None]).squeeze(1)


@torch.no_grad()
def score_rows(
    model: ScalarGPT, rows: TokenRows, budget: int, pad: int, rank: int = 0, size: int = 1
) -> npt.NDArray[np.float32]:
    """The score at the last token of every row, in evaluation mode, `budget` tokens of padded rows at a time.

    Of several processes, each scores its share and leaves 0 for the others': sum them.
    """
    device = model.score.weight.device
    was_training = model.training
    model.eval()
    found = np.zeros(len(rows.lengths), np.float32)
    for part in micro_batches(rows.lengths, budget)[rank::size]:
        ids = padded([rows.row(int(row)) for row in part], pad).to(device)
        last = torch.from_numpy(rows.lengths[part] - 1).to(device)
        found[part] = last_scores(model, ids, last).float().cpu().numpy()
    model.train(was_training)
    return found


@torch.no_grad()
def shift_scores(model: ScalarGPT, by: float) -> None:
    """Add `by` to every score, folded into the final norm's bias: stock classes have a head without a bias.

    With w the head's weights, ln_f.bias += by w / (w . w) adds by to w . ln_f(x). It moves any other head on the
    trunk as well: copy a value model before. A ValueError where the head is all zero and can shift nothing.
    """
    w = model.score.weight[0].double()
    square = float(w @ w)
    if square == 0:
        raise ValueError(
            "the scalar head is all zero: scores cannot be shifted; train the reward model first"
        )
    bias = cast(Tensor, model.trunk.ln_f.bias)
    bias.copy_(bias.double() + by * w / square)
