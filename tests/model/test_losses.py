from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from model import losses
from model.gpt import GPT
from model.gpt_config import GPTConfig
from model.losses import IGNORE, lm_loss, token_logprobs

CONFIG = GPTConfig(vocab_size=61, context=8, n_layer=1, n_head=2, d_model=12, band=None)
ROWS, LENGTH = 3, 7


@pytest.fixture(autouse=True)
def chunks_of_four(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "CHUNK_CPU", 4)  # 21 tokens: five whole chunks and one of a single token


@pytest.fixture
def model() -> GPT:
    torch.manual_seed(0)
    made = GPT(CONFIG)
    with torch.no_grad():
        made.wte.weight.normal_()  # padding rows too: they must not count
    return made


def inputs() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    hidden = torch.randn(ROWS, LENGTH, CONFIG.d_model, generator=generator, requires_grad=True)
    return hidden, torch.randint(CONFIG.vocab_size, (ROWS, LENGTH), generator=generator)


def plain(model: GPT, hidden: Tensor, targets: Tensor, weights: Tensor, divisor: float) -> Tensor:
    """All logits at once, by the library's own cross-entropy."""
    each = F.cross_entropy(model.logits(hidden).flatten(0, 1), targets.flatten(), reduction="none")
    return (each * weights.flatten()).sum() / divisor


def gradients(model: GPT, hidden: Tensor, loss: Tensor) -> tuple[Tensor, Tensor]:
    found = torch.autograd.grad(loss, [hidden, model.wte.weight])
    return found[0], found[1]


@pytest.mark.parametrize(
    ("mask", "divisor"),
    [
        (None, None),
        (None, 100.0),
        (torch.arange(ROWS * LENGTH).view(ROWS, LENGTH) % 2, None),
        (torch.linspace(0, 2, ROWS * LENGTH).view(ROWS, LENGTH), 5.0),
    ],
    ids=["mean", "divisor_of_a_larger_batch", "every_second_token", "weighted_tokens"],
)
def test_loss_and_gradients_equal_the_plain_ones(
    model: GPT, mask: Tensor | None, divisor: float | None
) -> None:
    hidden, targets = inputs()
    weights = torch.ones(ROWS, LENGTH) if mask is None else mask.float()
    expected = plain(model, hidden, targets, weights, divisor or float(weights.sum()))
    found = lm_loss(model, hidden, targets, mask, divisor)
    torch.testing.assert_close(found, expected)
    for ours, theirs in zip(
        gradients(model, hidden, 3 * found), gradients(model, hidden, 3 * expected), strict=True
    ):
        torch.testing.assert_close(ours, theirs)


def test_ignored_targets_carry_no_loss(model: GPT) -> None:
    hidden, targets = inputs()
    ignored = targets.clone()
    ignored[:, :3] = IGNORE
    mask = torch.ones(ROWS, LENGTH)
    mask[:, :3] = 0
    torch.testing.assert_close(lm_loss(model, hidden, ignored), lm_loss(model, hidden, targets, mask))


def test_nothing_counted_is_no_loss_and_no_nan(model: GPT) -> None:
    hidden, targets = inputs()
    loss = lm_loss(model, hidden, targets, torch.zeros(ROWS, LENGTH))
    assert loss.item() == 0
    assert gradients(model, hidden, loss)[0].abs().sum() == 0


def test_padding_rows_of_the_head_get_no_gradient(model: GPT) -> None:
    hidden, targets = inputs()
    _, weight = gradients(model, hidden, lm_loss(model, hidden, targets))
    assert weight[CONFIG.vocab_size :].abs().max() == 0
    assert weight[: CONFIG.vocab_size].abs().min() > 0


@pytest.mark.parametrize(
    "loss",
    [
        lambda m, h, t: lm_loss(m, h, t),
        lambda m, h, t: token_logprobs(m, h, t)[0].sum(),
    ],
    ids=["lm_loss", "token_logprobs"],
)
def test_nothing_as_large_as_the_logits_is_kept(
    model: GPT, loss: Callable[[GPT, Tensor, Tensor], Tensor]
) -> None:
    hidden, targets = inputs()
    kept: list[int] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.numel()) or t, lambda t: t):
        loss(model, hidden, targets)
    rest = [size for size in kept if size != model.wte.weight.numel()]
    assert kept
    assert max(rest, default=0) < ROWS * LENGTH * CONFIG.vocab_size / 4


def test_without_gradients_only_the_loss_is_made(model: GPT) -> None:
    hidden, targets = inputs()
    with torch.no_grad():
        found = lm_loss(model, hidden, targets)
    assert not found.requires_grad
    torch.testing.assert_close(found, lm_loss(model, hidden, targets).detach())


def test_the_form_for_the_compiler_equals_the_form_for_the_cpu() -> None:
    logits, ids, scale = torch.randn(5, 128), torch.randint(100, (5,)), torch.rand(5)
    fused = losses._loss_and_gradient_pointwise(logits, ids, scale, 100)
    in_place = losses._loss_and_gradient(logits.clone(), ids, scale, 100)
    for ours, theirs in zip(fused, in_place, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_low_precision_loss_is_summed_in_fp32(model: GPT) -> None:
    hidden, targets = inputs()
    expected = lm_loss(model, hidden, targets)
    found = lm_loss(model.bfloat16(), hidden.bfloat16(), targets)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=0.02, atol=0.0)


@pytest.mark.parametrize("temperature", [1.0, 0.7], ids=["plain", "cooler"])
def test_token_logprobs_equal_the_plain_ones(model: GPT, temperature: float) -> None:
    hidden, targets = inputs()
    logprobs = (model.logits(hidden) / temperature).log_softmax(-1)
    expected = logprobs.gather(2, targets[..., None]).squeeze(2)
    entropy = torch.distributions.Categorical(logits=logprobs).entropy()
    found = token_logprobs(model, hidden, targets, temperature)
    torch.testing.assert_close(found[0], expected)
    torch.testing.assert_close(found[1], entropy)
    weights = torch.linspace(-1, 2, ROWS * LENGTH).view(ROWS, LENGTH)
    for ours, theirs in zip(
        gradients(model, hidden, (found[0] * weights + found[1]).sum()),
        gradients(model, hidden, (expected * weights + entropy).sum()),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs)
