"""Every attention route gives the plain masked softmax, forward and backward, at any length and window."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from model import attention
from model.attention import attend, visible

# (tokens, window)
CASES = [
    pytest.param(7, None, id="dense, odd length"),
    pytest.param(1, None, id="one token"),
    pytest.param(1, 1, id="one token, window of one"),
    pytest.param(9, 1, id="each token sees itself alone"),
    pytest.param(5, 8, id="shorter than the window"),
    pytest.param(8, 8, id="as long as the window"),
    pytest.param(9, 8, id="one token past the window"),
    pytest.param(24, 8, id="a multiple of the window"),
    pytest.param(29, 8, id="no multiple of the window, odd"),
    pytest.param(130, 64, id="two windows and a rest"),
]


def by_hand(q: Tensor, k: Tensor, v: Tensor, window: int | None) -> Tensor:
    """Attention query by query, in fp64: no mask, only the keys that are seen."""
    q, k, v = (x.double() for x in (q, k, v))
    out = torch.zeros_like(q)
    for at in range(q.shape[2]):
        first = 0 if window is None else max(0, at + 1 - window)
        scores = torch.einsum("bhd,bhtd->bht", q[:, :, at], k[:, :, first : at + 1]) / q.shape[-1] ** 0.5
        out[:, :, at] = torch.einsum("bht,bhtd->bhd", scores.softmax(-1), v[:, :, first : at + 1])
    return out


def drawn(length: int, device: str = "cpu", dtype: torch.dtype = torch.float32) -> list[Tensor]:
    """q, k, v and the gradient of the result, laid out as the model's fused projection gives them."""
    made = torch.randn(4, 2, length, 3, 16, generator=torch.Generator().manual_seed(length)).to(device, dtype)
    return [x.transpose(1, 2) for x in made]


def with_gradients(route: Any, tensors: list[Tensor], window: int | None) -> list[Tensor]:
    """The result and the gradients of q, k, v."""
    *inputs, gradient = [x.detach().clone() for x in tensors]
    for x in inputs:
        x.requires_grad_()
    out = route(*inputs, window)
    return [out.detach(), *torch.autograd.grad(out, inputs, gradient.to(out.dtype))]


@pytest.mark.parametrize("route", ["auto", "sdpa", "reference"])
@pytest.mark.parametrize(("length", "window"), CASES)
def test_a_route_is_attention_by_hand(route: Any, length: int, window: int | None) -> None:
    found = with_gradients(lambda q, k, v, w: attend(q, k, v, w, route), drawn(length), window)
    for ours, expected in zip(found, with_gradients(by_hand, drawn(length), window), strict=True):
        torch.testing.assert_close(ours, expected.float(), atol=2e-6, rtol=1e-5)


@given(st.integers(1, 40), st.integers(1, 45))
def test_chunks_equal_the_mask(length: int, window: int) -> None:
    q, k, v, _ = drawn(length)
    expected = attend(q, k, v, window, "reference")
    torch.testing.assert_close(attend(q, k, v, window, "sdpa"), expected, atol=2e-6, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:flex_attention called without")
@pytest.mark.parametrize(("length", "window"), [(7, None), (9, 8), (130, 64)])
def test_flex_forward(length: int, window: int | None) -> None:
    q, k, v, _ = drawn(length)
    expected = attend(q, k, v, window, "reference")
    torch.testing.assert_close(attend(q, k, v, window, "flex"), expected, atol=2e-6, rtol=1e-5)


def emulated_varlen(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    cu_q: Tensor,
    cu_k: Tensor,
    max_q: int,
    max_k: int,
    *,
    window_size: tuple[int, int],
) -> Tensor:
    """What torch documents of varlen_attn: packed rows; tokens seen on the (left, right) of itself."""
    assert cu_q.dtype == cu_k.dtype == torch.int32
    left, right = window_size
    assert right == 0
    out = []
    for start, end in zip(cu_q.tolist(), cu_q.tolist()[1:], strict=False):
        assert end - start == max_q == max_k
        row = [x[start:end].transpose(0, 1)[None] for x in (q, k, v)]
        out.append(by_hand(*row, None if left == -1 else left + 1)[0].transpose(0, 1))
    return torch.cat(out).to(q.dtype)


@pytest.mark.parametrize(("length", "window"), CASES)
def test_varlen_packs_rows_and_counts_the_window_as_its_kernel_does(
    length: int, window: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "varlen_attn", emulated_varlen)
    found = with_gradients(lambda q, k, v, w: attend(q, k, v, w, "varlen"), drawn(length), window)
    for ours, expected in zip(found, with_gradients(by_hand, drawn(length), window), strict=True):
        torch.testing.assert_close(ours, expected.float(), atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("window", [None, 8])
def test_varlen_calls_the_installed_torch_as_it_wants_to_be(window: int | None) -> None:
    q, k, v = (x.to("meta", torch.bfloat16) for x in drawn(29)[:3])
    assert attend(q, k, v, window, "varlen").shape == q.shape


@pytest.mark.skipif(not torch.cuda.is_available(), reason="the fused kernels run on CUDA")
@pytest.mark.parametrize("route", ["varlen", "flex"])
@pytest.mark.parametrize(("length", "window"), [(512, None), (512, 128), (509, 100)])
def test_a_fused_kernel_is_attention_by_hand(route: Any, length: int, window: int | None) -> None:
    tensors = drawn(length, "cuda", torch.bfloat16)
    found = with_gradients(lambda q, k, v, w: attend(q, k, v, w, route), tensors, window)
    for ours, expected in zip(found, with_gradients(by_hand, tensors, window), strict=True):
        torch.testing.assert_close(ours.double(), expected.double(), atol=3e-2, rtol=3e-2)


def test_an_unknown_route_is_named() -> None:
    q, k, v, _ = drawn(3)
    with pytest.raises(ValueError, match="must be one of auto, varlen, flex, sdpa, reference, got 'flash'"):
        attend(q, k, v, None, "flash")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("q_at", "k_at", "window", "seen"),
    [
        pytest.param([0, 1, 2], [0, 1, 2], None, ["1..", "11.", "111"], id="causal"),
        pytest.param(
            [0, 1, 2], [0, 1, 2], 2, ["1..", "11.", ".11"], id="the window counts the query's own token"
        ),
        pytest.param(
            [-1, 0, 1], [-1, 0, 1], None, ["111", ".1.", ".11"], id="padding on the left is not seen"
        ),
        pytest.param([0, -1], [0, -1], None, ["1.", "11"], id="a padding query sees all, not nothing"),
        pytest.param([5], [4, 5, 2, 3], 3, ["11.1"], id="keys in a ring"),
    ],
)
def test_what_a_query_sees(q_at: list[int], k_at: list[int], window: int | None, seen: list[str]) -> None:
    mask = visible(torch.tensor(q_at), torch.tensor(k_at), window)
    assert ["".join(".1"[cell] for cell in row) for row in mask.tolist()] == seen
