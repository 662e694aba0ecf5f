"""From examples to requests: demonstrations before a question, and what its answers score."""

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerFast

from model.gpt import GPT
from model.inference import encode_text
from model.likelihood import Likelihood, Request, likelihoods
from model.tasks import Example, Layout, Normalisation

NORMALISATIONS: tuple[Normalisation, ...] = ("sum", "per_token", "per_byte", "unconditional")


@dataclass(frozen=True)
class Shots:
    """Where demonstrations come from. Drawn anew for each example, as the paper does (section 2.4), by its id."""

    layout: Layout
    count: int
    pool: list[Example]
    same_file: bool  # the pool is the benchmark itself: an example is not its own demonstration
    seed: int

    def draw(self, example: Example) -> list[str]:
        """`count` demonstrations of the example's group; a ValueError where the group has too few."""
        if not self.count:
            return []
        group = self._groups.get(example.group, [])
        others = len(group) - self.same_file
        if others < self.count:
            named = f" of '{example.group}'" if example.group else ""
            raise ValueError(
                f"shots: {self.count} are wanted and there are {others} examples{named} to draw from"
            )
        drawn = random.Random(f"{self.seed} {example.id}").sample(group, self.count + self.same_file)
        if self.same_file:
            drawn = [other for other in drawn if other.id != example.id]
        return [other.demonstration for other in drawn[: self.count]]

    @cached_property
    def _groups(self) -> dict[str, list[Example]]:
        groups: defaultdict[str, list[Example]] = defaultdict(list)
        for example in self.pool:
            groups[example.group].append(example)
        return groups


def score_examples(
    model: GPT,
    tokenizer: PreTrainedTokenizerFast,
    examples: Sequence[Example],
    shots: Shots,
    batch_tokens: int,
) -> list[dict[str, Any]]:
    """A row per example: the likelihood of each choice, and whether the right one wins by each normalisation.

    An example with an answer longer than the model's context has no row, since no model of this size can score it.
    Where demonstrations do not fit the context the first of them are left out (`n_shots` says how many stayed); where
    the question alone does not, it loses its beginning (`trimmed`). Normalisations (GPT-3 section 2.4): `sum` of the
    log-probabilities, `per_token`, `per_byte` of the answer's text without its leading space, and `unconditional`:
    ln P(answer | context) - ln P(answer | answer_context). Among equals the first choice is taken.
    """
    requests: list[Request] = []
    read: list[tuple[Example, int]] = []
    answer_context = encode_text(tokenizer, shots.layout.answer_context)
    for example in examples:
        continuations = [encode_text(tokenizer, pair.continuation) for pair in example.pairs]
        room = model.config.context + 1 - max(map(len, continuations))  # the last token is never read
        if room < 1:
            continue
        demonstrations = shots.draw(example)
        contexts = _contexts(tokenizer, example, demonstrations, shots.layout)
        while demonstrations and max(map(len, contexts)) > room:
            demonstrations = demonstrations[1:]
            contexts = _contexts(tokenizer, example, demonstrations, shots.layout)
        read.append((example, len(demonstrations)))
        requests += map(Request, contexts, continuations)
        requests += [Request(answer_context, continuation) for continuation in continuations]
    scored = iter(likelihoods(model, requests, batch_tokens))
    rows = []
    for example, kept in read:
        conditional, unconditional = ([next(scored) for _ in example.pairs] for _ in range(2))
        rows.append({"n_shots": kept, **_row(example, conditional, unconditional)})
    return rows


def _contexts(
    tokenizer: PreTrainedTokenizerFast, example: Example, demonstrations: list[str], layout: Layout
) -> list[list[int]]:
    shown = layout.delimiter.join([*demonstrations, ""])
    made = {
        pair.context: encode_text(tokenizer, layout.header + shown + pair.context) for pair in example.pairs
    }
    return [made[pair.context] for pair in example.pairs]


def _row(example: Example, conditional: list[Likelihood], unconditional: list[Likelihood]) -> dict[str, Any]:
    sums = np.array([choice.logprob for choice in conditional])
    n_tokens = [choice.n_tokens for choice in conditional]
    n_bytes = [len(pair.continuation.lstrip(" ").encode()) for pair in example.pairs]
    before = np.array([choice.logprob for choice in unconditional])
    figures = dict(zip(NORMALISATIONS, (sums, sums / n_tokens, sums / n_bytes, sums - before), strict=True))
    right = {name: bool(np.argmax(values) == example.gold) for name, values in figures.items()}
    return {
        "example_id": example.id,
        "group": example.group,
        "gold": example.gold,
        "trimmed": any(choice.trimmed for choice in conditional),
        "logprobs": sums.tolist(),
        "unconditional_logprobs": before.tolist(),
        "n_tokens": n_tokens,
        "n_bytes": n_bytes,
        "greedy": conditional[example.gold].greedy,
        **{f"right_{name}": value for name, value in right.items()},
    }
