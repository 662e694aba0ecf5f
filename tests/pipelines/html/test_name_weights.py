"""Weights of element names: learned from blocks, looked up by a table."""

import numpy as np

from pipelines.html import page_arrays as room
from pipelines.html.blocks import Blocks, read_blocks
from pipelines.html.name_weights import (
    NameWeights,
    known_names,
    name_scores,
    name_table,
    train_name_weights,
)

GOOD = b"<div class=story><p>one</p><p>two</p></div>"
BAD = b"<div class=menu><p>three</p></div>"


def pages(count: int) -> list[Blocks]:
    return [read_blocks((GOOD + BAD) if i % 2 else (BAD + GOOD)) for i in range(count)]


def labels(page: Blocks) -> np.ndarray:
    texts = [page.text[start:end].tobytes() for start, end in page.blocks[:, :2].tolist()]
    return np.array([text in (b"one", b"two") for text in texts], np.float32)


def trained(count: int = 40) -> tuple[list[Blocks], NameWeights]:
    given = pages(count)
    importance = [np.full(len(page.blocks), 5.0) for page in given]
    names = known_names(given, [f"site{i}" for i in range(count)], 2)
    return given, train_name_weights(given, [labels(page) for page in given], importance, names)


def test_names_of_main_text_weigh_more() -> None:
    given, model = trained()
    scores = name_scores(given[0], name_table(model))
    story, menu = given[0].nodes[2:, room.PARENT].tolist(), scores[:, 1]
    assert len(story) > 0
    by_name = {
        given[0].text[given[0].blocks[row[room.BLOCKS_FROM], 0] :][:3].tobytes(): menu[i]
        for i, row in enumerate(given[0].nodes)
        if row[room.PARENT] == 0
    }
    assert by_name[b"one"] > 0 > by_name[b"thr"]


def test_the_same_weights_every_time() -> None:
    (_, first), (_, second) = trained(), trained()
    assert np.array_equal(first.names, second.names)
    assert np.array_equal(first.weights, second.weights)


def test_scores_are_sums_over_an_elements_names() -> None:
    page = read_blocks(b"<div class='a b'><p class=b>x")
    names = np.unique(page.names[page.names > 0])
    model = NameWeights(names, np.arange(2 * len(names), dtype=np.float32).reshape(-1, 2))
    weight = dict(zip(names.tolist(), model.weights.tolist(), strict=True))
    for node, row in enumerate(page.nodes):
        own = page.names[row[room.NAMES_FROM] : row[room.NAMES_TO]].tolist()
        expected = np.sum([weight.get(name, [0, 0]) for name in own] or [[0, 0]], axis=0)
        assert name_scores(page, name_table(model))[node].tolist() == expected.tolist()


def test_a_table_without_names() -> None:
    empty = NameWeights(np.empty(0, np.uint64), np.empty((0, 2), np.float32))
    assert not name_scores(read_blocks(GOOD), name_table(empty)).any()


def test_known_names_count_sites_and_not_pages() -> None:
    given = [read_blocks(b"<p class=a>x"), read_blocks(b"<p class=a>x"), read_blocks(b"<p class=b>x")]
    one, two = known_names(given, ["s", "s", "t"], 1), known_names(given, ["s", "s", "t"], 2)
    assert len(one) > len(two)
    assert set(two.tolist()) == set(given[0].names.tolist()) & set(given[2].names.tolist()) - {0}


def test_importance_nothing_teaches_nothing() -> None:
    given = pages(10)
    names = known_names(given, [str(i) for i in range(10)], 2)
    model = train_name_weights(
        given, [labels(page) for page in given], [np.zeros(len(page.blocks)) for page in given], names
    )
    assert len(model.names) == 0


def test_only_the_innermost_elements_are_near() -> None:
    wrapped = [
        read_blocks(b"<div class=%s><div><div><p>x</div></div></div>" % (b"story" if i % 2 else b"menu"))
        for i in range(40)
    ]
    model = train_name_weights(
        wrapped,
        [np.full(1, i % 2, np.float32) for i in range(40)],
        [np.full(1, 5.0)] * 40,
        known_names(wrapped, [str(i) for i in range(40)], 2),
    )
    near = {name for page in wrapped for name in page.names[page.nodes[3, room.NAMES_FROM] :].tolist()}
    weights = dict(zip(model.names.tolist(), model.weights.tolist(), strict=True))
    far = [pair for name, pair in weights.items() if name not in near]
    assert len(far) >= 2
    assert all(pair[0] == 0 and pair[1] != 0 for pair in far)
