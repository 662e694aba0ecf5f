"""Dialogues as rows of ids with the part that each token has in the loss: what SFT and the reward model read.

Every turn is encoded by itself and ids are put together, never made from joined text, so the ids of a prompt are a
prefix of those of prompt and answer. Rows lie one behind the other in one array: no object a token, no padding.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from model.fine_tune_config import LossOn, OnLong
from model.tokenizer import encode_dialogue

Ints = npt.NDArray[np.int64]
PROMPT, ANSWER, TEXT = 0, 1, 2  # what a token is: its kind; TEXT is of a pretraining row
ENCODED_AT_ONCE = 4096  # texts: enough to keep the tokenizer's threads busy


class TokenRows(NamedTuple):
    """Rows of ids: row i is ids[offsets[i] : offsets[i + 1]], int32, beside each token's kind, uint8."""

    ids: npt.NDArray[np.int32]
    kinds: npt.NDArray[np.uint8]
    offsets: Ints

    @property
    def lengths(self) -> Ints:
        """Tokens of each row."""
        return np.diff(self.offsets)

    def row(self, number: int) -> npt.NDArray[np.int32]:
        """The ids of one row."""
        return self.ids[self.offsets[number] : self.offsets[number + 1]]

    def kinds_of(self, number: int) -> npt.NDArray[np.uint8]:
        """The kinds of one row's tokens."""
        return self.kinds[self.offsets[number] : self.offsets[number + 1]]


class Fitted(NamedTuple):
    """Rows within a limit of tokens: which of the given ones they are, how many were cut and left out."""

    rows: TokenRows
    kept: Ints
    trimmed: int
    dropped: int


def token_rows(ids: Iterable[npt.ArrayLike], kinds: Iterable[npt.ArrayLike]) -> TokenRows:
    """Lists of ids and of kinds, row by row, as TokenRows."""
    parts = [np.asarray(row, np.int32) for row in ids]
    offsets = np.cumsum([0, *(len(part) for part in parts)], dtype=np.int64)
    marks = [np.asarray(row, np.uint8) for row in kinds]
    none = np.empty(0)
    return TokenRows(
        np.concatenate([none.astype(np.int32), *parts]),
        np.concatenate([none.astype(np.uint8), *marks]),
        offsets,
    )


class DialogueEncoder:
    """Turns as ids, as `model.tokenizer.encode_dialogue` makes them, many texts at a time."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self._tokenizer = tokenizer
        self._roles: dict[str, int] = {}
        opened = encode_dialogue(tokenizer, [{"role": "assistant", "content": ""}], add_assistant=True)
        self.assistant, self.end = opened[0], opened[1]

    def texts(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text; the name of a special token in it is plain text."""
        found: list[list[int]] = []
        for at in range(0, len(texts), ENCODED_AT_ONCE):
            part = list(texts[at : at + ENCODED_AT_ONCE])
            # Not verbose: it would warn of indexing errors, and `fit` looks after the context.
            encoded = self._tokenizer(
                part, add_special_tokens=False, split_special_tokens=True, verbose=False
            )
            found += encoded["input_ids"]
        return found

    def turns(self, dialogues: Sequence[Sequence[Mapping[str, str]]]) -> list[list[list[int]]]:
        """For each dialogue the ids of its turns: role, content, end. A ValueError names a role without a token."""
        flat = [turn for dialogue in dialogues for turn in dialogue]
        encoded = iter(
            [self._role(turn["role"]), *ids, self.end]
            for turn, ids in zip(flat, self.texts([turn["content"] for turn in flat]), strict=True)
        )
        return [[next(encoded) for _ in dialogue] for dialogue in dialogues]

    def prompts(self, dialogues: Sequence[Sequence[Mapping[str, str]]]) -> list[list[int]]:
        """The ids of each dialogue with the assistant's turn opened."""
        return [
            [*(token for turn in dialogue for token in turn), self.assistant]
            for dialogue in self.turns(dialogues)
        ]

    def _role(self, role: str) -> int:
        if role not in self._roles:
            self._roles[role] = encode_dialogue(self._tokenizer, [{"role": role, "content": ""}])[0]
        return self._roles[role]


def demonstration_rows(
    table: pa.Table, tokenizer: PreTrainedTokenizerFast, loss_on: LossOn = "completion"
) -> TokenRows:
    """Rows of columns `prompt` and `completion` (one assistant's turn): ids, and the tokens that are answers.

    An answer is content and `<|end|>`; the role's token that opens it belongs to the prompt. Under "assistant" the
    assistant's turns within the prompt are answers too. A ValueError names the row whose completion is another.
    """
    encoder = DialogueEncoder(tokenizer)
    prompts, completions = table["prompt"].to_pylist(), table["completion"].to_pylist()
    for number, completion in enumerate(completions):
        if len(completion) != 1 or completion[0]["role"] != "assistant":
            raise ValueError(
                f"row {number}: 'completion' must be one turn of the assistant, got {completion}"
            )
    dialogues = [[*prompt, *completion] for prompt, completion in zip(prompts, completions, strict=True)]
    ids, kinds = [], []
    for dialogue, turns in zip(dialogues, encoder.turns(dialogues), strict=True):
        marks: list[int] = []
        for place, (message, turn) in enumerate(zip(dialogue, turns, strict=True)):
            is_last = place == len(dialogue) - 1
            counts = message["role"] == "assistant" and (is_last or loss_on == "assistant")
            marks += [PROMPT] + [ANSWER if counts else PROMPT] * (len(turn) - 1)
        ids.append([token for turn in turns for token in turn])
        kinds.append(marks)
    return token_rows(ids, kinds)


def fit(rows: TokenRows, limit: int, on_long: OnLong, answers: Ints) -> Fitted:
    """Rows of at most `limit` tokens; `answers` [rows] counts each row's last tokens that may not be cut.

    A longer row is left out under "drop", and under "trim" loses its first tokens (as generation trims a prompt),
    unless its answer alone leaves no room for the token that opens it.
    """
    lengths = rows.lengths
    is_long = lengths > limit
    gone = is_long & (answers >= limit) if on_long == "trim" else is_long
    kept = np.flatnonzero(~gone)
    starts = rows.offsets[1:] - np.minimum(lengths, limit)
    spans = [slice(int(starts[row]), int(rows.offsets[row + 1])) for row in kept]
    fitted = token_rows((rows.ids[span] for span in spans), (rows.kinds[span] for span in spans))
    return Fitted(fitted, kept, int((is_long & ~gone).sum()), int(gone.sum()))


def padded(rows: Sequence[npt.NDArray[np.int32]], pad: int) -> Tensor:
    """Rows as int64 [rows, longest], padded on the right."""
    out = np.full((len(rows), max(len(row) for row in rows)), pad, np.int64)
    for number, row in enumerate(rows):
        out[number, : len(row)] = row
    return torch.from_numpy(out)


def last_answer_lengths(rows: TokenRows) -> Ints:
    """Tokens of the last answer of each row, its end included."""
    counts = []
    for number in range(len(rows.lengths)):
        prompt = np.flatnonzero(rows.kinds_of(number) != ANSWER)
        counts.append(len(rows.kinds_of(number)) - (int(prompt[-1]) + 1 if len(prompt) else 0))
    return np.array(counts, np.int64)
