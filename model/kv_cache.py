"""Keys and values of the tokens read so far, so that the next token costs one token's work.

A dense layer keeps a slot for every token; a local layer keeps a ring of `band` slots, where a token overwrites the
one that just left the window. A token's slot follows from its position alone: p in a dense layer, p mod band in a
ring.

    cache = KVCache(model.config, batch=2, length=64)
    hidden = model(prompts, places(lengths, prompts.shape[1]), cache)  # [2, T], padded on the right
    hidden = model(tokens, cache=cache)  # [2, 1]: each row goes on behind its own last token

Positions of a row are 0, 1, 2, ... over all calls; -1 marks padding, on either side, which is neither kept nor seen.
"""

from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from model.attention import Route, attend, visible
from model.gpt_config import GPTConfig

HORIZON = 64  # slots: dense layers read whole multiples of it, so that few shapes occur


def places(lengths: Tensor, width: int, side: Literal["left", "right"] = "right") -> Tensor:
    """Positions [B, width] of rows of these lengths [B], padded on the right or on the left with -1."""
    at = torch.arange(width, device=lengths.device)
    if side == "left":
        return (at - (width - lengths[:, None])).clamp(min=-1)
    return torch.where(at < lengths[:, None], at, -1)


class _Plan(NamedTuple):
    """What all layers of one kind do with this call's tokens."""

    slots: Tensor  # [B, T] where each token is kept; the spare slot behind the last takes those that are not
    seen: Tensor | None  # [B, 1, T, keys], bool; None: the cache was empty and no row has padding
    joined: bool  # the keys are the slots as they were, then this call's tokens; else the slots after it


class KVCache:
    """Keys and values of `batch` rows of at most `length` tokens, for every layer of a model.

    `lengths` [B]: tokens of each row so far. `used`: a bound on them that the host knows without asking the device;
    who replays a captured step adds the token himself.
    """

    def __init__(
        self,
        config: GPTConfig,
        batch: int,
        length: int,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        if not 1 <= length <= config.context:
            raise ValueError(
                f"cache length must lie in 1..{config.context} (the model's context), got {length}"
            )
        if config.pattern == "strided":
            raise ValueError(
                "the strided pattern is a reference without a cache: use pattern 'banded' to generate"
            )
        self.config, self.length, self.used = config, length, 0
        self.lengths = torch.zeros(batch, dtype=torch.int64, device=device)
        windows = [config.window(layer) for layer in range(config.n_layer)]
        slots = [length if window is None else min(window, length) for window in windows]
        shape = (2, batch, config.n_head)
        self.layers = [torch.zeros(*shape, n + 1, config.d_head, device=device, dtype=dtype) for n in slots]
        self._plans: dict[int | None, _Plan] = {}

    def keep(self, rows: Tensor) -> None:
        """Go on with the rows of these indices [n] alone, in this order."""
        self.lengths = self.lengths[rows]
        self.layers = [layer.index_select(1, rows) for layer in self.layers]

    def reset(self) -> None:
        """Forget all tokens, and keep the memory."""
        self.lengths.zero_()
        self.used = 0

    def begin(self, n_new: int, positions: Tensor | None) -> Tensor:
        """Plan a call of `n_new` tokens a row and give their positions [B, n_new].

        A ValueError where they do not fit.
        """
        if self.used + n_new > self.length:
            raise ValueError(
                f"{self.used} + {n_new} tokens do not fit a cache of {self.length}: trim the prompt"
            )
        plain = positions is None and self.used == 0
        if positions is None:
            positions = self.lengths[:, None] + torch.arange(n_new, device=self.lengths.device)
        self.used += n_new
        ends = torch.maximum(self.lengths, positions.amax(dim=1) + 1)
        windows = {self.config.window(layer) for layer in range(self.config.n_layer)}
        self._plans = {window: self._plan(window, positions, ends, plain) for window in windows}
        self.lengths.copy_(ends)
        return positions

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor, route: Route = "auto") -> Tensor:
        """Attend to the tokens kept and to this call's [B, H, T, d], and keep these."""
        window = self.config.window(layer)
        slots, seen, joined = self._plans[window]
        kept, new = self.layers[layer], torch.stack((k, v))
        keys, values = torch.cat((kept[..., :-1, :], new), dim=-2) if joined else kept
        kept.scatter_(3, slots[None, :, None, :, None].expand_as(new), new.detach())
        if seen is None:
            return attend(q, k, v, window, route)
        reach = seen.shape[-1]
        return F.scaled_dot_product_attention(q, keys[..., :reach, :], values[..., :reach, :], attn_mask=seen)

    def _plan(self, window: int | None, positions: Tensor, ends: Tensor, plain: bool) -> _Plan:
        if window is None or window >= self.length:
            return self._slots_plan(window, positions, plain)
        return self._ring_plan(window, positions, ends, plain)

    def _slots_plan(self, window: int | None, positions: Tensor, plain: bool) -> _Plan:
        slots = torch.where(positions < 0, self.length, positions)
        if plain:
            return _Plan(slots, None, False)
        reach = min(self.length, -(-self.used // HORIZON) * HORIZON)
        # A slot not yet written lies behind every query, so the rule for later tokens hides it.
        held = torch.arange(reach, device=positions.device)
        return _Plan(slots, visible(positions, held, window)[:, None], False)

    def _ring_plan(self, window: int, positions: Tensor, ends: Tensor, plain: bool) -> _Plan:
        passed = positions < ends[:, None] - window  # overwritten within this very call
        slots = torch.where(passed | (positions < 0), window, positions % window)
        if plain:
            return _Plan(slots, None, False)
        # One token takes the slot of the one that it no longer sees. More than one would overwrite tokens that the
        # first of them still sees, so those look at the ring as it was.
        joined = positions.shape[1] > 1
        last = (self.lengths if joined else ends)[:, None] - 1
        ring = torch.arange(window, device=positions.device)
        held = last - (last - ring) % window  # the position whose keys a slot holds; negative where none
        if joined:
            held = torch.cat((held, positions), dim=1)
        return _Plan(slots, visible(positions, held, window)[:, None], joined)
