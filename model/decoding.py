"""The generator: prompts in, sampled tokens and their log-probabilities out, one token a step for all rows at once.

Prompts are sorted by length and decoded in batches; rows that ended leave their batch, so that the rest costs less;
no logits outlive their step. A row's tokens depend on (seed, prompt) alone, whatever is generated beside it, up to
rounding: matrix products of another batch size may differ in the last bit, which on rare occasion changes a draw.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor

from model.gpt import GPT
from model.kv_cache import HORIZON, KVCache, places
from model.sampling import SamplingConfig, choose, row_keys

COMPACT_AT = 0.75  # share of unfinished rows at which finished ones leave: all copies are 3 caches at most
CUDA_CHECK_EVERY = 8  # steps between two looks at who has finished, each of which waits for the device


class Generated(NamedTuple):
    """What came of each prompt, in the caller's order, on the CPU."""

    ids: list[Tensor]  # new tokens, int64, the end token (or those of the stop string) included
    logprobs: list[
        Tensor
    ]  # of these tokens under the distribution they were drawn from, fp32 (sampling.choose)
    finished: list[bool]  # ended by an end token or a stop string, not by max_new_tokens
    n_prompt: list[int]  # tokens of the prompt that were read, fewer than given where it was trimmed


def generate(
    model: GPT,
    prompts: Sequence[Sequence[int]],
    config: SamplingConfig,
    end_ids: Collection[int],
    generator: torch.Generator | None = None,
    *,
    keys: Sequence[int] | None = None,
    decode: Callable[[list[int]], str] | None = None,
) -> Generated:
    """Sample a continuation of each prompt.

    `generator`: where given, the call's seed is drawn from it instead of taken from the config (successive calls then
    differ, and its state can be checkpointed). `keys`: a 64-bit number per prompt that its noise comes from, instead
    of sampling.row_keys. `decode`: ids to text, needed for stop strings. Prompt and max_new_tokens share the context,
    so that the whole row can be scored afterwards. A ValueError names the prompt that is empty, too long (where the
    config refuses those) or holds a token outside of the vocabulary.
    """
    if config.stop and decode is None:
        raise ValueError("stop: stop strings need the argument `decode`, from token ids to text")
    if keys is not None and len(keys) != len(prompts):
        raise ValueError(f"keys: expected one per prompt, {len(prompts)}, got {len(keys)}")
    read = fit_prompts(prompts, config, model.config.context, model.config.vocab_size)
    seed = config.seed
    if generator is not None:
        seed = int(torch.randint(2**62, (), generator=generator, device=generator.device).item())
    if keys is None:
        keys = row_keys(prompts, seed)
    order = sorted(range(len(read)), key=lambda row: (-len(read[row]), row))
    rows: list[_Row] = [_Row.empty()] * len(read)
    with _evaluating(model), torch.no_grad():
        for start in range(0, len(order), config.max_rows):
            batch = order[start : start + config.max_rows]
            made = _Batch(
                model, [read[row] for row in batch], [keys[row] for row in batch], config, end_ids, decode
            )
            for row, result in zip(batch, made.run(), strict=True):
                rows[row] = result
    return Generated(
        [row.ids for row in rows],
        [row.logprobs for row in rows],
        [row.finished for row in rows],
        [len(prompt) for prompt in read],
    )


def fit_prompts(
    prompts: Sequence[Sequence[int]], config: SamplingConfig, context: int, vocab_size: int
) -> list[list[int]]:
    """The last tokens of each prompt that leave room for max_new_tokens; a ValueError names the row at fault."""
    room = context - config.max_new_tokens
    if room < 1:
        raise ValueError(
            f"max_new_tokens: {config.max_new_tokens} leave no room for a prompt in a context of {context} tokens"
        )
    read = []
    for row, prompt in enumerate(prompts):
        if not len(prompt):
            raise ValueError(f"prompt {row}: it is empty; begin it with the end-of-text token")
        if len(prompt) > room and config.on_long_prompt == "refuse":
            raise ValueError(
                f"prompt {row}: its {len(prompt)} tokens and max_new_tokens {config.max_new_tokens} exceed the "
                f'context of {context}; shorten it, or set on_long_prompt to "trim" to drop its first tokens'
            )
        tokens = [int(token) for token in prompt[-room:]]
        strange = next((token for token in tokens if not 0 <= token < vocab_size), None)
        if strange is not None:
            raise ValueError(f"prompt {row}: token {strange} lies outside of the vocabulary of {vocab_size}")
        read.append(tokens)
    return read


