"""What runs on CUDA alone, without a GPU: shapes, dtypes and devices, and what is compiled.

Tensors on the meta device go through the very code that a GPU would run and compute nothing. They are as strict about
their arguments: a tensor that was left on the host, a wrong dtype, a number asked of the device is an error.
"""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from model import attention, losses
from model.decoding import _Batch, _Step
from model.gpt import GPT, ScalarGPT
from model.gpt_config import GPTConfig
from model.losses import lm_loss, token_logprobs
from model.pair_loss import pair_loss
from model.sampling import SamplingConfig
from model.scoring import last_scores

BANDED = GPTConfig(vocab_size=300, context=256, n_layer=4, n_head=2, d_model=32, band=64)
Windows = list[tuple[int, int]]


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> Windows:
    """The windows that Flash Attention was called with, each time with what it wants to be called with."""
    called: Windows = []
    flash = attention.varlen_attn

    def noted(*arguments: Any, window_size: tuple[int, int]) -> Any:
        q, _, _, bounds, _, longest, _ = arguments
        assert (bounds.device, bounds.dtype, q.stride(-1)) == (q.device, torch.int32, 1)
        assert len(q) == (len(bounds) - 1) * longest
        called.append(window_size)
        return flash(*arguments, window_size=window_size)

    monkeypatch.setattr(attention, "varlen_attn", noted)
    return called


@pytest.fixture
def model_on_meta(windows: Windows, monkeypatch: pytest.MonkeyPatch) -> GPT:
    """A model in the working dtype of CUDA, on the route and with the loss that are compiled there."""
    monkeypatch.setattr(losses, "_fused_on", lambda device: losses._loss_and_gradient_pointwise)
    return meta_model(BANDED)


def meta_model(shape: GPTConfig) -> GPT:
    with torch.device("meta"):
        model = GPT(shape).to(torch.bfloat16)
    model.route = "varlen"
    return model


def batch(rows: int, length: int) -> Tensor:
    """Ids as a loader's batch arrives."""
    return torch.zeros(rows, length, dtype=torch.int32, device="meta").long()


def test_a_step_of_pretraining(model_on_meta: GPT, windows: Windows) -> None:
    ids = batch(2, 201)
    hidden = model_on_meta(ids[:, :-1])
    loss = lm_loss(model_on_meta, hidden, ids[:, 1:], divisor=400.0)
    loss.backward()
    assert (hidden.dtype, loss.dtype, loss.shape) == (torch.bfloat16, torch.float32, ())
    assert all(p.grad is not None and p.grad.dtype == torch.bfloat16 for p in model_on_meta.parameters())
    assert windows == [(-1, 0), (BANDED.window(1) - 1, 0)] * 2


def test_a_step_of_the_reward_model(model_on_meta: GPT) -> None:
    model = ScalarGPT(model_on_meta)
    last, better, worse = (torch.zeros(n, dtype=torch.int64, device="meta") for n in (4, 3, 3))
    scores = last_scores(model, batch(4, 90), last)
    pair_loss(scores, better, worse, torch.ones(3, device="meta")).backward()
    assert (scores.shape, scores.dtype) == ((4,), torch.float32)
    assert all(p.grad is not None for p in model.parameters())


def test_log_probabilities_of_answers_and_their_gradient(model_on_meta: GPT) -> None:
    ids = batch(2, 150)
    logprobs, entropy = token_logprobs(model_on_meta, model_on_meta(ids), ids)
    (logprobs.sum() + entropy.sum()).backward()
    assert (logprobs.dtype, entropy.shape) == (torch.float32, (2, 150))
    assert model_on_meta.wte.weight.grad is not None


def test_a_tensor_left_on_the_host_is_an_error(model_on_meta: GPT) -> None:
    with pytest.raises(RuntimeError, match="device"):
        lm_loss(model_on_meta, model_on_meta(batch(2, 9)), torch.zeros(2, 9, dtype=torch.int64))


@pytest.mark.parametrize("lengths", [(100, 100, 100), (100, 7, 30)], ids=["of one length", "of many lengths"])
@torch.no_grad()
def test_prompts_are_read_and_tokens_drawn(
    lengths: tuple[int, ...], model_on_meta: GPT, windows: Windows
) -> None:
    config = SamplingConfig(max_new_tokens=20, top_p=0.9, top_k=7, frequency_penalty=1.0)
    prompts = [[1] * n for n in lengths]
    made = _Batch(model_on_meta, prompts, list(range(len(lengths))), config, (0, 3), None)
    tokens = made._draw(made._prefill(), 0)
    logits = _Step(model_on_meta, made.cache)._logits(tokens)
    made._draw(logits, 1)
    assert (logits.device.type, logits.dtype, logits.shape) == ("meta", torch.bfloat16, (3, 300))
    assert {layer.dtype for layer in made.cache.layers} == {torch.bfloat16}
    assert made.logprobs.dtype == torch.float32
    # Where a row has padding its mask rules the kernel out, and so does a single query.
    assert windows == ([(-1, 0), (BANDED.window(1) - 1, 0)] * 2 if len(set(lengths)) == 1 else [])


@pytest.mark.parametrize(
    ("dtype", "width", "runs"),
    [
        pytest.param(torch.bfloat16, 64, True, id="bf16"),
        pytest.param(torch.float16, 256, True, id="fp16, the widest head"),
        pytest.param(torch.float32, 64, False, id="fp32"),
        pytest.param(torch.bfloat16, 20, False, id="a head of no multiple of 8"),
        pytest.param(torch.bfloat16, 264, False, id="too wide a head"),
    ],
)
def test_flash_attention_is_chosen_where_it_runs(dtype: torch.dtype, width: int, runs: bool) -> None:
    with FakeTensorMode():
        q = torch.zeros(2, 3, 40, width, dtype=dtype, device="cuda")
        assert attention._varlen_runs(q) == runs
        assert not attention._varlen_runs(torch.zeros_like(q, device="cpu"))


@pytest.mark.parametrize("backend", ["eager", pytest.param("aot_eager", marks=pytest.mark.slow)])
def test_the_model_compiles_in_one_piece_with_flash_attention(backend: str) -> None:
    model = meta_model(replace(BANDED, n_layer=2))
    torch.compiler.reset()
    compiled = torch.compile(model, backend=backend, fullgraph=True)  # a break in the graph is an error
    hidden = compiled(batch(2, 201)[:, :-1])
    hidden.sum().backward()
    assert hidden.shape == (2, 200, BANDED.d_model)
    assert all(p.grad is not None for p in model.parameters())
    torch.compiler.reset()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:flex_attention called without")
def test_masks_of_flex_attention_are_not_made_in_a_compiled_model() -> None:
    model = GPT(replace(BANDED, n_layer=2)).eval()
    ids = torch.randint(300, (2, 200))
    names: list[str] = []

    def backend(graph: torch.fx.GraphModule, _: Any) -> Any:
        names.extend(str(node.target) for node in graph.graph.nodes)
        return graph.forward

    torch.compiler.reset()
    with torch.no_grad():
        expected = model(ids)
        model.route = "flex"
        for window in (None, BANDED.band):
            attention.prepare_flex(200, window, torch.device("cpu"))
        found = torch.compile(model, backend=backend, fullgraph=True)(ids)
    torch.testing.assert_close(found, expected, atol=2e-6, rtol=1e-5)
    assert sum("flex_attention" in name for name in names) == 2
    assert not any("vmap" in name for name in names)
    torch.compiler.reset()
