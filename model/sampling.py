"""How a next token is drawn from logits: penalties, temperature, top-k, top-p, and noise that belongs to a row.

The order is vLLM's and OpenAI's: penalties on the raw logits, then temperature, top-k, top-p. Noise comes from
(seed, the row's key, step, token) alone, so that a row's tokens depend neither on its batch nor on its place in it.
Shapes: B rows, V tokens of the vocabulary.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import LogitsProcessor

from model.sampling_config import SamplingConfig as SamplingConfig

# splitmix64 (Steele, Lea, Flood 2014), as signed numbers: torch has no arithmetic on uint64.
GOLDEN = -0x61C8864680B583EB
MIX_1 = -0x40A7B892E31B1A47
MIX_2 = -0x6B2FB644ECCEEE15


def penalise(logits: Tensor, counts: Tensor, frequency: float, presence: float) -> Tensor:
    """Logits less `frequency` per occurrence and `presence` for any (OpenAI's formula); both arguments [B, V].

    `counts` are of generated tokens alone, not of the prompt's.

    >>> penalise(torch.zeros(1, 3), torch.tensor([[0, 1, 2]]), 0.5, 1.0).tolist()
    [[0.0, -1.5, -2.0]]
    """
    return logits - counts * frequency - (counts > 0) * presence


def keep_top_k(logits: Tensor, k: int) -> Tensor:
    """Logits [B, V] with -inf outside each row's k highest; tokens equal to the k-th stay; 0 keeps all.

    >>> keep_top_k(torch.tensor([[1.0, 3.0, 2.0]]), 2).tolist()
    [[-inf, 3.0, 2.0]]
    """
    if k == 0 or k >= logits.shape[-1]:
        return logits
    limit = logits.topk(k, dim=-1).values[..., -1:]
    return logits.masked_fill(logits < limit, -torch.inf)


def keep_top_p(logits: Tensor, p: float) -> Tensor:
    """Logits [B, V] with -inf outside the smallest set of likeliest tokens whose probability reaches p.

    >>> keep_top_p(torch.tensor([[0.5, 0.3, 0.2]]).log(), 0.7).isinf().tolist()
    [[False, False, True]]
    """
    if p >= 1:
        return logits
    ordered, order = logits.sort(dim=-1, descending=True, stable=True)
    probability = ordered.softmax(dim=-1)
    drop = probability.cumsum(dim=-1) - probability >= p
    return logits.masked_fill(torch.zeros_like(drop).scatter(-1, order, drop), -torch.inf)


def row_keys(prompts: Sequence[Sequence[int]], seed: int) -> list[int]:
    """A 64-bit key per prompt from (seed, its tokens, how many equal prompts precede it).

    So equal prompts get different samples, and a prompt gets the same ones alone and among others.
    """
    seen: Counter[tuple[int, ...]] = Counter()
    keys = []
    for prompt in prompts:
        tokens = tuple(prompt)
        named = repr((seed, seen[tokens], tokens)).encode()
        keys.append(int.from_bytes(hashlib.blake2b(named, digest_size=8).digest(), "little", signed=True))
        seen[tokens] += 1
    return keys


def exponential_noise(keys: Tensor, steps: Tensor, vocab_size: int) -> Tensor:
    """Independent Exp(1) draws [B, V], fp32, each from (key, step, token); `keys` and `steps` are int64 [B]."""
    tokens = torch.arange(vocab_size, dtype=torch.int64, device=keys.device)
    rows = _mix(keys + (steps + 1) * GOLDEN)
    bits = _mix(rows[:, None] + tokens * GOLDEN)
    uniform = (_shift(bits, 11).float() + 0.5) * 2.0**-53
    # 1 would give an infinite draw, which a token that stands alone must not lose to.
    return -torch.log1p(-uniform.clamp(max=1 - 2.0**-24))


def _mix(x: Tensor) -> Tensor:
    """splitmix64's finaliser on int64."""
    x = (x ^ _shift(x, 30)) * MIX_1
    x = (x ^ _shift(x, 27)) * MIX_2
    return x ^ _shift(x, 31)


def _shift(x: Tensor, n: int) -> Tensor:
    """Logical right shift of int64, whose own shift keeps the sign."""
    return (x >> n) & ((1 << (64 - n)) - 1)


def choose(
    logits: Tensor, counts: Tensor | None, config: SamplingConfig, keys: Tensor, steps: Tensor
) -> tuple[Tensor, Tensor]:
    """(tokens int64 [B], their log-probabilities fp32 [B]) under the distribution that they are drawn from.

    `logits` [B, V]; `counts` [B, V] of the tokens generated before, None without penalties; `keys` [B] from
    row_keys and `steps` [B], the number of the new token, both int64. At temperature 0 the likeliest token is
    taken (the lowest id among equals) and its log-probability is that at temperature 1.
    """
    logits = logits.float()
    if counts is not None:
        logits = penalise(logits, counts, config.frequency_penalty, config.presence_penalty)
    if config.temperature == 0:
        tokens = logits.argmax(dim=-1)
    else:
        logits = keep_top_p(keep_top_k(logits / config.temperature, config.top_k), config.top_p)
        # The race of exponentials (Gumbel's trick): token i wins with probability softmax(logits)[i].
        tokens = (logits - exponential_noise(keys, steps, logits.shape[-1]).log()).argmax(dim=-1)
    chosen = logits.gather(-1, tokens[:, None]).squeeze(-1)
    return tokens, chosen - logits.logsumexp(dim=-1)


class FrequencyPresencePenalty(LogitsProcessor):
    """Both penalties for transformers' generate, whose GenerationConfig knows neither.

    `n_prompt`: columns of the (padded) prompt batch, whose tokens do not count.
    """

    def __init__(self, frequency: float, presence: float, n_prompt: int) -> None:
        self.frequency, self.presence, self.n_prompt = frequency, presence, n_prompt

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores [B, V] less the penalties of the tokens in input_ids [B, T] from column n_prompt on."""
        counts = torch.zeros_like(scores, dtype=torch.int32)
        new = input_ids[:, self.n_prompt :]
        counts.scatter_add_(-1, new, torch.ones_like(new, dtype=torch.int32))
        return penalise(scores, counts, self.frequency, self.presence)