class _Row(NamedTuple):
    ids: Tensor
    logprobs: Tensor
    finished: bool

    @classmethod
    def empty(cls) -> "_Row":
        return cls(torch.zeros(0, dtype=torch.int64), torch.zeros(0), False)


class _Batch:
    """Rows that are decoded together. `rows` says which of them are still in the batch; all state is of these."""

    def __init__(
        self,
        model: GPT,
        prompts: list[list[int]],
        keys: list[int],
        config: SamplingConfig,
        end_ids: Collection[int],
        decode: Callable[[list[int]], str] | None,
    ) -> None:
        self.model, self.config, self.decode = model, config, decode
        weight = model.wte.weight
        self.device = weight.device
        size, longest = len(prompts), max(map(len, prompts))
        self.prompts, self.lengths = prompts, self._tensor([len(prompt) for prompt in prompts])
        self.ends = self._tensor(sorted(end_ids))
        self.keys = self._tensor(keys)
        self.rows = torch.arange(size, device=self.device)
        self.done = torch.zeros(size, dtype=torch.bool, device=self.device)
        self.counts = None
        if config.penalised:
            shape = (size, model.config.vocab_size)
            self.counts = torch.zeros(shape, dtype=torch.int32, device=self.device)
        length = longest + config.max_new_tokens
        self.cache = KVCache(model.config, size, length, self.device, weight.dtype)
        self.ids = torch.zeros(size, config.max_new_tokens, dtype=torch.int64, device=self.device)
        self.logprobs = torch.zeros(size, config.max_new_tokens, device=self.device)
        self.n_new = torch.zeros(size, dtype=torch.int64, device=self.device)
        self.finished = torch.zeros(size, dtype=torch.bool, device=self.device)

    def run(self) -> list[_Row]:
        """Decode to the end, in the order of the prompts."""
        logits = self._prefill()
        step_model = _Step(self.model, self.cache)
        # Text is compared on the host, so stop strings are looked for after every token.
        every = CUDA_CHECK_EVERY if on_cuda(self.device) and not self.config.stop else 1
        for step in range(self.config.max_new_tokens):
            tokens = self._draw(logits, step)
            if step + 1 == self.config.max_new_tokens:
                break
            if (step + 1) % every == 0:
                left = int((~self.done).sum().item())  # waits for the device
                if left == 0:
                    break
                if left <= COMPACT_AT * len(self.rows):
                    tokens = tokens[self._compact()]
                    step_model = _Step(self.model, self.cache)
            logits = step_model(tokens)
        self.finished[self.rows] = self.done
        counts, finished = self.n_new.tolist(), self.finished.tolist()
        ids, logprobs = self.ids.cpu(), self.logprobs.cpu()
        return [
            _Row(ids[row, :n].clone(), logprobs[row, :n].clone(), finished[row])
            for row, n in enumerate(counts)
        ]

    def _prefill(self) -> Tensor:
        """Read the prompts, padded on the right, and give the logits behind the last token of each."""
        longest = max(map(len, self.prompts))
        padded = self._tensor([prompt + [0] * (longest - len(prompt)) for prompt in self.prompts])
        # Without padding the plain causal kernels serve.
        even = min(map(len, self.prompts)) == longest
        hidden = self.model(padded, None if even else places(self.lengths, longest), self.cache)
        return self.model.logits(hidden[self.rows, self.lengths - 1])

    def _draw(self, logits: Tensor, step: int) -> Tensor:
        """Draw and note a token a row; rows that are done draw on, and nothing of it is noted as theirs."""
        tokens, logprobs = choose(
            logits, self.counts, self.config, self.keys, torch.full_like(self.keys, step)
        )
        self.ids[self.rows, step] = tokens
        self.logprobs[self.rows, step] = logprobs
        self.n_new[self.rows] += ~self.done
        if self.counts is not None:
            self.counts.scatter_add_(1, tokens[:, None], torch.ones_like(self.counts[:, :1]))
        self.done |= torch.isin(tokens, self.ends)
        if self.config.stop:
            self.done |= torch.tensor(self._stopped(step), device=self.device)
        return tokens

    def _stopped(self, step: int) -> list[bool]:
        """Whether the new text of each row holds a stop string: it can only end in the newest token."""
        if self.decode is None:
            raise ValueError("stop: stop strings need a decoder")
        # A token has a byte at least; some more, since the first one may begin within a character.
        reach = max(len(stop.encode()) for stop in self.config.stop) + 4
        tails = self.ids[self.rows, max(0, step + 1 - reach) : step + 1].tolist()
        texts = map(self.decode, tails)
        return [any(stop in text for stop in self.config.stop) for text in texts]

    def _compact(self) -> Tensor:
        """Let the rows that are done leave; the places of those that stay."""
        stay = (~self.done).nonzero().squeeze(1)
        self.finished[self.rows] = self.done
        self.cache.keep(stay)
        self.rows, self.keys, self.done = self.rows[stay], self.keys[stay], self.done[stay]
        if self.counts is not None:
            self.counts = self.counts[stay]
        return stay

    def _tensor(self, values: list[int] | list[list[int]]) -> Tensor:
        return torch.tensor(values, dtype=torch.int64, device=self.device)


