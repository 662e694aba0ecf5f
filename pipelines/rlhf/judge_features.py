"""What can be said of an answer without reading it: the features of the automatic judge, each 0 to 1."""

import ast
import re
import warnings

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.rlhf.repetition import repeated_shares, run_share
from text.words import segment

Floats = npt.NDArray[np.float64]

_FENCE = re.compile(r"```[^\n]*\n(.*?)```", re.DOTALL)
_ENDS = tuple(".!?…。！？)]}\"'”’」』`>|:;*")
_NGRAM = 4


def code_of(answer: str) -> str:
    """The Python in an answer: its fenced blocks, or all of it where there is none."""
    blocks = _FENCE.findall(answer)
    return "\n".join(blocks) if blocks else answer


def python_parses(answers: pa.Array) -> Floats:
    """1 where the answer's code is Python that parses and holds a statement beyond expressions, else 0."""
    return np.array([float(_parses(answer)) for answer in answers.to_pylist()])


def _parses(answer: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of invalid escapes in the answer
            body = ast.parse(code_of(answer)).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    # Any single English word parses as an expression.
    return any(not isinstance(statement, ast.Expr) for statement in body)


def not_repetitive(answers: pa.Array) -> Floats:
    """1 minus the share of the answer's word 4-grams that stood in it before, or of its longest run."""
    runs = np.array([run_share(answer) for answer in answers.to_pylist()])
    return 1 - np.maximum(repeated_shares(answers, _NGRAM, _NGRAM + 1), runs)


def ends_well(answers: pa.Array, finish_reasons: pa.Array) -> Floats:
    """1 where the policy ended the answer itself, or, where that is not known, a mark of an end stands last."""
    known = zip(answers.to_pylist(), finish_reasons.to_pylist(), strict=True)
    return np.array(
        [float(text.rstrip().endswith(_ENDS) if why is None else why == "stop") for text, why in known]
    )


def length_fits(answers: pa.Array, fresh: Floats, least: int, most: int) -> Floats:
    """1 between `least` and `most` words, falling to 0 in proportion outside.

    An answer has as many words as its share `fresh` leaves of them where that is too few: padding makes none longer.
    """
    words = np.diff(segment(answers).offsets).astype(np.float64)
    return np.minimum(1.0, np.minimum(words * fresh / least, most / np.maximum(words, 1)))


def overlap(answers: pa.Array, references: pa.Array) -> Floats:
    """Harmonic mean of the shares of words that answer and reference have in common, each as often as it is there."""
    ours, theirs = segment(answers), segment(references)
    found = np.zeros(len(answers))
    for row in range(len(answers)):
        one = ours.hashes[ours.offsets[row] : ours.offsets[row + 1]]
        other = theirs.hashes[theirs.offsets[row] : theirs.offsets[row + 1]]
        total = len(one) + len(other)
        found[row] = 2 * _common(one, other) / total if total else 0.0
    return found


def _common(one: npt.NDArray[np.uint64], other: npt.NDArray[np.uint64]) -> int:
    words, counts = np.unique(one, return_counts=True)
    more, others = np.unique(other, return_counts=True)
    _, at, there = np.intersect1d(words, more, assume_unique=True, return_indices=True)
    return int(np.minimum(counts[at], others[there]).sum())
