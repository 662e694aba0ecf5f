"""The loss of a step against a plain loop over its tokens."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from model.data import DataError, PackedRows
from model.dialogue_rows import ANSWER, PROMPT, TEXT, TokenRows, token_rows
from model.gpt import GPT
from model.gpt_config import GPTConfig
from model.losses import lm_loss
from model.sft_batches import Row, SFTData, kind_weights, open_texts, step_batch
from model.sft_config import MixConfig
from tests.model.packed import small_dataset

SHAPE = GPTConfig(vocab_size=40, context=16, n_layer=2, n_head=2, d_model=16, band=4)
PAD = 39


def row(length: int, answer: int, kind: int = ANSWER, seed: int = 0) -> Row:
    kinds = [PROMPT if kind == ANSWER else kind] * (length - answer) + [kind] * answer
    ids = np.random.default_rng(100 * length + seed).integers(0, 38, length)
    return Row(ids.astype(np.int32), np.array(kinds, np.uint8))


DEMONSTRATIONS = [row(5, 2), row(12, 7), row(9, 1), row(3, 2, seed=1)]
MIXED = [*DEMONSTRATIONS, row(17, 17, TEXT), row(17, 17, TEXT, seed=1)]


def by_loop(model: GPT, rows: Sequence[Row], prompt_loss: float) -> Tensor:
    """Row by row without padding, token by token: each kind's mean, weighted by its rows."""
    nats: dict[int, list[Tensor]] = {PROMPT: [], ANSWER: [], TEXT: []}
    for ids, kinds in rows:
        logits = model.logits(model(torch.from_numpy(ids[None, :-1]).long()))[0]
        for place in range(1, len(ids)):
            nats[kinds[place]].append(-logits[place - 1].log_softmax(-1)[ids[place]])
    texts = sum(r.kinds[0] == TEXT for r in rows) / len(rows)
    mean = {kind: torch.stack(values).mean() if values else torch.zeros(()) for kind, values in nats.items()}
    return (1 - texts) * (mean[ANSWER] + prompt_loss * mean[PROMPT]) + texts * mean[TEXT]


def in_micro_batches(model: GPT, rows: Sequence[Row], prompt_loss: float, budget: int, size: int) -> Tensor:
    weights = kind_weights(rows, prompt_loss)
    losses = [
        lm_loss(
            model, model(micro.ids).flatten(0, 1)[micro.places], micro.targets, micro.weights, divisor=1.0
        )
        for rank in range(size)
        for micro in step_batch(rows, weights, budget, PAD, rank, size).micros
    ]
    return torch.stack(losses).sum()


@pytest.mark.parametrize("budget", [1, 24, 1000], ids=["a row each", "some", "all at once"])
@pytest.mark.parametrize("size", [1, 3], ids=["one process", "three"])
@pytest.mark.parametrize(
    ("rows", "prompt_loss"),
    [(DEMONSTRATIONS, 0.0), (DEMONSTRATIONS, 0.5), (MIXED, 0.0), (MIXED, 0.5), (MIXED[4:], 0.0)],
    ids=["answers", "prompts too", "mixed", "mixed, prompts too", "texts alone"],
)
def test_value_and_gradient_are_those_of_the_plain_loop(
    rows: list[Row], prompt_loss: float, budget: int, size: int
) -> None:
    torch.manual_seed(0)
    model = GPT(SHAPE)
    expected = by_loop(model, rows, prompt_loss)
    wanted = torch.autograd.grad(expected, list(model.parameters()))
    found = in_micro_batches(model, rows, prompt_loss, budget, size)
    got = torch.autograd.grad(found, list(model.parameters()))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    for ours, theirs in zip(got, wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-6)


def test_the_head_sees_no_prompt_and_no_padding() -> None:
    (micro,) = step_batch(DEMONSTRATIONS, kind_weights(DEMONSTRATIONS, 0.0), 1000, PAD, 0, 1).micros
    assert len(micro.places) == sum((r.kinds == ANSWER).sum() for r in DEMONSTRATIONS)
    assert micro.weights.sum() == pytest.approx(1.0)


def numbered_rows(n: int) -> TokenRows:
    return token_rows(([i, i, i] for i in range(n)), ([PROMPT, ANSWER, ANSWER] for _ in range(n)))


def test_every_epoch_has_its_share_of_texts_and_no_text_twice_before_all(tmp_path: Path) -> None:
    texts = PackedRows(small_dataset(tmp_path / "texts"), "train")  # 64 rows; row r begins with r mod 97
    data = SFTData(numbered_rows(36), texts, 0.25, plan_rows=8, epochs=6, seed=3)
    assert (data.n_texts, data.plan.items) == (12, 48)
    seen = []
    for epoch in range(6):
        steps = [step for step in range(data.plan.steps) if data.plan.epoch(step) == epoch]
        rows = [r for step in steps for r in data.step(step)]
        assert sorted(int(r.ids[0]) for r in rows if r.kinds[-1] == ANSWER) == list(range(36))
        seen += [int(r.ids[0]) for r in rows if r.kinds[-1] == TEXT]
    assert len(seen) == 72
    assert sorted(seen[:60]) == sorted(set(seen[:60]))
    assert any(r.kinds[-1] == TEXT for r in data.step(0)) or any(r.kinds[-1] == TEXT for r in data.step(1))


def test_texts_longer_than_the_context_are_refused(tmp_path: Path) -> None:
    config = MixConfig(str(small_dataset(tmp_path / "texts")))
    assert open_texts(config, 97, 16).length == 17
    with pytest.raises(DataError, match="rows of 17 tokens, but the model's context is 15"):
        open_texts(config, 97, 15)
