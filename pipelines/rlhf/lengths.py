"""Length limits in tokens of the real tokenizer: prompts and answers of at most 1,024 (InstructGPT, app. C).

The paper's Table 9 has prompts of up to 2,048 tokens: it counts before this filter.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field

from pipelines.rlhf.chat_tokenizer import ChatTokenizer
from pipelines.rlhf.decisions import Drops
from pipelines.rlhf.reasons import Reason

Ints = npt.NDArray[np.int64]


class LengthConfig(BaseModel):
    """The longest prompt and the longest answer, each by itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_prompt_tokens: int = Field(
        default=1024,
        description="tokens of a prompt, roles and the opening of the answer included (InstructGPT: 1,024)",
        ge=1,
    )
    max_completion_tokens: int = Field(
        default=1024, description="tokens of an answer, its end of turn included (InstructGPT: 1,024)", ge=1
    )


class Lengths(NamedTuple):
    """Tokens of every record's prompt, and of its answers: those of record i lie between its two offsets."""

    prompt: Ints
    answers: Ints
    offsets: Ints

    def take(self, rows: Ints) -> "Lengths":
        """The lengths of `rows`."""
        counts = np.diff(self.offsets)[rows]
        offsets = np.concatenate([[0], np.cumsum(counts)])
        within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], counts)
        return Lengths(
            self.prompt[rows], self.answers[np.repeat(self.offsets[rows], counts) + within], offsets
        )

    @property
    def longest(self) -> Ints:
        """Tokens of each record's longest answer, 0 where it has none."""
        longest = np.zeros(len(self.prompt), np.int64)
        np.maximum.at(longest, np.repeat(np.arange(len(self.prompt)), np.diff(self.offsets)), self.answers)
        return longest


def measure(
    prompts: pa.ChunkedArray, answers: pa.ChunkedArray | pa.Array, tokenizer: ChatTokenizer
) -> Lengths:
    """Lengths of a column of MESSAGES and a row-aligned column of lists of answers."""
    whole = answers.combine_chunks() if isinstance(answers, pa.ChunkedArray) else answers
    counts = np.asarray(pc.list_value_length(whole)).astype(np.int64)
    texts = whole.flatten()
    return Lengths(
        tokenizer.count_prompts(prompts),
        tokenizer.count_answers(texts),
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
    )


def too_long(lengths: Lengths, config: LengthConfig) -> Drops:
    """Records whose prompt is too long, or else one of whose answers is: it would be judged by its beginning."""
    longest = lengths.longest
    by_prompt = lengths.prompt > config.max_prompt_tokens
    rows = np.flatnonzero(by_prompt | (longest > config.max_completion_tokens))
    first = by_prompt[rows]
    names = pa.array([str(Reason.COMPLETION_TOO_LONG), str(Reason.PROMPT_TOO_LONG)])
    return Drops(
        rows,
        names.take(pa.array(first.astype(np.int8))),
        np.where(first, lengths.prompt[rows], longest[rows]).astype(np.float64),
        np.where(first, config.max_prompt_tokens, config.max_completion_tokens).astype(np.float64),
        pa.nulls(len(rows), pa.string()),
    )
