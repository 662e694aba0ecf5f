"""Connected components of the graph of verified duplicate pairs."""

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components


def components(left: np.ndarray, right: np.ndarray, n: int) -> np.ndarray:
    """For each of `n` nodes the smallest node of its component, int64[n]; edge i joins left[i] and right[i].

    The label depends on the graph alone, not on the order or direction of its edges. O(n + edges) memory
    and time.
    """
    if n == 0:
        return np.empty(0, dtype=np.int64)
    graph = coo_matrix((np.ones(len(left), dtype=np.int8), (left, right)), shape=(n, n))
    _, labels = connected_components(graph, directed=False)
    # The first node that carries a label is the smallest one of its component.
    _, first = np.unique(labels, return_index=True)
    return first[labels].astype(np.int64)
