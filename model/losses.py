"""Cross-entropy and log-probabilities through the tied head, some thousand tokens at a time.

At a vocabulary of 50,304 the fp32 logits of 32 x 2,048 tokens are 13 GB, their gradient as much again: more than the
whole 125M model. Here logits live for one chunk of tokens. Shapes: N tokens, D features, V rows of the padded head.
"""

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from model.gpt import GPT

IGNORE = -100  # the convention of transformers for a label without loss
CHUNK_CUDA = (
    4096  # tokens: matrix products long enough to fill the device, 0.8 GB of bf16 logits and gradient
)
CHUNK_CPU = 512  # tokens: what stays near the cache


def lm_loss(
    model: GPT,
    hidden: Tensor,
    targets: Tensor,
    mask: Tensor | None = None,
    divisor: float | Tensor | None = None,
) -> Tensor:
    """Cross-entropy in nats of `targets` [B, T] after `hidden` [B, T, D]: the sum over counted tokens / `divisor`.

    A token counts where its target is not -100 and `mask` [B, T], if given, is not 0 (a float mask weighs it).
    `divisor` None is the sum of these weights here; under accumulation give that of the whole batch, so that the
    micro-steps' losses add up to the batch's. fp32 scalar; differentiable once, in `hidden` and the head.
    """
    weights = (targets != IGNORE).float()
    if mask is not None:
        weights = weights * mask
    scale = weights / (weights.sum().clamp(min=1.0) if divisor is None else divisor)
    flat = (hidden.flatten(0, -2), model.wte.weight, targets.flatten().clamp(min=0), scale.flatten())
    vocab, with_gradient = model.config.vocab_size, torch.is_grad_enabled()
    loss: Tensor = _HeadLoss.apply(*flat, vocab, with_gradient)  # type: ignore[no-untyped-call]
    return loss


def token_logprobs(
    model: GPT, hidden: Tensor, targets: Tensor, temperature: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Log-probability of `targets` [B, T] after `hidden` [B, T, D], and the entropy there: fp32 [B, T], in nats.

    Logits are divided by `temperature` first. Differentiable; the backward pass makes each chunk's logits anew. A
    target of -100 gets the log-probability of token 0: mask it.
    """
    flat, ids = hidden.flatten(0, -2), targets.flatten().clamp(min=0)
    parts = []
    for at in range(0, len(flat), _chunk(flat)):
        span = slice(at, at + _chunk(flat))
        inputs = (flat[span], model.wte.weight, ids[span], temperature, model.config.vocab_size)
        if torch.is_grad_enabled():
            parts.append(checkpoint(_logprobs, *inputs, use_reentrant=False))
        else:
            parts.append(_logprobs(*inputs))
    chosen, entropy = (torch.cat(column).view(targets.shape) for column in zip(*parts, strict=True))
    return chosen, entropy


def _logprobs(
    hidden: Tensor, weight: Tensor, ids: Tensor, temperature: float, vocab: int
) -> tuple[Tensor, Tensor]:
    logits = F.linear(hidden, weight)[:, :vocab].float() / temperature
    logprobs = logits.log_softmax(-1)
    return logprobs.gather(1, ids[:, None]).squeeze(1), -(logprobs.exp() * logprobs).sum(-1)


class _HeadLoss(torch.autograd.Function):
    """Sum of scale * cross-entropy; the forward pass makes the gradients too, since it has the logits at hand.

    The alternative, making logits again in the backward pass, costs one more product with the head: 8 % of all FLOPs
    at 125M.
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, ids: Tensor, scale: Tensor, vocab: int, with_gradient: bool
    ) -> Tensor:
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        d_hidden = torch.empty_like(hidden) if with_gradient else None
        d_weight = torch.zeros_like(weight, dtype=torch.float32) if with_gradient else None
        kernel = _fused_on(hidden.device.type)
        for at in range(0, len(hidden), _chunk(hidden)):
            span = slice(at, at + _chunk(hidden))
            loss, d_logits = kernel(F.linear(hidden[span], weight), ids[span], scale[span], vocab)
            total += loss
            if d_hidden is not None and d_weight is not None:
                torch.mm(d_logits, weight, out=d_hidden[span])
                d_weight += d_logits.T @ hidden[span]
        if d_hidden is not None and d_weight is not None:
            ctx.save_for_backward(d_hidden, d_weight.to(weight.dtype))
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        d_hidden, d_weight = ctx.saved_tensors
        gradient = gradients[0]
        return d_hidden * gradient, d_weight * gradient, None, None, None, None


def _loss_and_gradient(logits: Tensor, ids: Tensor, scale: Tensor, vocab: int) -> tuple[Tensor, Tensor]:
    """Loss summed over a chunk, and its gradient in the logits [N, V], in their dtype; overwrites fp32 logits."""
    wide = logits.float()
    wide[:, vocab:] = float("-inf")  # padding rows of the head are no tokens
    norms = wide.logsumexp(-1)
    chosen = wide.gather(1, ids[:, None]).squeeze(1)
    gradient = wide.sub_(norms[:, None]).exp_()
    gradient[torch.arange(len(ids), device=ids.device), ids] -= 1.0
    return ((norms - chosen) * scale).sum(), gradient.mul_(scale[:, None]).to(logits.dtype)


def _loss_and_gradient_pointwise(
    logits: Tensor, ids: Tensor, scale: Tensor, vocab: int
) -> tuple[Tensor, Tensor]:
    """The same without writing in place or to single elements, which a compiler fuses into two passes."""
    column = torch.arange(logits.shape[1], device=logits.device)
    wide = torch.where(column < vocab, logits.float(), float("-inf"))
    norms = wide.logsumexp(-1)
    chosen = wide.gather(1, ids[:, None]).squeeze(1)
    gradient = ((wide - norms[:, None]).exp() - (column == ids[:, None]).float()) * scale[:, None]
    return ((norms - chosen) * scale).sum(), gradient.to(logits.dtype)


@functools.lru_cache(maxsize=2)
def _fused_on(device: str) -> Callable[[Tensor, Tensor, Tensor, int], tuple[Tensor, Tensor]]:
    return torch.compile(_loss_and_gradient_pointwise) if device == "cuda" else _loss_and_gradient


def _chunk(hidden: Tensor) -> int:
    return CHUNK_CUDA if hidden.is_cuda else CHUNK_CPU
