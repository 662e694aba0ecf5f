"""Training of a two-class fastText model on folded words, and the linear model that it comes to.

One thread and lines in an order that depends on their content alone: the same examples give the same model. fastText
has no weights for examples, so the classes are balanced by repeating rows of the smaller one.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from quality.classifiers.fasttext_scores import LinearFastText
from quality.classifiers.fasttext_words import lines
from text.hashing import digest128, uniform

LABELS = {True: "__label__curated", False: "__label__crawl"}
_ROWS_AT_ONCE = 1 << 16


class FastTextConfig(BaseModel):
    """How fastText is trained; the defaults are those that DCLM took, but for the buckets."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dimension: int = Field(default=100, description="size of the word vectors", ge=1, le=1000)
    word_ngrams: int = Field(default=2, description="longest n-gram of words that is a feature", ge=1, le=5)
    buckets: int = Field(
        default=1 << 19,
        description="hash buckets of the n-grams; training takes buckets x dimension x 4 bytes of memory",
        ge=1,
        le=1 << 26,
    )
    epochs: int = Field(default=5, description="passes over the examples", ge=1, le=1000)
    learning_rate: float = Field(default=0.1, description="learning rate at the start, falls to 0", gt=0)
    min_count: int = Field(default=1, description="fewest occurrences of a word that is a feature", ge=1)
    seed: int = Field(default=0, description="seed of the vectors that training starts from", ge=0)
    keep_binary: bool = Field(
        default=False,
        description="whether fastText's own file is stored too, for other programs; it is large",
    )


class Trained(NamedTuple):
    """The linear model, how often each of its words occurs, lines of each class, fastText's file if it is kept."""

    model: LinearFastText
    word_counts: NDArray[np.int64]
    lines_of_a_class: int
    binary: bytes | None


class TrainingError(ValueError):
    """fastText could not be trained; the message names the config key to change."""


def train(positive: pa.ChunkedArray, negative: pa.ChunkedArray, config: FastTextConfig) -> Trained:
    """Train on both classes, the smaller one repeated until it has as many lines.

    Memory: the folded texts, and (words + buckets) x dimension x 4 bytes, twice for a moment. TrainingError where
    the settings diverge.
    """
    with tempfile.TemporaryDirectory(prefix="gristmill-fasttext-") as folder:
        path = Path(folder) / "examples.txt"
        n_lines = write_lines(path, positive, negative, config.seed)
        model = _fasttext(path, config)
        binary = None
        if config.keep_binary:
            model.save_model(str(Path(folder) / "model.bin"))
            binary = (Path(folder) / "model.bin").read_bytes()
    words, counts = model.get_words(include_freq=True)
    linear = linear_model(model, words, config.word_ngrams)
    return Trained(linear, np.asarray(counts, np.int64), n_lines, binary)


def write_lines(path: Path, positive: pa.ChunkedArray, negative: pa.ChunkedArray, seed: int) -> int:
    """Write fastText's training file; lines of each class.

    Each row of the smaller class stands there equally often, or once more for those with the smallest draws.
    The lines are in the order of draws that depend on text and copy, so that the classes are mixed.
    """
    classes = [(LABELS[True], _lines(positive), _keys(positive))]
    classes.append((LABELS[False], _lines(negative), _keys(negative)))
    n_lines = max(len(positive), len(negative))
    draws, places = [], []
    for number, (_, _, keys) in enumerate(classes):
        rows, copies = repeated(keys, n_lines, seed)
        draws.append(_draws(keys, rows, copies, seed))
        places.append(np.stack([np.full(n_lines, number), rows]))
    placed, drawn = np.concatenate(places, axis=1), np.concatenate(draws)
    # Of equal texts in both classes the curated one comes first.
    order = np.lexsort((placed[0], drawn))
    with path.open("wb") as stream:
        for number, row in placed[:, order].T.tolist():
            label, texts, _ = classes[number]
            stream.write(f"{label} {texts[row].as_py()}\n".encode())
    return n_lines


def repeated(keys: pa.Array, n_lines: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and copy number of `n_lines` lines from the rows with these keys, each as often as another or once more."""
    times, more = divmod(n_lines, len(keys))
    rows = np.tile(np.arange(len(keys)), times)
    copies = np.repeat(np.arange(times), len(keys))
    further = np.argsort(uniform(keys, seed, "fasttext repeated rows"), kind="stable")[:more]
    return np.concatenate([rows, further]), np.concatenate([copies, np.full(more, times)])


def linear_model(model: Any, words: Sequence[str], word_ngrams: int) -> LinearFastText:
    """What a two-class fastText model comes to: a number for each word and n-gram bucket."""
    labels = model.get_labels()
    output = np.asarray(model.get_output_matrix(), np.float64)
    direction = output[labels.index(LABELS[True])] - output[labels.index(LABELS[False])]
    vectors = model.get_input_matrix()
    weights = np.empty(len(vectors))
    for first in range(0, len(vectors), _ROWS_AT_ONCE):
        part = np.asarray(vectors[first : first + _ROWS_AT_ONCE], np.float64)
        # No matrix product: its sums depend on the number of threads.
        weights[first : first + len(part)] = (part * direction).sum(axis=1)
    return LinearFastText(list(words), weights[: len(words)], weights[len(words) :], word_ngrams)


def _fasttext(path: Path, config: FastTextConfig) -> Any:
    import fasttext  # here, so that only the process that trains pays for it

    try:
        return fasttext.train_supervised(
            input=str(path),
            dim=config.dimension,
            wordNgrams=config.word_ngrams,
            bucket=config.buckets,
            epoch=config.epochs,
            lr=config.learning_rate,
            minCount=config.min_count,
            seed=config.seed,
            loss="softmax",
            minn=0,
            maxn=0,
            thread=1,
            verbose=0,
        )
    except RuntimeError as error:
        raise TrainingError(
            f"fasttext.learning_rate: {config.learning_rate} made the training diverge ({error}); take a smaller one"
        ) from error


def _lines(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    return pa.chunked_array([lines(chunk) for chunk in texts.chunks], pa.large_string())


def _keys(texts: pa.ChunkedArray) -> pa.Array:
    keys = pa.chunked_array([digest128(chunk) for chunk in texts.chunks], pa.string())
    return keys.combine_chunks()


def _draws(
    keys: pa.Array, rows: NDArray[np.int64], copies: NDArray[np.int64], seed: int
) -> NDArray[np.float64]:
    """One number a line, from its text and copy number."""
    draws = np.empty(len(rows))
    for copy in np.unique(copies).tolist():
        chosen = np.flatnonzero(copies == copy)
        taken = keys.take(pa.array(rows[chosen]))
        draws[chosen] = uniform(taken, seed, f"fasttext order of copy {copy}")
    return draws
