import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.deduplication.differences import MOST_WORDS, Passage, differences, printable, side_by_side

EQUAL = "the same line\n"


@pytest.mark.parametrize(
    ("left", "right", "passages", "equal"),
    [
        pytest.param("a b", "a b", [], 1, id="equal"),
        pytest.param("a b\n\n  c", "a b  \nc\n", [], 2, id="empty lines and spaces at the ends do not count"),
        pytest.param("a b c", "a x c", [Passage("a", "b", "x")], 0, id="another word"),
        pytest.param("a c", "a b c", [Passage("a", "", "b")], 0, id="a word more"),
        pytest.param(
            EQUAL + "p", EQUAL + "q", [Passage("", "p", "q")], 1, id="another line behind an equal one"
        ),
        pytest.param("x\n" + EQUAL, EQUAL, [Passage("", "x", "")], 1, id="a line more"),
        pytest.param(
            "人民日报", "人民新报", [Passage("人民", "日", "新")], 0, id="a character is a word in Chinese"
        ),
        pytest.param(
            "p a q", "r a s", [Passage("", "p", "r"), Passage("a", "q", "s")], 0, id="before it is common"
        ),
        pytest.param(
            "1 2 3 4 5 6 7 8 x", "1 2 3 4 5 6 7 8 y", [Passage("3 4 5 6 7 8", "x", "y")], 0, id="six words"
        ),
    ],
)
def test_differences_of_two_texts(left: str, right: str, passages: list[Passage], equal: int) -> None:
    assert differences(left, right) == (passages, equal, False)


def test_what_is_too_long_is_cut_and_said() -> None:
    long = " ".join(f"w{i}" for i in range(MOST_WORDS + 1))
    found = differences(long, "w0 other")
    assert found.cut
    assert "w1500" not in " ".join(passage.left for passage in found.passages)


@given(st.text("ab \n人", max_size=40), st.text("ab \n人", max_size=40))
def test_equal_lines_and_passages_account_for_both_texts(left: str, right: str) -> None:
    found = differences(left, right)
    lines = [line.strip() for line in left.splitlines() if line.strip()]
    others = [line.strip() for line in right.splitlines() if line.strip()]
    assert (found.passages == []) == (" ".join(lines).split() == " ".join(others).split())
    assert found.equal_lines <= min(len(lines), len(others))


@pytest.mark.parametrize(
    ("left", "right", "lines"),
    [
        pytest.param("one", "two", ["one       | two"], id="short"),
        pytest.param(
            "one two three four", "x", ["one two   | x", "three     |", "four      |"], id="wrapped"
        ),
        pytest.param("人民日报社", "x", ["人民日报  | x", "社        |"], id="wide characters"),
        pytest.param("http://a/bcdefg", "", ["http://a  |", "/bcdefg   |"], id="a long word"),
        pytest.param("a\tb\x1b[2Jc", "", ["a b[2Jc   |"], id="nothing steers the terminal"),
    ],
)
def test_two_texts_in_columns(left: str, right: str, lines: list[str]) -> None:
    assert list(side_by_side(left, right, 22)) == lines


@pytest.mark.parametrize("text", ["\x1b[31m", "a\x00b", "\u202eabc", "x\x9b31m"])
def test_control_characters_are_not_printed(text: str) -> None:
    assert not any(c in printable(text) for c in "\x1b\x00\u202e\x9b")
