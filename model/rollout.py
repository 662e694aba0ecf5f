"""Answers to learn from: how they are sampled, laid out, and read by the four models of PPO.

Sampling keeps no logits. What the loss needs is computed afterwards by the forward pass that the update uses too, so
that the first update sees a ratio of exactly 1; and only where answers are, some thousand tokens at a time.

Shapes: N or B episodes, T places of prompt and answer, R places of an answer, D features.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from model.decoding import generate
from model.dialogue_rows import DialogueEncoder
from model.gpt import GPT, ScalarGPT
from model.losses import token_logprobs
from model.ppo_config import PromptsConfig
from model.sampling_config import SamplingConfig
from model.split_tables import read_split


class Prompt(NamedTuple):
    """A question: its id in the dataset, and its tokens up to the opened answer."""

    prompt_id: str
    ids: list[int]


class Episodes(NamedTuple):
    """Prompts with their answers, on the CPU: whole rows, padded on the right with 0.

    `logprobs` are the sampler's own, of the tokens that it chose, under the distribution it drew from.
    """

    ids: Tensor  # int64 [N, T]
    n_prompt: Tensor  # int64 [N]
    n_answer: Tensor  # int64 [N], at least 1
    ended: Tensor  # bool [N]: by an end token, not by the limit
    logprobs: Tensor  # fp32 [N, R]

    @property
    def mask(self) -> Tensor:
        """True at the tokens of answers, bool [N, R]."""
        return torch.arange(self.logprobs.shape[1]) < self.n_answer[:, None]

    def take(self, rows: Tensor) -> "Episodes":
        """These episodes, without padding that only others needed; R stays."""
        n_prompt, n_answer = self.n_prompt[rows], self.n_answer[rows]
        longest = int((n_prompt + n_answer).max())
        return Episodes(self.ids[rows, :longest], n_prompt, n_answer, self.ended[rows], self.logprobs[rows])

    def answers(self) -> list[list[int]]:
        """The tokens of each answer, its end token included."""
        spans = zip(self.ids, self.n_prompt.tolist(), self.n_answer.tolist(), strict=True)
        return [ids[start : start + length].tolist() for ids, start, length in spans]

    def places(self, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
        """Where answers' tokens are: row, column in R, and column in T of the token before, each [tokens]."""
        # Made on the host, which knows all lengths: on the device they would have to be waited for.
        row, column = self.mask.nonzero(as_tuple=True)
        before = self.n_prompt[row] - 1 + column
        return row.to(device), column.to(device), before.to(device)


Reward = Callable[[Episodes], Tensor]
"""The score of each episode [N], fp32: a reward model, or any other judgement of answers."""


def load_prompts(
    config: PromptsConfig, tokenizer: PreTrainedTokenizerFast, room: int
) -> tuple[list[Prompt], int]:
    """The prompts of a split in the order of the files, and how many were left out since they are too long.

    `room`: tokens that model and answer leave. DataError where the dataset does not hold them, ValueError where none
    is short enough or a row has a role that the tokenizer does not know.
    """
    table = read_split(config.folder, config.split, ["prompt_id", "prompt"])
    longest = room if config.longest is None else min(room, config.longest)
    ids = DialogueEncoder(tokenizer).prompts(table["prompt"].to_pylist())
    prompts = [Prompt(*row) for row in zip(table["prompt_id"].to_pylist(), ids, strict=True)]
    kept = [prompt for prompt in prompts if len(prompt.ids) <= longest]
    if not kept:
        raise ValueError(
            f"prompts: of the {len(prompts)} in {config.folder}, {config.split}, none has {longest} tokens or "
            "fewer: raise prompts.longest, lower the length of answers, or take a model with a longer context"
        )
    return kept, len(prompts) - len(kept)


def roll_out(
    model: GPT, prompts: Sequence[Sequence[int]], sampling: SamplingConfig, end_ids: Collection[int]
) -> Episodes:
    """Answer each prompt; a ValueError where one does not fit beside the longest answer."""
    made = generate(model, prompts, sampling, end_ids)
    n_prompt, n_answer = torch.tensor(made.n_prompt), torch.tensor([len(ids) for ids in made.ids])
    ids = torch.zeros(len(prompts), int((n_prompt + n_answer).max()), dtype=torch.int64)
    logprobs = torch.zeros(len(prompts), int(n_answer.max()))
    for row, (prompt, answer, scores) in enumerate(zip(prompts, made.ids, made.logprobs, strict=True)):
        read = made.n_prompt[row]
        ids[row, :read] = torch.tensor(prompt[len(prompt) - read :])
        ids[row, read : read + len(answer)] = answer
        logprobs[row, : len(answer)] = scores
    return Episodes(ids, n_prompt, n_answer, torch.tensor(made.finished), logprobs)


def answer_logprobs(model: GPT, episodes: Episodes) -> tuple[Tensor, Tensor]:
    """Log-probability of each token of the answers, and the entropy there: fp32 [B, R] on the model's device."""
    device = model.wte.weight.device
    row, column, before = episodes.places(device)
    ids = episodes.ids.to(device)
    hidden = model(ids)[row, before]
    found = token_logprobs(model, hidden[None], ids[row, before + 1][None])
    logprobs, entropy = (_spread(values[0], row, column, episodes) for values in found)
    return logprobs, entropy


def answer_values(model: ScalarGPT, episodes: Episodes) -> Tensor:
    """The value of the state before each token of the answers: fp32 [B, R] on the model's device."""
    device = model.score.weight.device
    row, column, before = episodes.places(device)
    return _spread(model(episodes.ids.to(device))[row, before], row, column, episodes)


def _spread(values: Tensor, row: Tensor, column: Tensor, episodes: Episodes) -> Tensor:
    return values.new_zeros(episodes.logprobs.shape).index_put((row, column), values)


class ModelReward:
    """Scores of a reward model, read at the end of an answer, `rows` episodes at a time.

    The reward model has only learned what a whole answer is worth. Where one does not end in `end_id` (it ran into
    its limit, or ended the text instead of the turn), it is read as if it ended there.
    """

    def __init__(self, model: ScalarGPT, end_id: int, rows: int) -> None:
        self.model, self.end_id, self.rows = model.eval().requires_grad_(False), end_id, rows

    @torch.no_grad()
    def __call__(self, episodes: Episodes) -> Tensor:
        """Scores [N], fp32, on the model's device."""
        parts = torch.split(torch.arange(len(episodes.ids)), self.rows)
        return torch.cat([self._scores(episodes.take(rows)) for rows in parts])

    def _scores(self, episodes: Episodes) -> Tensor:
        row = torch.arange(len(episodes.ids))
        last = episodes.n_prompt + episodes.n_answer - 1
        last = last + (episodes.ids[row, last] != self.end_id)
        ids = torch.cat((episodes.ids, torch.zeros_like(episodes.ids[:, :1])), dim=1)
        ids[row, last] = self.end_id
        ids = ids[:, : int(last.max()) + 1]
        device = self.model.score.weight.device
        return self.model(ids.to(device))[row.to(device), last.to(device)]


def micro_batches(rows: Tensor, minibatch: int, micro_rows: int) -> Iterator[Tensor]:
    """`rows` in the groups that an update reads together, minibatch by minibatch."""
    for part in torch.split(rows, minibatch):
        yield from torch.split(part, micro_rows)
