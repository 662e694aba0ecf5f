"""The model: init, causality, padding, dropout, head, and the scalar head."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from model.gpt import GPT, ScalarGPT
from model.gpt_config import GPTConfig
from model.kv_cache import places

BANDED = GPTConfig(vocab_size=50, context=48, n_layer=4, n_head=2, d_model=16, band=5)
SHAPES = [
    pytest.param(BANDED, id="banded"),
    pytest.param(replace(BANDED, band=None, qkv_bias=True), id="dense"),
]


def lively(config: GPTConfig, seed: int = 0) -> GPT:
    """A model with weights so large that every layer shows in the result."""
    torch.manual_seed(seed)
    model = GPT(config).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model


def drawn_ids(rows: int, length: int, vocab_size: int = 50) -> Tensor:
    return torch.randint(vocab_size, (rows, length), generator=torch.Generator().manual_seed(length))


def test_init_is_gpt2s() -> None:
    torch.manual_seed(0)
    config = GPTConfig(
        vocab_size=1000, context=256, n_layer=8, n_head=4, d_model=128, qkv_bias=True, band=None
    )
    for name, parameter in GPT(config).named_parameters():
        if name == "wte.weight":
            assert parameter[1000:].count_nonzero() == 0
            parameter = parameter[:1000]
        if parameter.dim() == 2:
            expected = 0.02 / math.sqrt(2 * 8) if "proj" in name else 0.02
            assert parameter.std().item() == pytest.approx(expected, rel=0.05), name
            assert abs(parameter.mean().item()) < 0.001, name
        else:
            assert parameter.unique().tolist() == [0.0 if name.endswith("bias") else 1.0], name


@pytest.mark.parametrize("config", SHAPES)
def test_no_token_sees_a_later_one(config: GPTConfig) -> None:
    model, ids = lively(config), drawn_ids(1, 20)
    changed = ids.clone()
    changed[0, 12] = (ids[0, 12] + 1) % 50
    before, after = model(ids), model(changed)
    torch.testing.assert_close(before[:, :12], after[:, :12], rtol=0, atol=0)
    assert (before[:, 12:] - after[:, 12:]).abs().amax(-1).min() > 1e-4


def test_a_local_layer_looks_no_further_than_its_band() -> None:
    """With the dense layer silenced, a change reaches the band's width and no further."""
    model = lively(replace(BANDED, n_layer=2))
    for parameter in model.blocks[0].attn.proj.parameters():
        torch.nn.init.zeros_(parameter)
    ids = drawn_ids(1, 20)
    changed = ids.clone()
    changed[0, 6] = (ids[0, 6] + 1) % 50
    moved = (model(ids) - model(changed)).abs().amax(-1)[0] > 1e-5
    assert moved.nonzero().flatten().tolist() == [6, 7, 8, 9, 10]


@pytest.mark.parametrize("config", SHAPES)
@pytest.mark.parametrize("route", ["sdpa", "reference"])
def test_a_forced_route_gives_the_same_gradients(config: GPTConfig, route: str) -> None:
    model, ids = lively(config), drawn_ids(2, 23)
    found = []
    for forced in ("auto", route):
        model.route = forced  # type: ignore[assignment]
        model.zero_grad()
        model.logits(model(ids)).logsumexp(-1).mean().backward()
        found.append([parameter.grad for parameter in model.parameters()])
    torch.testing.assert_close(*found, atol=1e-6, rtol=1e-4)


def test_a_route_that_does_not_exist_is_refused() -> None:
    model = lively(BANDED)
    model.route = "flash"  # type: ignore[assignment]
    with pytest.raises(ValueError, match="attention route must be one of"):
        model(drawn_ids(1, 4))


@pytest.mark.parametrize("config", SHAPES)
@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_changes_nothing(config: GPTConfig, side: str) -> None:
    model, lengths = lively(config), [17, 3, 9]
    rows = [drawn_ids(1, length) for length in lengths]
    padded = torch.full((3, 17), 49)
    positions = places(torch.tensor(lengths), 17, side)  # type: ignore[arg-type]
    for row, ids in enumerate(rows):
        padded[row, positions[row] >= 0] = ids[0]
    hidden = model(padded, positions)
    for row, ids in enumerate(rows):
        torch.testing.assert_close(hidden[row, positions[row] >= 0], model(ids)[0], atol=2e-6, rtol=1e-5)
    assert hidden.isfinite().all()


def test_padding_on_the_right_needs_no_positions() -> None:
    model, ids = lively(BANDED), drawn_ids(1, 9)
    padded = torch.cat((ids, torch.full((1, 8), 49)), dim=1)
    torch.testing.assert_close(model(padded)[:, :9], model(ids), atol=2e-6, rtol=1e-5)


def test_a_row_longer_than_the_context_is_refused() -> None:
    with pytest.raises(ValueError, match="49 tokens exceed the context of 48: trim or refuse"):
        lively(BANDED)(drawn_ids(1, 49))


def test_dropout_is_on_the_residual_branches_alone() -> None:
    model = lively(replace(BANDED, resid_dropout=0.5))
    ids = drawn_ids(2, 9)
    assert torch.equal(model(ids), model(ids))
    model.train()
    assert not torch.equal(model(ids), model(ids))
    for block in model.blocks:
        for parameter in (*block.attn.proj.parameters(), *block.mlp.proj.parameters()):
            torch.nn.init.zeros_(parameter)
    embedded = model.ln_f(model.wte(ids) + model.wpe(torch.arange(9)))
    assert torch.equal(model(ids), embedded)


def test_the_head_is_the_embedding_table_without_its_padding() -> None:
    model = lively(BANDED)
    hidden = model(drawn_ids(2, 7))
    logits = model.logits(hidden)
    assert (model.wte.weight.shape, logits.shape) == ((128, 16), (2, 7, 50))
    torch.testing.assert_close(logits, hidden @ model.wte.weight[:50].T)
    logits.logsumexp(-1).sum().backward()
    assert model.wte.weight.grad is not None
    assert model.wte.weight.grad[50:].count_nonzero() == 0


@pytest.mark.slow
def test_the_training_forward_compiles_without_a_break() -> None:
    model, ids = lively(BANDED), drawn_ids(2, 23)
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(ids), model(ids))


def test_a_scalar_model_scores_every_token_in_fp32() -> None:
    scorer = ScalarGPT(lively(BANDED))
    ids = drawn_ids(3, 11)
    hidden = scorer.trunk(ids)
    torch.testing.assert_close(scorer(ids), hidden @ scorer.score.weight[0])
    scores = scorer.to(torch.bfloat16)(ids)
    assert (scores.shape, scores.dtype) == ((3, 11), torch.float32)
    assert scorer.config is scorer.trunk.config


def test_a_score_does_not_change_with_padding_on_the_right() -> None:
    scorer = ScalarGPT(lively(BANDED))
    ids = drawn_ids(1, 9)
    padded = torch.cat((ids, torch.full((1, 8), 49)), dim=1)
    torch.testing.assert_close(scorer(padded)[:, :9], scorer(ids), atol=2e-6, rtol=1e-5)


def test_the_scalar_head_begins_with_unit_variance() -> None:
    torch.manual_seed(0)
    trunk = GPT(replace(BANDED, d_model=512, n_layer=1))
    heads = torch.cat([ScalarGPT(trunk).score.weight for _ in range(8)])
    assert heads.std().item() == pytest.approx(1 / math.sqrt(513), rel=0.05)
