"""Means over neighbours and elements, against plain sums."""

import numpy as np

from pipelines.html import block_context as context
from pipelines.html import page_arrays as room
from pipelines.html.block_context import block_context
from pipelines.html.block_features import LEVELS, block_features
from pipelines.html.blocks import read_blocks

PAGE = b"<div><h1>A title</h1><p>one two three<p>four<ul><li>five six<li>seven</ul></div><p>eight<p>nine ten"


def mean(guesses: np.ndarray, weights: np.ndarray, low: int, high: int) -> float:
    low, high = max(0, low), min(len(guesses), high)
    return float(np.average(guesses[low:high], weights=weights[low:high])) if high > low else -1.0


def test_means() -> None:
    page = read_blocks(PAGE)
    features = block_features(page, np.zeros((len(page.nodes), 2), np.float32))
    guesses = np.random.default_rng(0).random(len(page.blocks))
    weights, n = features.units + 5.0, len(guesses)
    found = block_context(guesses, features, page.nodes)
    assert found.shape == (n, context.WIDTH)
    for i in range(n):
        near = [guesses[i + k] if 0 <= i + k < n else -1 for k in (-3, -2, -1, 1, 2, 3)]
        windows = [mean(guesses, weights, i - reach, i + reach + 1) for reach in (3, 8, 20)]
        sides = [
            value
            for reach in (5, 15)
            for value in (mean(guesses, weights, i - reach, i), mean(guesses, weights, i + 1, i + reach + 1))
        ]
        levels = []
        for level in range(LEVELS):
            low, high = page.nodes[features.boxes[i, level], [room.BLOCKS_FROM, room.BLOCKS_TO]].tolist()
            part = (guesses * weights)[low:high].sum() / (guesses * weights).sum()
            levels += [mean(guesses, weights, low, high), part]
        whole = [
            mean(guesses, weights, 0, n),
            np.log1p((guesses * weights).sum()),
            guesses.max(),
            (guesses * weights)[:i].sum() / (guesses * weights).sum(),
        ]
        assert np.allclose(found[i], [guesses[i], *near, *windows, *sides, *levels, *whole], atol=1e-6)


def test_no_blocks() -> None:
    page = read_blocks(b"")
    features = block_features(page, np.zeros((len(page.nodes), 2), np.float32))
    assert block_context(np.empty(0), features, page.nodes).shape == (0, context.WIDTH)
