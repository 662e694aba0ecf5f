import numpy as np
import pytest
import torch
from torch import Tensor, nn

from model.gpt import GPT
from model.gpt_config import GPTConfig
from model.losses import lm_loss
from model.optimizer import AdamConfig, NonFiniteError, Optimizer

CONFIG = GPTConfig(vocab_size=40, context=8, n_layer=2, n_head=2, d_model=16, band=4)


def gpt() -> GPT:
    torch.manual_seed(0)
    return GPT(CONFIG)


def rows(step: int) -> Tensor:
    return torch.randint(40, (8, 9), generator=torch.Generator().manual_seed(step))


def train(dtype: torch.dtype, parts: int, steps: int = 3) -> dict[str, Tensor]:
    """Weights after some steps of 8 rows in `parts` micro-steps.

    Adam's default epsilon would make rounding of gradients near 0 as large as a step; this one does not.
    """
    model = gpt()
    optimizer = Optimizer(model, AdamConfig(epsilon=1e-2), dtype)
    for step in range(steps):
        for part in rows(step).chunk(parts):
            loss = lm_loss(model, model(part[:, :-1]), part[:, 1:], divisor=64.0)
            loss.backward()
            optimizer.collect()
        optimizer.step(1e-2)
    return {name: tensor.clone() for name, tensor in optimizer.weights().items()}


@pytest.mark.parametrize("parts", [4, 8], ids=["4x2", "8x1"])
def test_accumulation_equals_one_large_batch(parts: int) -> None:
    whole, split = train(torch.float32, 1), train(torch.float32, parts)
    for name, tensor in whole.items():
        torch.testing.assert_close(split[name], tensor, rtol=1e-5, atol=1e-7, msg=name)


def test_low_precision_gradients_are_added_in_fp32() -> None:
    weight = nn.Linear(1, 1, bias=False)
    optimizer = Optimizer(weight, AdamConfig(clip=1e9), torch.bfloat16)
    for _ in range(1000):  # in bfloat16 a sum of ones stops at 256
        (weight(torch.ones(1, 1, dtype=torch.bfloat16)).sum()).backward()
        optimizer.collect()
    assert optimizer.step(0.0) == 1000


def test_master_weights_keep_what_low_precision_would_lose() -> None:
    layer = nn.Linear(1, 1, bias=False)
    nn.init.constant_(layer.weight, 1.0)
    optimizer = Optimizer(layer, AdamConfig(weight_decay=0.0), torch.bfloat16)
    for _ in range(100):  # one step of 1e-4 is lost beside 1.0 in bfloat16, a hundred are not
        layer(torch.ones(1, 1, dtype=torch.bfloat16)).sum().backward()
        optimizer.collect()
        optimizer.step(1e-4)
    assert layer.weight.dtype == torch.bfloat16
    assert optimizer.weights()["weight"].item() == pytest.approx(0.99, abs=1e-4)
    assert layer.weight.item() == pytest.approx(0.99, abs=4e-3)
    optimizer.release(layer)
    assert layer.weight.item() == pytest.approx(0.99, abs=1e-4)
    assert layer.weight.dtype == torch.float32


def test_steps_are_adamw_with_decay_on_matrices_alone() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(3, 2)
    start = {name: p.detach().double().numpy().copy() for name, p in layer.named_parameters()}
    optimizer = Optimizer(layer, AdamConfig(clip=0.5), torch.float32)
    moments = {name: (np.zeros_like(value), np.zeros_like(value)) for name, value in start.items()}
    for step in range(1, 5):
        (layer(torch.full((1, 3), float(step))) ** 2).sum().backward()
        gradients = {
            name: p.grad.double().numpy() for name, p in layer.named_parameters() if p.grad is not None
        }
        norm = np.sqrt(sum((g**2).sum() for g in gradients.values()))
        assert optimizer.step(0.1) == pytest.approx(norm, rel=1e-5)
        for name, value in start.items():
            gradient = gradients[name] * min(1.0, 0.5 / norm)
            mean, square = moments[name]
            mean += 0.1 * (gradient - mean)
            square += 0.05 * (gradient**2 - square)
            if name == "weight":
                value *= 1 - 0.1 * 0.1
            value -= 0.1 * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.95**step)) + 1e-8)
    for name, tensor in optimizer.weights().items():
        np.testing.assert_allclose(tensor.numpy(), start[name], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
def test_a_state_continues_bit_for_bit(dtype: torch.dtype) -> None:
    def advance(model: GPT, optimizer: Optimizer, steps: range) -> None:
        for step in steps:
            ids = rows(step)
            lm_loss(model, model(ids[:, :-1]), ids[:, 1:]).backward()
            optimizer.collect()
            optimizer.step(1e-2)

    first, second = gpt(), gpt()
    ours, theirs = (Optimizer(model, AdamConfig(), dtype) for model in (first, second))
    advance(first, ours, range(2))
    saved = [{k: v.clone() for k, v in part.items()} for part in (ours.weights(), ours.moments())]
    advance(first, ours, range(2, 4))
    theirs.load_weights(saved[0])
    theirs.load_moments(saved[1])
    advance(second, theirs, range(2, 4))
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("value", [float("nan"), float("inf")], ids=["nan", "infinity"])
def test_a_gradient_that_is_no_number_touches_nothing(value: float) -> None:
    layer = nn.Linear(2, 1)
    optimizer = Optimizer(layer, AdamConfig(), torch.float32)
    before = {name: tensor.clone() for name, tensor in optimizer.weights().items()}
    (layer(torch.ones(1, 2)) * value).sum().backward()
    with pytest.raises(NonFiniteError):
        optimizer.step(0.1)
    assert all(torch.equal(tensor, before[name]) for name, tensor in optimizer.weights().items())
    assert layer.weight.grad is None


def test_a_tied_weight_is_one_weight() -> None:
    weights = Optimizer(gpt(), AdamConfig(), torch.float32).weights()
    assert [name for name, tensor in weights.items() if tensor.shape == (128, 16)] == ["wte.weight"]


@pytest.mark.parametrize("change", ["name", "shape"])
def test_weights_of_another_model_are_refused(change: str) -> None:
    optimizer = Optimizer(nn.Linear(2, 1), AdamConfig(), torch.float32)
    weights = dict(optimizer.weights())
    if change == "name":
        weights["other"] = weights.pop("bias")
    else:
        weights["weight"] = torch.zeros(1, 3)
    with pytest.raises(ValueError, match="of another model"):
        optimizer.load_weights(weights)


@pytest.mark.parametrize(
    ("key", "value"),
    [("beta1", 1.0), ("beta2", -0.1), ("epsilon", 0.0), ("weight_decay", -1.0), ("clip", 0.0)],
)
def test_bad_constants_are_named(key: str, value: float) -> None:
    with pytest.raises(ValueError, match=key):
        AdamConfig(**{key: value})
