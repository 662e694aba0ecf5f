"""Boosted trees as plain arrays: taken from scikit-learn's histogram gradient boosting, evaluated by a kernel.

A tree's nodes stand in preorder: the left child of a node is the next one, the right child stands `right`
places behind it; a leaf has `right` 0 and its value in `thresholds`. A row goes left where its feature is at
most the threshold. Thresholds are rounded down to float32, which changes no decision about float32 features.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipelines.html.borrow import borrowing
from text.jit import kernel

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]


class Trees(NamedTuple):
    """`features` uint8[nodes], `right` uint8[nodes], `thresholds` float32[nodes], `roots` int32[trees], `base`."""

    features: npt.NDArray[np.uint8]
    right: npt.NDArray[np.uint8]
    thresholds: Floats
    roots: npt.NDArray[np.int32]
    base: float


def probabilities(trees: Trees, matrix: Floats) -> Doubles:
    """P(class 1) of each row of float32[n, width], float64[n]."""
    raw = np.full(len(matrix), trees.base)
    _evaluate(trees.features, trees.right, trees.thresholds, trees.roots, matrix, raw)
    return 1.0 / (1.0 + np.exp(-raw))


def trees_of(model: Any) -> Trees:
    """The trees of a fitted binary `HistGradientBoostingClassifier` without categorical features.

    Raises ValueError for more than 256 features or a tree of more than 255 nodes.
    """
    nodes = [tree for (tree,) in ((predictor.nodes for predictor in row) for row in model._predictors)]
    if model.n_features_in_ > 256 or max(map(len, nodes)) > 255:
        raise ValueError("expected at most 256 features and 255 nodes a tree: they are numbered by one byte")
    features: list[int] = []
    right: list[int] = []
    thresholds: list[np.float32] = []
    roots: list[int] = []
    for tree in nodes:
        order = _preorder(tree)
        place = {node: at for at, node in enumerate(order)}
        roots.append(len(features))
        for at, node in enumerate(order):
            leaf = bool(tree[node]["is_leaf"])
            features.append(0 if leaf else int(tree[node]["feature_idx"]))
            right.append(0 if leaf else place[int(tree[node]["right"])] - at)
            thresholds.append(
                np.float32(tree[node]["value"]) if leaf else _rounded_down(tree[node]["num_threshold"])
            )
    return Trees(
        np.array(features, np.uint8),
        np.array(right, np.uint8),
        np.array(thresholds, np.float32),
        np.array(roots, np.int32),
        float(np.ravel(model._baseline_prediction)[0]),
    )


def _preorder(tree: npt.NDArray[Any]) -> list[int]:
    order, waiting = [], [0]
    while waiting:
        node = waiting.pop()
        order.append(node)
        if not tree[node]["is_leaf"]:
            waiting += [int(tree[node]["right"]), int(tree[node]["left"])]
    return order


def _rounded_down(threshold: float) -> np.float32:
    rounded = np.float32(threshold)
    return np.nextafter(rounded, np.float32(-np.inf)) if float(rounded) > threshold else rounded


@borrowing
@kernel
def _evaluate(
    features: npt.NDArray[np.uint8],
    right: npt.NDArray[np.uint8],
    thresholds: Floats,
    roots: npt.NDArray[np.int32],
    matrix: Floats,
    raw: Doubles,
) -> None:
    for row in range(matrix.shape[0]):
        for tree in range(roots.size):
            node = np.int64(roots[tree])
            while right[node]:
                node += 1 if matrix[row, features[node]] <= thresholds[node] else np.int64(right[node])
            raw[row] += thresholds[node]
