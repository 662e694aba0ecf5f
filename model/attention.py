"""Causal attention, dense or within a band, by the fastest kernel at hand.

Shapes: B rows, H heads, T tokens, d features of a head; q, k, v and the result are [B, H, T, d].
`window` counts the tokens that a query sees, itself included (GPT-Neo's `window_size`); None is all before it. Flash
Attention counts only those before the query: its window is `window - 1`.

| route     | runs on           | dense layer             | local layer                                            |
|-----------|-------------------|-------------------------|--------------------------------------------------------|
| varlen    | CUDA, bf16, fp16* | Flash Attention (torch) | the same; blocks outside of the band are skipped       |
| flex      | all; fast on CUDA | FlexAttention           | the same; 128 x 128 blocks outside are skipped         |
| sdpa      | all               | SDPA, causal            | SDPA by chunks: W queries, the 2 W keys up to the last |
| reference | all               | the definition: a masked softmax of T x T scores in fp32, to test by             |

* Flash Attention wants a GPU of the Ampere generation or newer, and heads of 8, 16, ... 256 features; `auto` looks
  at the heads alone, since a working dtype of bf16 supposes such a GPU.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention.flex_attention import create_block_mask, flex_attention
from torch.nn.attention.varlen import varlen_attn

Route = Literal["auto", "varlen", "flex", "sdpa", "reference"]
# Before torch 2.11 varlen_attn took `is_causal` and knew no window.
VARLEN_HAS_WINDOW = "window_size" in inspect.signature(varlen_attn).parameters
BLOCK_MASKS: dict[tuple[int, int | None, str], Any] = {}  # of FlexAttention, by length, window, device
FLASH_STEP, FLASH_WIDEST = 8, 256  # features of a head that Flash Attention can have


def attend(q: Tensor, k: Tensor, v: Tensor, window: int | None, route: Route = "auto") -> Tensor:
    """Each token's mean of the values before it, weighted by softmax(q k / sqrt(d)): [B, H, T, d].

    `auto` is `varlen` where it runs and `sdpa` elsewhere; a ValueError names an unknown route.
    """
    if route == "auto":
        route = "varlen" if _varlen_runs(q) else "sdpa"
    if route not in ROUTES:
        raise ValueError(f"attention route must be one of auto, {', '.join(ROUTES)}, got {route!r}")
    if window is not None and window >= q.shape[-2]:
        window = None
    return ROUTES[route](q, k, v, window)


def visible(q_at: Tensor, k_at: Tensor, window: int | None) -> Tensor:
    """Which key each query sees, by positions [..., Tq] and [..., Tk] (-1: padding): [..., Tq, Tk], bool.

    A padding query sees every key, since a softmax over nothing would be NaN; nobody reads its result.
    """
    distance = q_at[..., :, None] - k_at[..., None, :]
    seen = (distance >= 0) & (k_at[..., None, :] >= 0)
    if window is not None:
        seen &= distance < window
    return seen | (q_at[..., :, None] < 0)


def attend_reference(q: Tensor, k: Tensor, v: Tensor, window: int | None) -> Tensor:
    """The definition, in fp32 and with every score in memory."""
    at = torch.arange(q.shape[-2], device=q.device)
    scores = q.float() @ k.float().transpose(-1, -2) / q.shape[-1] ** 0.5
    weights = scores.masked_fill(~visible(at, at, window), float("-inf")).softmax(dim=-1)
    return (weights @ v.float()).to(q.dtype)


def _sdpa(q: Tensor, k: Tensor, v: Tensor, window: int | None) -> Tensor:
    if window is None:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)
    return _sdpa_band(q, k, v, window)


def _sdpa_band(q: Tensor, k: Tensor, v: Tensor, window: int) -> Tensor:
    """The band by chunks of W tokens: a chunk's queries see no key outside of their own chunk and the one before.

    So T / W products of W x 2W stand for one of T x T. The first chunk has none before it and is plainly causal.
    """
    batch, heads, length, width = q.shape
    first = _sdpa(q[:, :, :window], k[:, :, :window], v[:, :, :window], None)
    # Zeros behind the last token fill its chunk: no real query sees them, and their own results are cut off.
    filled = (F.pad(x, (0, 0, 0, -length % window)) for x in (q, k, v))
    q, k, v = (x.reshape(batch * heads, -1, window, width) for x in filled)
    k, v = (torch.cat((x[:, :-1], x[:, 1:]), dim=-2) for x in (k, v))
    at = torch.arange(2 * window, device=q.device)
    rest = F.scaled_dot_product_attention(q[:, 1:], k, v, attn_mask=visible(at[window:], at, window))
    rest = rest.reshape(batch, heads, -1, width)[:, :, : length - window]
    return torch.cat((first, rest), dim=2)


def _varlen_runs(q: Tensor) -> bool:
    fits = q.shape[-1] % FLASH_STEP == 0 and q.shape[-1] <= FLASH_WIDEST
    return q.is_cuda and q.dtype in (torch.bfloat16, torch.float16) and fits and VARLEN_HAS_WINDOW


def _varlen(q: Tensor, k: Tensor, v: Tensor, window: int | None) -> Tensor:
    """Flash Attention by core torch: rows of equal length as one row of B sequences."""
    batch, heads, length, width = q.shape
    bounds = torch.arange(0, (batch + 1) * length, length, dtype=torch.int32, device=q.device)
    q, k, v = (x.transpose(1, 2).reshape(batch * length, heads, width) for x in (q, k, v))
    before = -1 if window is None else window - 1
    mixed: Any = varlen_attn(q, k, v, bounds, bounds, length, length, window_size=(before, 0))
    return mixed.view(batch, length, heads, width).transpose(1, 2)


def prepare_flex(length: int, window: int | None, device: torch.device) -> Any:
    """The blocks that rows of this length look at, made once and kept.

    A compiler traces what it meets: masks that are not there before a whole model is compiled are made anew in each
    of its layers, at every step.
    """
    if window is not None and window >= length:
        window = None

    def seen(_b: Tensor, _h: Tensor, q_at: Tensor, k_at: Tensor) -> Tensor:
        causal = q_at >= k_at
        return causal if window is None else causal & (q_at - k_at < window)

    mask = create_block_mask(seen, None, None, length, length, device=device)
    if not torch.compiler.is_compiling():
        BLOCK_MASKS[length, window, str(device)] = mask
    return mask


@functools.lru_cache(maxsize=1)
def _compiled_flex() -> Callable[..., Any]:
    return torch.compile(flex_attention, dynamic=False)


def _flex(q: Tensor, k: Tensor, v: Tensor, window: int | None) -> Tensor:
    """FlexAttention: fused only when compiled, so compiled here on CUDA, unless the whole model is being compiled."""
    fused = q.is_cuda and not torch.compiler.is_compiling()
    mask = BLOCK_MASKS.get((q.shape[-2], window, str(q.device)))
    if mask is None:
        mask = prepare_flex(q.shape[-2], window, q.device)
    kernel: Any = _compiled_flex() if fused else flex_attention
    return kernel(q, k, v, block_mask=mask)


ROUTES: dict[str, Callable[[Tensor, Tensor, Tensor, int | None], Tensor]] = {
    "varlen": _varlen,
    "flex": _flex,
    "sdpa": _sdpa,
    "reference": attend_reference,
}
