"""What the names of elements around a block tell of it: a sparse linear model over tags, classes and ids.

Each block has the names of all elements around it, and once more, as names of their own, those of the nearest
few. A logistic model over them is trained by FTRL-proximal (McMahan et al. 2013, Ad Click Prediction,
algorithm 1), whose L1 term leaves most weights zero, one example for each innermost element of a page, in
the order given: no random number, the same weights every time.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipelines.html import page_arrays as room
from pipelines.html.blocks import Blocks
from pipelines.html.borrow import borrowing
from pipelines.html.page_arrays import Hashes, Rows
from text.jit import kernel

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]

NEAR = 3
"""Innermost elements that count as near."""
_FREE = np.uint64(0)
_RATE, _BETA, _L1, _L2 = 0.15, 1.0, 3.0, 2.0


class NameWeights(NamedTuple):
    """Weights by name: `names` uint64[n] ascending, `weights` float32[n, 2]: near, anywhere around."""

    names: Hashes
    weights: Floats


class NameTable(NamedTuple):
    """`NameWeights` for look-up: open addressing, 0 marks a free slot, the number of slots is a power of two."""

    keys: Hashes
    weights: Floats


def name_table(model: NameWeights) -> NameTable:
    """The weights as a table that is at most half full."""
    slots = 1 << (2 * len(model.names) + 1).bit_length()
    table = NameTable(np.zeros(slots, np.uint64), np.zeros((slots, 2), np.float32))
    for name, weights in zip(model.names.tolist(), model.weights, strict=True):
        slot = name & (slots - 1)
        while table.keys[slot]:
            slot = (slot + 1) & (slots - 1)
        table.keys[slot] = name
        table.weights[slot] = weights
    return table


def name_scores(page: Blocks, table: NameTable) -> Floats:
    """What the names of each element weigh, float32[nodes, 2]: where it is near a block, where it is around it."""
    scores = np.zeros((len(page.nodes), 2), np.float32)
    _score(page.nodes, page.names, table.keys, table.weights, scores)
    return scores


@borrowing
@kernel
def _score(nodes: Rows, names: Hashes, keys: Hashes, weights: Floats, scores: Floats) -> None:
    mask = keys.size - 1
    for node in range(nodes.shape[0]):
        near = around = np.float32(0)
        for k in range(nodes[node, room.NAMES_FROM], nodes[node, room.NAMES_TO]):
            slot = np.int64(names[k]) & mask
            while keys[slot] != _FREE:
                if keys[slot] == names[k]:
                    near += weights[slot, 0]
                    around += weights[slot, 1]
                    break
                slot = (slot + 1) & mask
        scores[node, 0], scores[node, 1] = near, around


def known_names(pages: Sequence[Blocks], sites: Sequence[str], min_sites: int) -> Hashes:
    """Names that occur on at least `min_sites` sites, uint64[n] ascending; 0 is never one."""
    by_site: dict[str, list[Hashes]] = {}
    for page, site in zip(pages, sites, strict=True):
        by_site.setdefault(site, []).append(np.unique(page.names))
    found, counts = np.unique(
        np.concatenate([np.unique(np.concatenate(names)) for names in by_site.values()]), return_counts=True
    )
    return found[(counts >= min_sites) & (found != 0)]


def train_name_weights(
    pages: Sequence[Blocks],
    labels: Sequence[Floats],
    importance: Sequence[Doubles],
    names: Hashes,
    epochs: int = 3,
) -> NameWeights:
    """Weights of `names`; `labels` are 0..1 a block, `importance` how much each block counts (0: not at all)."""
    z, squares = np.zeros((len(names) + 1, 2)), np.zeros((len(names) + 1, 2))
    numbers = [_number(page, names) for page in pages]
    examples = [_examples(*parts) for parts in zip(pages, labels, importance, strict=True)]
    order = sorted(range(len(pages)), key=lambda i: (i * 7919) % max(1, len(pages)))
    for _ in range(epochs):
        for i in order:
            _learn(pages[i].nodes, numbers[i], *examples[i], z, squares)
    weights = np.zeros((len(names), 2))
    _weigh(z[1:], squares[1:], weights)
    used = np.any(weights != 0, axis=1)
    return NameWeights(names[used], weights[used].astype(np.float32))


def _number(page: Blocks, names: Hashes) -> Places:
    """Place of each of the page's names in `names`, counted from 1; 0 where it is not there."""
    if not len(names):
        return np.zeros(len(page.names), np.int64)
    place = np.minimum(np.searchsorted(names, page.names), len(names) - 1)
    return np.where(names[place] == page.names, place + 1, 0)


def _examples(page: Blocks, labels: Floats, importance: Doubles) -> tuple[Places, Doubles, Doubles]:
    """Innermost elements of the page, the mean label of their blocks, how much they count."""
    leaves, group = np.unique(page.blocks[:, room.LEAF], return_inverse=True)
    weight = np.bincount(group, importance, len(leaves))
    mean = np.bincount(group, importance * np.nan_to_num(labels), len(leaves)) / np.maximum(weight, 1e-12)
    return leaves.astype(np.int64), mean, weight.astype(np.float64)


@kernel
def _weigh(z: Doubles, squares: Doubles, weights: Doubles) -> None:
    for i in range(z.shape[0]):
        for k in range(2):
            weights[i, k] = _weight(z[i, k], squares[i, k])


@kernel
def _weight(z: float, square: float) -> float:
    if abs(z) <= _L1:
        return 0.0
    return -(z - np.sign(z) * _L1) / ((_BETA + np.sqrt(square)) / _RATE + _L2)


@kernel
def _learn(
    nodes: Rows,
    numbers: Places,
    leaves: Places,
    labels: Doubles,
    importance: Doubles,
    z: Doubles,
    squares: Doubles,
) -> None:
    path = np.empty((4096, 2), np.int64)
    for example in range(leaves.size):
        if importance[example] <= 0:
            continue
        size, hops, node = 1, 0, leaves[example]
        path[0, 0], path[0, 1] = 0, 1  # the intercept
        while node >= 0:
            for k in range(nodes[node, room.NAMES_FROM], nodes[node, room.NAMES_TO]):
                for group in range(0 if hops < NEAR else 1, 2):
                    if numbers[k] and size < path.shape[0]:
                        path[size, 0], path[size, 1] = numbers[k], group
                        size += 1
            node, hops = np.int64(nodes[node, room.PARENT]), hops + 1
        total = 0.0
        for k in range(size):
            total += _weight(z[path[k, 0], path[k, 1]], squares[path[k, 0], path[k, 1]])
        error = (1.0 / (1.0 + np.exp(-min(35.0, max(-35.0, total)))) - labels[example]) * importance[example]
        for k in range(size):
            i, group = path[k, 0], path[k, 1]
            weight = _weight(z[i, group], squares[i, group])
            step = (np.sqrt(squares[i, group] + error * error) - np.sqrt(squares[i, group])) / _RATE
            z[i, group] += error - step * weight
            squares[i, group] += error * error