class _Step:
    """One decoding step: tokens [B] to logits [B, V]; on CUDA a replayed graph, since launches would dominate.

    A graph serves one shape: the batch, and the cache's reach, which grows in multiples of HORIZON slots. The logits
    stand in the graph's own memory, and the next step overwrites them.
    """

    def __init__(self, model: GPT, cache: KVCache) -> None:
        self.model, self.cache = model, cache
        self.graphs: dict[int, tuple[torch.cuda.CUDAGraph, Tensor]] = {}
        self.tokens = torch.zeros_like(cache.lengths)

    def __call__(self, tokens: Tensor) -> Tensor:
        if not on_cuda(tokens.device):
            return self._logits(tokens)
        reach = -(-(self.cache.used + 1) // HORIZON)
        self.tokens.copy_(tokens)
        if reach not in self.graphs:
            self.graphs[reach] = self._capture()
        graph, logits = self.graphs[reach]
        graph.replay()
        self.cache.used += 1
        return logits

    def _logits(self, tokens: Tensor) -> Tensor:
        return self.model.logits(self.model(tokens[:, None], cache=self.cache)[:, 0])

    def _capture(self) -> tuple[torch.cuda.CUDAGraph, Tensor]:
        """Run once to warm the kernels up, then record; the cache stands afterwards where it stood.

        The warm-up writes the new token's keys, and the replay writes the same ones again.
        """
        lengths, used = self.cache.lengths.clone(), self.cache.used
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            self._logits(self.tokens)
        torch.cuda.current_stream().wait_stream(side)
        self.cache.lengths.copy_(lengths)
        self.cache.used = used
        graph = torch.cuda.CUDAGraph()
        # By default a call of any thread ends the capture, and a loader may pin its batches meanwhile.
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            logits = self._logits(self.tokens)
        self.cache.used = used
        return graph, logits


def on_cuda(device: torch.device) -> bool:
    """Whether steps are replayed there, and looking at a result waits."""
    return device.type == "cuda"


@contextmanager
def _evaluating(model: GPT) -> Iterator[None]:
    """Without dropout; afterwards as it was."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
