from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup.components import components
from pipelines.deduplication import components_spark
from pipelines.deduplication.components_spark import components_on_spark
from pipelines.engine.runner import StageError

Edges = list[tuple[int, int]]


def labels_on_spark(spark: Any, edges: Edges) -> dict[int, int]:
    left, right = (pa.array([edge[i] for edge in edges], pa.int64()) for i in (0, 1))
    frame = spark.createDataFrame(pa.table({"left": left, "right": right}))
    found = components_on_spark(frame).toArrow()
    labels = dict(zip(found["node"].to_pylist(), found["component"].to_pylist(), strict=True))
    assert len(labels) == len(found)
    return labels


def labels_in_memory(edges: Edges) -> dict[int, int]:
    """The same by dedup.components: every node but the smallest of its component."""
    nodes = np.unique(np.array(edges, dtype=np.int64).reshape(-1))
    left, right = (np.searchsorted(nodes, [edge[i] for edge in edges]) for i in (0, 1))
    labels = nodes[components(left, right, len(nodes))]
    return {int(node): int(label) for node, label in zip(nodes, labels, strict=True) if node != label}


def apart(graphs: list[Edges]) -> Edges:
    """All graphs as one, each with node numbers of its own; some near 2**62, as packed locations are."""
    return [
        (a + (i << 40) + (1 << 62 if i % 2 else 0), b + (i << 40) + (1 << 62 if i % 2 else 0))
        for i, edges in enumerate(graphs)
        for a, b in edges
    ]


def chain(n: int, seed: int | None = None) -> Edges:
    nodes = np.arange(n) if seed is None else np.random.default_rng(seed).permutation(n)
    return [(int(a), int(b)) for a, b in pairwise(nodes)]


def scattered(n: int, edges: int, seed: int) -> Edges:
    return [(int(a), int(b)) for a, b in np.random.default_rng(seed).integers(0, n, (edges, 2))]


def test_chains_stars_and_random_graphs_have_the_components_of_memory(spark: Any) -> None:
    graphs = [
        chain(1000),
        chain(1000, seed=1),
        [(b, a) for a, b in chain(64)],
        [(500, i) for i in range(500)],
        [(a, b) for a in range(12) for b in range(12)],
        scattered(300, 200, seed=2),
        scattered(300, 900, seed=3),
        [(7, 7), (3, 4), (4, 3), (3, 4)],
    ]
    edges = apart(graphs)
    assert labels_on_spark(spark, edges) == labels_in_memory(edges)


@settings(max_examples=4)
@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=14),
        min_size=10,
        max_size=30,
    )
)
def test_random_graphs_have_the_components_of_memory(spark: Any, graphs: list[Edges]) -> None:
    edges = apart(graphs)
    assert labels_on_spark(spark, edges) == labels_in_memory(edges)


def test_too_many_rounds_are_an_error(spark: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(components_spark, "MAX_ROUNDS", 1)
    with pytest.raises(StageError, match="not done after 1 rounds"):
        labels_on_spark(spark, chain(20, seed=0))
