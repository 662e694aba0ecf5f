"""How likely a model finds a continuation of a context: what few-shot tasks and held-out losses are made of."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from model.gpt import GPT

HEAD_CHUNK = 4096  # tokens whose logits are in memory at once


class Request(NamedTuple):
    """Ids of a context, one or more, and of what follows it."""

    context: list[int]
    continuation: list[int]


class Likelihood(NamedTuple):
    """Sum of the continuation's log-probabilities in nats, and whether each of its tokens is the likeliest one."""

    logprob: float
    greedy: bool
    n_tokens: int
    trimmed: bool  # the context's first tokens did not fit


def likelihoods(model: GPT, requests: Sequence[Request], batch_tokens: int) -> list[Likelihood]:
    """The likelihood of each request, in order; forward passes hold at most `batch_tokens` tokens, or one row.

    Rows are sorted by length, and continuations that differ in their last token alone share a row. A context that is
    too long loses its first tokens. A ValueError names the request with nothing to read or to score, or with a
    continuation longer than the model's context.
    """
    limit = model.config.context
    sharing: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
    for number, (context, continuation) in enumerate(requests):
        if not context or not 1 <= len(continuation) <= limit:
            raise ValueError(
                f"request {number}: expected a context of 1 token or more and a continuation of 1 to {limit} (the "
                f"model's context), found {len(context)} and {len(continuation)}"
            )
        sharing[tuple((context + continuation)[-limit - 1 : -1])].append(number)
    found: dict[int, Likelihood] = {}
    training = model.training
    model.eval()
    with torch.no_grad():
        for rows in _batches(sorted(sharing, key=lambda row: (-len(row), row)), batch_tokens):
            numbers = [(place, number) for place, row in enumerate(rows) for number in sharing[row]]
            found |= _score(model, rows, [(place, number, requests[number]) for place, number in numbers])
    model.train(training)
    return [found[number] for number in range(len(requests))]


def _batches(rows: Sequence[tuple[int, ...]], batch_tokens: int) -> Iterator[list[tuple[int, ...]]]:
    """Rows of falling length in groups whose padded size stays within `batch_tokens`."""
    start = 0
    while start < len(rows):
        size = max(1, batch_tokens // len(rows[start]))
        yield list(rows[start : start + size])
        start += size


def _score(
    model: GPT, rows: list[tuple[int, ...]], asked: list[tuple[int, int, Request]]
) -> dict[int, Likelihood]:
    """Likelihood by request number of (row, request number, request), all of which end with their row."""
    device = model.wte.weight.device
    longest = max(map(len, rows))
    # Padding stands on the right, where no token that counts looks.
    ids = torch.tensor([[*row, *[0] * (longest - len(row))] for row in rows], device=device)
    hidden = model(ids)
    places: list[int] = []
    ends: list[int] = []
    targets: list[int] = []
    for place, _, request in asked:
        n = len(request.continuation)
        places += [place] * n
        ends += range(len(rows[place]) - n, len(rows[place]))
        targets += request.continuation
    logprobs, best = _next_tokens(model, hidden[places, ends], torch.tensor(targets, device=device))
    found, start = {}, 0
    for place, number, request in asked:
        n = len(request.continuation)
        span = slice(start, start + n)
        trimmed = len(request.context) + n - 1 > len(rows[place])
        found[number] = Likelihood(float(logprobs[span].sum()), bool(best[span].all()), n, trimmed)
        start += n
    return found


def _next_tokens(model: GPT, hidden: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """(log-probability fp64, whether it is the likeliest) of each target [N] behind hidden [N, D], on the CPU."""
    logprobs, best = [], []
    for start in range(0, len(targets), HEAD_CHUNK):
        logits = model.logits(hidden[start : start + HEAD_CHUNK]).float()
        wanted = targets[start : start + HEAD_CHUNK, None]
        chosen = logits.gather(1, wanted).squeeze(1)
        logprobs.append((chosen - logits.logsumexp(dim=1)).double())
        best.append(logits.argmax(dim=1) == wanted.squeeze(1))
    return torch.cat(logprobs).cpu(), torch.cat(best).cpu()
