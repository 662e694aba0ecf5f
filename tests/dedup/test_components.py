import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedup.components import components


@pytest.mark.parametrize(
    ("edges", "n", "expected"),
    [
        pytest.param([], 0, [], id="no nodes"),
        pytest.param([], 3, [0, 1, 2], id="no edges"),
        pytest.param([(2, 1)], 3, [0, 1, 1], id="the smallest node names the component"),
        pytest.param([(0, 1), (1, 2), (4, 3)], 5, [0, 0, 0, 3, 3], id="a chain and a pair"),
        pytest.param([(0, 1)] * 300, 2, [0, 0], id="a repeated edge"),
        pytest.param([(1, 1)], 2, [0, 1], id="a loop"),
    ],
)
def test_components(edges: list[tuple[int, int]], n: int, expected: list[int]) -> None:
    left, right = (np.array([edge[i] for edge in edges], dtype=np.int64) for i in (0, 1))
    assert components(left, right, n).tolist() == expected


@given(st.lists(st.tuples(st.integers(0, 14), st.integers(0, 14)), max_size=20), st.randoms())
def test_labels_do_not_see_order_or_direction_of_edges(edges: list[tuple[int, int]], random) -> None:
    turned = [random.choice([edge, edge[::-1]]) for edge in edges]
    random.shuffle(turned)
    labels = [
        components(*(np.array([edge[i] for edge in some], dtype=np.int64) for i in (0, 1)), 15).tolist()
        for some in (edges, turned)
    ]
    assert labels[0] == labels[1]
    assert all(labels[0][a] == labels[0][b] for a, b in edges)
