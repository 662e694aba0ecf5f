"""Which blocks of a page are its main text: the shipped weights, and the choice that they lead to.

Three steps, each a small model: what the names of a block's elements weigh (`name_weights`); trees over the
block's features; trees over the same and the first trees' guesses about the page. Then the blocks are kept
that promise the best F1, which are those above half of that best F1: a page that the model is sure of loses
its doubtful blocks, and one that it knows little of keeps more. Of passages that come twice one is kept.

The weights are safetensors (no code in them), made by `pipelines.html.train_blocks`.
"""

from functools import cache
from importlib import resources
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load, save

from pipelines.html.block_context import block_context
from pipelines.html.block_features import block_features
from pipelines.html.block_repeats import without_repeats
from pipelines.html.blocks import Blocks
from pipelines.html.name_weights import NameTable, NameWeights, name_scores, name_table
from pipelines.html.trees import Trees, probabilities

WEIGHTS = "block_weights.safetensors"

Doubles = npt.NDArray[np.float64]

# On held-back pages a bar a little above the best expected one costs listings 0.003 of F1 and gives news 0.01:
# probabilities of blocks on one page err together, and then upwards.
_MARGIN, _LEAST = 1.1, 0.3


class BlockModel(NamedTuple):
    """Everything that was learned."""

    names: NameWeights
    first: Trees
    second: Trees


class ReadyModel(NamedTuple):
    """A model with its names as a table."""

    table: NameTable
    first: Trees
    second: Trees


class Verdict(NamedTuple):
    """`probabilities` float64[n] that each block is main text, `units` int64[n], `chosen` bool[n]."""

    probabilities: Doubles
    units: npt.NDArray[np.int64]
    chosen: npt.NDArray[np.bool_]


def ready(model: BlockModel) -> ReadyModel:
    """The model as `judge` takes it."""
    return ReadyModel(name_table(model.names), model.first, model.second)


@cache
def shipped() -> ReadyModel:
    """The weights that come with the project, read once."""
    return ready(loads(resources.files("pipelines.html").joinpath(WEIGHTS).read_bytes()))


def judge(page: Blocks, model: ReadyModel) -> Verdict:
    """What of the page is main text."""
    features = block_features(page, name_scores(page, model.table))
    guesses = probabilities(model.first, features.matrix)
    context = block_context(guesses, features, page.nodes)
    found = probabilities(model.second, np.hstack([features.matrix, context]))
    chosen = without_repeats(choose(found, features.units), features.stats)
    return Verdict(found, features.units, chosen)


def choose(probabilities: Doubles, units: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """The blocks to keep: those likelier than a bar that the page itself sets.

    Where none passes it, the set of the best expected F1, so that a page with text keeps some.
    """
    bar = best_bar(probabilities, units)
    chosen: npt.NDArray[np.bool_] = probabilities >= max(_LEAST, _MARGIN * bar)
    return chosen if chosen.any() else probabilities >= bar


def best_bar(probabilities: Doubles, units: npt.NDArray[np.int64]) -> float:
    """The bar above which the kept blocks have the best expected F1 in units: half of that F1 (0: no blocks).

    Of the blocks in falling order of probability, the first k have 2 * sum(p u) / (sum(u) + total of p u)
    (Lipton, Elkan, Narayanaswamy 2014, Optimal thresholding of classifiers to maximize F1).
    """
    order = np.argsort(-probabilities, kind="stable")
    size, expected = units[order].astype(np.float64), (probabilities * units)[order]
    gain = np.cumsum(expected) / np.maximum(np.cumsum(size) + expected.sum(), 1e-9)
    return float(gain.max(initial=0.0))


def dumps(model: BlockModel) -> bytes:
    """The model as safetensors."""
    tensors: dict[str, npt.NDArray[Any]] = {
        "names.names": model.names.names,
        "names.weights": model.names.weights,
    }
    for name, trees in (("first", model.first), ("second", model.second)):
        tensors |= {f"{name}.{field}": np.asarray(value) for field, value in trees._asdict().items()}
    return save(tensors)


def loads(data: bytes) -> BlockModel:
    """The model that `dumps` wrote. Raises ValueError naming what is missing."""
    tensors = load(data)
    try:
        names = NameWeights(tensors["names.names"], tensors["names.weights"])
        first, second = _trees(tensors, "first"), _trees(tensors, "second")
    except KeyError as error:
        raise ValueError(
            f"{WEIGHTS}: no tensor {error}; write it with python -m pipelines.html.train_blocks"
        ) from None
    return BlockModel(names, first, second)


def _trees(tensors: dict[str, npt.NDArray[Any]], name: str) -> Trees:
    features, right, thresholds, roots, base = (tensors[f"{name}.{field}"] for field in Trees._fields)
    return Trees(features, right, thresholds, roots, float(base))
