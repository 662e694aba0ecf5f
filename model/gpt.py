"""GPT: GPT-2's transformer with GPT-3's alternation of dense and locally banded attention.

Shapes: B rows, T tokens, D = d_model features, H heads of d features, V tokens of the vocabulary.

Read beside: Radford et al. 2019 section 2.3 (pre-norm, scaled init), Brown et al. 2020 section 2.1 (alternation),
InstructGPT appendix C (residual dropout; a scalar head in place of the unembedding). Deviations from GPT-2: no biases
of query, key and value in alternating models (GPT-Neo's form, which stock classes load); dropout on the residual
branches alone, so that the fused attention kernels serve; the embedding table padded to a multiple of 128 rows.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.attention import Route, attend, visible
from model.gpt_config import GPTConfig
from model.kv_cache import KVCache
from model.strided import attend_strided

INIT_STD = 0.02  # GPT-2
NORM_EPS = 1e-5  # GPT-2


class Attention(nn.Module):
    """Multi-head causal self-attention of one layer."""

    def __init__(self, config: GPTConfig, layer: int) -> None:
        super().__init__()
        self.layer, self.n_head, self.window = layer, config.n_head, config.window(layer)
        self.strided = config.pattern == "strided"
        self.qkv = nn.Linear(config.d_model, 3 * config.d_model, bias=config.qkv_bias)
        self.proj = nn.Linear(config.d_model, config.d_model)

    def forward(
        self, x: Tensor, seen: dict[int | None, Tensor] | None, cache: KVCache | None, route: Route
    ) -> Tensor:
        batch, length, width = x.shape
        qkv = self.qkv(x).view(batch, length, 3, self.n_head, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each [B, H, T, d]
        if cache is not None:
            mixed = cache.attend(self.layer, q, k, v, route)
        elif seen is not None:
            mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=seen[self.window])
        elif self.strided and self.window is not None:
            mixed = attend_strided(q, k, v, stride=self.window)
        else:
            mixed = attend(q, k, v, self.window, route)
        return self.proj(mixed.transpose(1, 2).reshape(batch, length, width))


class MLP(nn.Module):
    """Feed-forward layer of width 4 D, with the tanh form of GELU (GPT-2's)."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.fc = nn.Linear(config.d_model, 4 * config.d_model)
        self.proj = nn.Linear(4 * config.d_model, config.d_model)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(F.gelu(self.fc(x), approximate="tanh"))


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, config: GPTConfig, layer: int) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.d_model, eps=NORM_EPS)
        self.attn = Attention(config, layer)
        self.ln_2 = nn.LayerNorm(config.d_model, eps=NORM_EPS)
        self.mlp = MLP(config)
        self.drop = nn.Dropout(config.resid_dropout)

    def forward(
        self, x: Tensor, seen: dict[int | None, Tensor] | None, cache: KVCache | None, route: Route
    ) -> Tensor:
        x = x + self.drop(self.attn(self.ln_1(x), seen, cache, route))
        return x + self.drop(self.mlp(self.ln_2(x)))


class GPT(nn.Module):
    """The language model; `route` forces an attention kernel (model/attention.py) where it is not "auto"."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.config = config
        self.route: Route = "auto"
        self.wte = nn.Embedding(config.padded_vocab_size, config.d_model)
        self.wpe = nn.Embedding(config.context, config.d_model)
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.n_layer))
        self.ln_f = nn.LayerNorm(config.d_model, eps=NORM_EPS)
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """GPT-2's init: N(0, 0.02), biases 0, the last matrix of each residual branch divided by sqrt(2 n_layer)."""
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                branch_end = name.endswith("proj.weight")
                std = INIT_STD / math.sqrt(2 * self.config.n_layer) if branch_end else INIT_STD
                nn.init.normal_(parameter, std=std)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)
        self.wte.weight[self.config.vocab_size :].zero_()

    def forward(self, ids: Tensor, positions: Tensor | None = None, cache: KVCache | None = None) -> Tensor:
        """Hidden states [B, T, D] behind the final norm, of ids [B, T].

        positions None: rows are 0, 1, 2, ... (or go on from what the cache holds); packed documents too, as in
        GPT-3, where a document sees those before it in its row. Rows padded on the right need no more either: nobody
        looks ahead. positions [B, T]: for rows padded on the left, increasing, -1 for padding (`kv_cache.places`).
        A ValueError where the row is longer than the context.
        """
        length = ids.shape[1]
        if length > self.config.context:
            raise ValueError(
                f"{length} tokens exceed the context of {self.config.context}: trim or refuse the row"
            )
        seen = None
        if cache is not None:
            positions = cache.begin(length, positions)
        elif positions is not None:
            seen = self._seen(positions)
        at = torch.arange(length, device=ids.device) if positions is None else positions.clamp(min=0)
        x = self.wte(ids) + self.wpe(at)
        for block in self.blocks:
            x = block(x, seen, cache, self.route)
        return self.ln_f(x)

    def logits(self, hidden: Tensor) -> Tensor:
        """Scores of the next token [..., V] by the tied head, its padding rows cut off."""
        return F.linear(hidden, self.wte.weight)[..., : self.config.vocab_size]

    def _seen(self, positions: Tensor) -> dict[int | None, Tensor]:
        """The mask of each kind of layer [B, 1, T, T]."""
        if self.config.pattern == "strided":
            raise ValueError("the strided pattern takes no explicit positions: pad rows on the right")
        windows = {self.config.window(layer) for layer in range(self.config.n_layer)}
        return {window: visible(positions, positions, window)[:, None] for window in windows}


class ScalarGPT(nn.Module):
    """A GPT whose unembedding is replaced by a scalar head: reward model and value function (InstructGPT 3.5)."""

    def __init__(self, trunk: GPT) -> None:
        super().__init__()
        self.trunk = trunk
        weight = trunk.ln_f.weight
        self.score = nn.Linear(trunk.config.d_model, 1, bias=False, device=weight.device, dtype=weight.dtype)
        # N(0, 1 / sqrt(D + 1)): Stiennon et al. 2020, lm-human-preferences.
        nn.init.normal_(self.score.weight, std=1 / math.sqrt(trunk.config.d_model + 1))

    @property
    def config(self) -> GPTConfig:
        """Shape of the trunk."""
        return self.trunk.config

    def forward(self, ids: Tensor, positions: Tensor | None = None) -> Tensor:
        """A score at every token [B, T], in fp32: bf16 has 8 bits, too few to order two answers."""
        hidden = self.trunk(ids, positions)
        return F.linear(hidden.float(), self.score.weight.float()).squeeze(-1)
