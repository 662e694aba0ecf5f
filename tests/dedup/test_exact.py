import pyarrow as pa
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from dedup.exact import collapse_whitespace, exact_hashes
from tests.text_forms import FORMS

SPACES = [chr(i) for i in range(0x110000) if chr(i).isspace()]
TEXTS = st.text(
    st.one_of(
        st.sampled_from([*SPACES, "a", "é", "\u200b", "\u180e", "中"]),
        st.characters(codec="utf-8"),
    )
)


@settings(max_examples=200, deadline=None)
@given(st.lists(TEXTS, max_size=6))
def test_white_space_collapses_as_str_split_sees_it(texts: list[str]) -> None:
    expected = [" ".join(text.split()) for text in texts]
    assert collapse_whitespace(pa.array(texts, pa.string())).to_pylist() == expected


@pytest.mark.parametrize("space", SPACES, ids=lambda c: f"U+{ord(c):04X}")
def test_every_white_space_character_is_one(space: str) -> None:
    assert collapse_whitespace(pa.array([f"{space}a{space}{space}b{space}"])).to_pylist() == ["a b"]


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        pytest.param("one two", " one\n\n\ttwo ", True, id="layout"),
        pytest.param("one two", "one\u00a0two", True, id="no-break space"),
        pytest.param("one two", "onetwo", False, id="no space at all"),
        pytest.param("one two", "One two", False, id="case counts"),
        pytest.param("one two", "one two.", False, id="punctuation counts"),
        pytest.param("caf\u00e9", "cafe\u0301", False, id="normal form counts"),
        pytest.param("", " \n ", True, id="nothing but space"),
    ],
)
def test_what_an_exact_duplicate_is(left: str, right: str, same: bool) -> None:
    first, second = exact_hashes(pa.array([left, right])).to_pylist()
    assert (first == second) is same


def test_the_hash_is_xxh3_128_of_the_collapsed_text() -> None:
    assert exact_hashes(pa.array(["\ta  b\n"])).to_pylist() == [xxhash.xxh3_128_hexdigest(b"a b")]


def test_slices_and_chunks_give_the_same_hashes() -> None:
    texts = pa.array(["x", " y  z", "", "w"])
    chunked = pa.chunked_array([texts[:1], texts[1:]])
    assert exact_hashes(chunked) == exact_hashes(texts)
    assert exact_hashes(texts[1:3]) == exact_hashes(texts)[1:3]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_texts_has_the_same_hashes(form: str) -> None:
    values = ["one  two", "", "中 文", "one two"]
    assert collapse_whitespace(FORMS[form](values)).to_pylist() == ["one two", "", "中 文", "one two"]
    assert exact_hashes(FORMS[form](values)).equals(exact_hashes(pa.array(values)))
