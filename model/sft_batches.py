"""The rows of a step of supervised fine-tuning as micro-batches, with the weight of every token in the step's loss.

The loss of a step is the mean over its answers' tokens. With `prompt_loss` L the mean over its prompts' tokens comes
on top, L times (GPT-1 section 3.2: L3 = L2 + lambda L1). With pretraining rows among the demonstrations, each
kind of row has its own mean, weighted by its share of the step's rows: else one sequence of 2,048 tokens would count
as much as twenty answers.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model.data import DataError, PackedRows
from model.dialogue_rows import ANSWER, PROMPT, TEXT, TokenRows, padded
from model.row_order import RowOrder, Rows
from model.sft_config import MixConfig
from model.step_batches import StepPlan, micro_batches


class MicroBatch(NamedTuple):
    """Inputs [B, T], and of the tokens with a loss the place in the flattened B x T, the target, the weight."""

    ids: Tensor
    places: Tensor
    targets: Tensor
    weights: Tensor


class StepBatch(NamedTuple):
    """This process's micro-batches of a step, and the tokens of the whole step, padding left out."""

    micros: list[MicroBatch]
    tokens: int


class Row(NamedTuple):
    """Ids of a row, and the kind of each."""

    ids: npt.NDArray[np.int32]
    kinds: npt.NDArray[np.uint8]


class SFTData:
    """Demonstrations, with pretraining sequences among them, by step."""

    def __init__(
        self,
        demonstrations: TokenRows,
        texts: PackedRows | None,
        share: float,
        plan_rows: int,
        epochs: int,
        seed: int,
    ) -> None:
        self._demonstrations, self._texts = demonstrations, texts
        self._n = len(demonstrations.lengths)
        self.n_texts = 0 if texts is None else max(1, round(self._n * share / (1 - share)))
        self._order = None if texts is None else RowOrder(texts.group_sizes(), seed, len(texts))
        self.plan = StepPlan(self._n + self.n_texts, plan_rows, epochs, seed)

    def step(self, number: int) -> list[Row]:
        """The rows of step `number`, from 0."""
        items = self.plan.rows(number)
        rows = [_row(self._demonstrations, int(item)) for item in items[items < self._n]]
        return rows + self._pretraining(self.plan.epoch(number), items[items >= self._n] - self._n)

    def _pretraining(self, epoch: int, items: Rows) -> list[Row]:
        if self._texts is None or self._order is None:
            return []
        # Every epoch goes on where the one before ended: a sequence comes again when all have come.
        first = epoch * self.n_texts
        numbers = np.array([self._order.rows(first + int(item), 1)[0] for item in items], np.int64)
        return [Row(ids, np.full(len(ids), TEXT, np.uint8)) for ids in self._texts.take(numbers)]


def open_texts(config: MixConfig, vocab_size: int, context: int) -> PackedRows:
    """The pretraining sequences to mix in; DataError where they do not fit the model."""
    rows = PackedRows(config.folder, "train", config.source, vocab_size)
    if rows.length > context + 1:
        raise DataError(
            f"{rows.folder}: rows of {rows.length} tokens, but the model's context is {context}: pack them again"
        )
    return rows


def kind_weights(rows: Sequence[Row], prompt_loss: float) -> npt.NDArray[np.float64]:
    """The weight of a token by its kind, such that the weighted sum over the step's tokens is the step's loss."""
    # A row's first token is never predicted.
    counts = sum(np.bincount(row.kinds[1:], minlength=3) for row in rows)
    texts = sum(row.kinds[-1] == TEXT for row in rows) / len(rows)
    shares = np.zeros(3)
    shares[[PROMPT, ANSWER, TEXT]] = prompt_loss * (1 - texts), 1 - texts, texts
    return shares / np.maximum(counts, 1)


def step_batch(
    rows: Sequence[Row], weights: npt.NDArray[np.float64], budget: int, pad: int, rank: int, size: int
) -> StepBatch:
    """The micro-batches that process `rank` of `size` works off; tokens of weight 0 take no part in the head."""
    lengths = np.array([len(row.ids) for row in rows])
    parts = micro_batches(lengths - 1, budget)[rank::size]
    return StepBatch(
        [_micro_batch([rows[i] for i in part], weights, pad) for part in parts], int(lengths.sum())
    )


def _micro_batch(rows: Sequence[Row], weights: npt.NDArray[np.float64], pad: int) -> MicroBatch:
    ids = padded([row.ids for row in rows], pad)
    weight = np.zeros((len(rows), ids.shape[1] - 1))
    for number, row in enumerate(rows):
        weight[number, : len(row.kinds) - 1] = weights[row.kinds[1:]]
    places = torch.from_numpy(np.flatnonzero(weight))
    return MicroBatch(
        ids[:, :-1].contiguous(),
        places,
        ids[:, 1:].reshape(-1)[places],
        torch.from_numpy(weight.reshape(-1)).float()[places],
    )


def _row(rows: TokenRows, number: int) -> Row:
    return Row(rows.row(number), rows.kinds_of(number))


def answer_rows(rows: TokenRows) -> list[Row]:
    """All rows, for a loss over a whole split."""
    return [_row(rows, number) for number in range(len(rows.lengths))]
