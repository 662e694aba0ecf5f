"""Loss by source on held-back sequences, in nats a token and in bits a byte.

Bits a byte compare models of different tokenizers. A token's bytes are those that its piece spells in the
tokenizer's byte-level alphabet, one character a byte; special tokens spell none, and are left out above the line too.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

from model.data import PackedRows
from model.distributed import World
from model.gpt import GPT
from model.inference import decode_text
from model.losses import token_logprobs


class HeldBack(NamedTuple):
    """Validation sequences: ids [N, length] int32 on the CPU, and the source of each row."""

    ids: Tensor
    sources: list[str]


def held_back(datasets: Sequence[PackedRows], rows_per_source: int) -> HeldBack:
    """The first `rows_per_source` validation rows of every source, in the order of the files."""
    ids, names = [], []
    for rows in datasets:
        sources = rows.sources()
        for name in sorted(set(sources.tolist())):
            chosen = np.flatnonzero(sources == name)[:rows_per_source]
            ids.append(torch.from_numpy(rows.take(chosen)))
            names += [name] * len(chosen)
    return HeldBack(torch.cat(ids), names)


def token_bytes(tokenizer: PreTrainedTokenizerFast, vocab_size: int) -> Tensor:
    """Bytes that each id stands for [vocab_size], int64; 0 for special tokens and for ids without a token."""
    special = set(tokenizer.all_special_ids)
    backend = tokenizer.backend_tokenizer
    byte_level = "ByteLevel" in type(backend.decoder).__name__
    sizes = [0] * vocab_size
    for piece, at in tokenizer.get_vocab().items():
        if at < vocab_size and at not in special:
            text = piece if byte_level else decode_text(tokenizer, [at])
            sizes[at] = len(text) if byte_level else len(text.encode())
    return torch.tensor(sizes)


@torch.no_grad()
def evaluate(
    model: GPT,
    forward: nn.Module,
    data: HeldBack,
    sizes: Tensor | None,
    micro_rows: int,
    world: World,
) -> dict[str, float]:
    """`validation/loss`, `validation/loss/<source>`, and with token sizes `validation/bits_per_byte` likewise.

    The loss without a source is the mean over all tokens. `forward` is the (perhaps compiled) module that makes
    hidden states; rows are dealt out to the processes, and every process gets all figures.
    """
    names = sorted(set(data.sources))
    code = torch.tensor([names.index(name) for name in data.sources])
    sums = torch.zeros(4, len(names), dtype=torch.float64)
    was_training = model.training
    model.eval()
    for at in range(world.rank, len(data.ids), world.size * micro_rows):
        span = slice(at, at + world.size * micro_rows, world.size)
        sums += _sums(model, forward, data.ids[span], code[span], sizes, len(names), world)
    model.train(was_training)
    on_device = sums if world.device.type == "cpu" else sums.to(world.device)
    world.sum([on_device])
    loss, tokens, spelt, size = on_device.cpu().tolist()
    figures = {"validation/loss": sum(loss) / sum(tokens)}
    figures |= {f"validation/loss/{name}": loss[i] / tokens[i] for i, name in enumerate(names)}
    if sizes is not None and sum(size) > 0:
        figures["validation/bits_per_byte"] = sum(spelt) / sum(size) / math.log(2)
        for i, name in enumerate(names):
            if size[i] > 0:
                figures[f"validation/bits_per_byte/{name}"] = spelt[i] / size[i] / math.log(2)
    return figures


def _sums(
    model: GPT,
    forward: nn.Module,
    rows: Tensor,
    code: Tensor,
    sizes: Tensor | None,
    n_sources: int,
    world: World,
) -> Tensor:
    """By source: nats, tokens, nats of tokens that spell bytes, these bytes: float64 [4, sources]."""
    ids = rows.to(world.device).long()
    targets = ids[:, 1:]
    logprobs, _ = token_logprobs(model, forward(ids[:, :-1]), targets)
    nats = -logprobs.double().cpu()
    size = torch.zeros_like(nats) if sizes is None else sizes[targets.cpu()].double()
    per_row = torch.stack(
        [nats.sum(1), torch.full((len(rows),), float(nats.shape[1])), (nats * (size > 0)).sum(1), size.sum(1)]
    ).double()
    return torch.zeros(4, n_sources, dtype=torch.float64).index_add_(1, code, per_row)
