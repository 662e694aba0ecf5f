import numpy as np
import pytest
import torch

from model.dialogue_rows import token_rows
from model.gpt import GPT, ScalarGPT
from model.gpt_config import GPTConfig
from model.scoring import score_rows, shift_scores

ROWS = [np.arange(1 + i, 1 + 2 * i + 2) % 40 for i in range(12)]


@pytest.fixture
def model() -> ScalarGPT:
    torch.manual_seed(0)
    shape = GPTConfig(vocab_size=40, context=32, n_layer=2, n_head=2, d_model=16, band=4, resid_dropout=0.5)
    return ScalarGPT(GPT(shape))


@pytest.mark.parametrize("budget", [1, 40, 1000])
def test_neither_padding_nor_neighbours_change_a_score(model: ScalarGPT, budget: int) -> None:
    model.train()
    rows = token_rows(ROWS, ROWS)
    found = score_rows(model, rows, budget, pad=39)
    assert model.training
    model.eval()
    with torch.no_grad():
        alone = [model(torch.from_numpy(row)[None])[0, -1].item() for row in ROWS]
    np.testing.assert_allclose(found, alone, atol=1e-6)
    shares = [score_rows(model, rows, budget, 39, rank, 3) for rank in range(3)]
    np.testing.assert_array_equal(sum(shares), found)
    assert all(np.count_nonzero(share) < len(ROWS) for share in shares) or budget == 1000


@pytest.mark.parametrize("by", [3.0, -0.25])
def test_a_shift_moves_every_score_alike(model: ScalarGPT, by: float) -> None:
    rows = token_rows(ROWS, ROWS)
    before = score_rows(model, rows, 1000, pad=39)
    shift_scores(model, by)
    np.testing.assert_allclose(score_rows(model, rows, 1000, pad=39), before + by, atol=2e-6)


def test_a_head_of_zeros_cannot_shift(model: ScalarGPT) -> None:
    torch.nn.init.zeros_(model.score.weight)
    with pytest.raises(ValueError, match="all zero"):
        shift_scores(model, 1.0)
