"""The lines of a text that its language's n-gram model finds least likely."""

import numpy as np
import pyarrow as pa

from pipelines.explaining.passages import CHARACTERS, MOST
from quality.language_models.ngram_model import NgramModel

LINE_WORDS = 20
"""A longer line is told of in parts of so many words."""
FEWEST_WORDS = 3


def surprising(text: str, model: NgramModel, most: int = MOST) -> list[str]:
    """Parts of the text with their own perplexities, in their contexts, the highest first; equal parts once.

    A part is a line or, of a longer one, LINE_WORDS words; parts of fewer than FEWEST_WORDS words are left out unless
    there are no others. Words that the model does not know are named.
    """
    found = model.word_logs(pa.array([text]))
    data = text.encode()
    starts, ends = found.words.starts, found.words.ends
    places = _parts(data, starts, ends)
    sums = np.add.reduceat(found.logs[:-1].astype(np.float64), places[:-1]) if len(starts) else np.empty(0)
    sizes = np.diff(places)
    if np.any(sizes >= FEWEST_WORDS):
        sums = np.where(sizes >= FEWEST_WORDS, sums, np.inf)
    told: dict[str, None] = {}
    for part in np.argsort(sums / np.maximum(sizes, 1), kind="stable").tolist():
        if len(told) == most or not np.isfinite(sums[part]):
            break
        first, stop = int(places[part]), int(places[part + 1])
        said = " ".join(data[int(starts[first]) : int(ends[stop - 1])].decode().split())
        figure = f"perplexity {10 ** (-sums[part] / sizes[part]):,.0f}: "
        room = CHARACTERS - len(figure)
        told[figure + (said if len(said) <= room else f"{said[: room - 1]}…")] = None
    return list(told)


def _parts(data: bytes, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """First word of every part, and the number of words."""
    places = [0]
    for word in range(1, len(starts)):
        fresh = b"\n" in data[int(ends[word - 1]) : int(starts[word])]
        if fresh or word - places[-1] == LINE_WORDS:
            places.append(word)
    return np.array([*places, len(starts)] if len(starts) else [0])
