"""Features of blocks: what tells a menu from an article shows in the right columns."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipelines.html import block_features as features
from pipelines.html import html_tags as tags
from pipelines.html.block_features import WIDTH, block_features
from pipelines.html.blocks import read_blocks

SENTENCE = "The quick brown fox jumps over the lazy dog, and the dog does not mind it at all."


def matrix(html: str, scores: dict[int, tuple[float, float]] | None = None) -> np.ndarray:
    page = read_blocks(html.encode())
    weights = np.zeros((len(page.nodes), 2), np.float32)
    for node, pair in (scores or {}).items():
        weights[node] = pair
    return block_features(page, weights).matrix


def test_shape_and_finite() -> None:
    assert matrix("").shape == (0, WIDTH)
    found = matrix(f"<nav><a href=x>Home</a></nav><p>{SENTENCE}")
    assert found.shape == (2, WIDTH)
    assert np.isfinite(found).all()
    assert WIDTH < 220  # with the context they are numbered by one byte


def test_marks_come_from_all_elements_around() -> None:
    found = matrix("<nav><ul><li>a</ul></nav><main><p>b</main>")
    marks = found[:, features._MARKS_AT : features._MARKS_AT + tags.MARK_BITS]
    nav, main = tags.MARKS.index("nav menu"), tags.MARKS.index("main")
    assert marks[:, [nav, main]].tolist() == [[1, 0], [0, 1]]


def test_repeated_text_is_told() -> None:
    found = matrix(f"<p>{SENTENCE}<p>Something else here today<p>{SENTENCE} More words follow it.")
    repeats = found[:, features._REPEATS_AT : features._REPEATS_AT + 2]
    assert repeats[0].tolist() == [1, 0]
    assert repeats[1].tolist() == [0, 0]
    assert np.allclose(repeats[2], 15 / 19)


def test_declared_text_is_told() -> None:
    html = f'<script>{{"articleBody": "{SENTENCE}"}}</script><p>{SENTENCE}<p>Something else here today'
    assert matrix(html)[:, features._REPEATS_AT + 2].tolist() == [1, 0]


def test_names_add_up_along_the_path() -> None:
    found = matrix("<div><div><div><div><p>x", {1: (10, 1), 2: (10, 2), 3: (1, -3), 4: (1, 0), 5: (1, 0.5)})
    names = found[0, features._NAMES_AT : features._NAMES_AT + 6]
    assert names.tolist() == [3.5, 3, 2, -3, 0.5, 6]


def test_alike_siblings_are_counted() -> None:
    cards = "<div class=card><p>x<p>y</div>" * 4
    found = matrix(f"<div>{cards}<div class=other><p>x<p>z</div></div>")
    alike = found[:, features._LEVELS_AT + features._PER_LEVEL + 4]
    assert alike[0] == 4
    assert alike[-1] == 1


@given(
    st.lists(
        st.sampled_from(
            ["<p>", "<div>", "</div>", "word ", "中", "<a href=x>", "</a>", "<h1>", "<table><td>", ". "]
        )
    )
)
def test_any_markup_gives_finite_features(pieces: list[str]) -> None:
    """Every feature is finite whatever the markup, and the same each time."""
    html = "".join(pieces)
    found = matrix(html)
    assert np.isfinite(found).all()
    assert np.array_equal(found, matrix(html))
