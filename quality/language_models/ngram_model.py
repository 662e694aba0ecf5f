"""An n-gram language model over the words of `text.words`: interpolated modified Kneser-Ney, scored at memory speed.

Words are those that everything else here counts: case-folded runs of letters and digits, and single characters in
scripts without spaces. A document is one sequence between a mark of its beginning and one of its end; line breaks and
punctuation are no words. Its perplexity is 10^(-mean log10 p) over its words and its end, as KenLM has it.
`quality.language_models.counts` has the estimation and its sources, `quality.language_models.tables` the look-up.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from quality.language_models import tables
from quality.language_models.counts import estimate, tokens_of
from text.buffers import Texts, as_texts
from text.words import Words, segment

FORMAT = "gristmill n-gram model"
FORMAT_VERSION = 1
SCHEME = "text.words; documents between begin and end; interpolated modified Kneser-Ney"
_TENSORS = {
    "keys": np.dtype(np.uint64),
    "log10_p": np.dtype(np.float32),
    "log10_backoff": np.dtype(np.float32),
}


class NgramModelError(ValueError):
    """A saved n-gram model is damaged or of another version."""


class NgramConfig(BaseModel):
    """The shape of an n-gram model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    order: int = Field(default=3, description="words of the longest n-gram", ge=2, le=tables.MAX_ORDER)
    min_count: int = Field(
        default=2,
        description="times that an n-gram of that length was seen, below which it is left out",
        ge=1,
    )


class WordLogs(NamedTuple):
    """log10 probability of each word and of each document's end, float32[words + documents].

    That of word i of `words`, which is in document d, is `logs[i + d]`; that of the end of d stands behind its words.
    """

    words: Words
    logs: NDArray[np.float32]
    unknown: NDArray[np.int64]


class NgramModel:
    """log10 p of every word in its context; made by `fit` or `from_files`. `card` says what it is, in JSON values."""

    def __init__(
        self, keys: tables.Keys, logs: tables.Floats, backoffs: tables.Floats, card: dict[str, Any]
    ) -> None:
        self._tensors: dict[str, NDArray[Any]] = {"keys": keys, "log10_p": logs, "log10_backoff": backoffs}
        self._table = tables.table_of(keys, logs, backoffs)
        self.card = card

    @property
    def digest(self) -> str:
        """128-bit xxh3 of the n-grams and their figures: equal models have equal digests."""
        return str(self.card["digest"])

    @classmethod
    def fit(cls, texts: Texts, config: NgramConfig | None = None) -> "NgramModel":
        """Estimate the model of some documents; neither their order nor how they are chunked matters.

        Memory: about 100 bytes a word besides the texts, 220 for order 5. ValueError where no text has a word.
        """
        chosen = config or NgramConfig()
        array = as_texts(texts)
        tokens = tokens_of(array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array]))
        documents = int(np.count_nonzero(tokens.places == 0))
        if not documents:
            raise ValueError("no text to train an n-gram model on has a word: add texts")
        made = estimate(tokens, chosen.order, chosen.min_count)
        keys = np.concatenate([order.keys for order in made.orders])
        logs = np.concatenate([order.logs for order in made.orders]).astype(np.float32)
        backoffs = np.concatenate([order.backoffs for order in made.orders[:-1]]).astype(np.float32)
        card = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "scheme": SCHEME,
            "config": chosen.model_dump(mode="json"),
            "documents": documents,
            "words": len(tokens.values) - 2 * documents,
            # BEGIN is an entry of the table and END no word.
            "ngrams": [
                len(order.keys) - (2 if not number else 0) for number, order in enumerate(made.orders)
            ],
            "unknown_log10_p": float(np.float32(made.unknown)),
            "discounts": [list(found) for found in made.discounts],
        }
        return cls(keys, logs, backoffs, card | {"digest": _digest(keys, logs, backoffs)})

    def word_logs(self, texts: Texts) -> WordLogs:
        """Words of the texts and the log10 probability of each in its context."""
        return self._logs(segment(as_texts(texts)))

    def log10_likelihood(self, texts: Texts) -> NDArray[np.float64]:
        """log10 probability of each document, its end included: float64[n]; of one without words that of the end."""
        logs = self.word_logs(texts)
        return tables.sum_logs(logs.logs, logs.words.offsets)

    def perplexity(self, texts: Texts) -> NDArray[np.float64]:
        """10^(-mean log10 p) over the words and the end of each document, float64[n]; NaN where it has no word."""
        logs = self.word_logs(texts)
        words = np.diff(logs.words.offsets)
        found = 10.0 ** (-tables.sum_logs(logs.logs, logs.words.offsets) / (words + 1))
        return np.where(words > 0, found, np.nan)

    def to_bytes(self) -> bytes:
        """The model's arrays in the safetensors format; its card is to be kept beside them."""
        from safetensors.numpy import save

        return bytes(save(self._tensors))

    @classmethod
    def from_bytes(cls, data: bytes, card: Mapping[str, Any], where: str) -> "NgramModel":
        """A model from what `to_bytes` gave and its card; `where` names it in an NgramModelError."""
        for key, known in (("format", FORMAT), ("format_version", FORMAT_VERSION), ("scheme", SCHEME)):
            if card.get(key) != known:
                raise NgramModelError(
                    f"{where}: '{key}' is {card.get(key)!r}, known is only {known!r}; fit the model again"
                )
        found = _tensors(data, where)
        arrays = found["keys"], found["log10_p"], found["log10_backoff"]
        if _digest(*arrays) != card.get("digest"):
            raise NgramModelError(f"{where}: not the model that its card describes; fit the model again")
        return cls(*arrays, dict(card))

    def _logs(self, words: Words) -> WordLogs:
        logs = np.empty(len(words.hashes) + len(words.offsets) - 1, np.float32)
        unknown = np.zeros(len(words.offsets) - 1, np.int64)
        tables.score_tokens(
            words.hashes,
            words.offsets,
            self._table,
            self._table.view(np.float32),
            self.card["config"]["order"],
            np.float32(self.card["unknown_log10_p"]),
            logs,
            unknown,
        )
        return WordLogs(words, logs, unknown)


def _digest(*arrays: NDArray[Any]) -> str:
    found = xxhash.xxh3_128()
    for array in arrays:
        found.update(np.ascontiguousarray(array).view(np.uint8).data)
    return found.hexdigest()


def _tensors(data: bytes, where: str) -> dict[str, NDArray[Any]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        found = load(data)
    except SafetensorError as error:
        raise NgramModelError(f"{where}: not a safetensors file ({error}); fit the model again") from None
    if {name: array.dtype for name, array in found.items()} != _TENSORS:
        raise NgramModelError(f"{where}: expected the arrays {sorted(_TENSORS)}; fit the model again")
    return dict(found)
