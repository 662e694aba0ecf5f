"""The lines shown for a high perplexity are those with the highest."""

import pytest

from pipelines.explaining.passages import CHARACTERS, MOST
from pipelines.explaining.surprise import LINE_WORDS, surprising
from quality.language_models.ngram_model import NgramModel
from tests.quality.language_models.test_ngram_model import CHINESE, ENGLISH

MODEL = NgramModel.fit(ENGLISH)
KNOWN = "The mill stands by the river."


def told(text):
    return [part.partition(": ")[2] for part in surprising(text, MODEL)]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        pytest.param(f"{KNOWN}\nqu xi ve zo\n{KNOWN}", ["qu xi ve zo", KNOWN[:-1]], id="strange line first"),
        pytest.param(f"xyz\n{KNOWN}\nqu", [KNOWN[:-1]], id="lines of a word or two are left out"),
        pytest.param("xyz\n\nqu", ["qu", "xyz"], id="unless there is nothing else"),
        pytest.param("", [], id="no text"),
        pytest.param("...\n!", [], id="no word"),
        pytest.param("\n\n  A stone , qu xi\n\n", ["A stone , qu xi"], id="white space"),
    ],
)
def test_parts_and_their_order(text, parts):
    assert sorted(told(text)) == sorted(parts)
    assert told(text)[:1] == parts[:1] or text == "xyz\n\nqu"


def test_a_line_alone_has_the_perplexity_that_is_told():
    (said,) = surprising("qu the wheel xi", MODEL)
    words = MODEL.word_logs(["qu the wheel xi"]).logs[:4]
    assert said == f"perplexity {10 ** -words.astype(float).mean():,.0f}: qu the wheel xi"


def test_long_lines_are_told_of_in_parts():
    parts = told(" ".join([KNOWN] * 9) + " qu xi ve zo " + " ".join([KNOWN] * 9))
    assert "qu xi ve zo" in parts[0]
    assert all(len(part.split()) <= LINE_WORDS for part in parts)


@pytest.mark.parametrize(
    "text", ["\n" * 5000, "x" * 5000, "a b " * 3000, "水" * 3000, "\x00\u202e", *CHINESE]
)
def test_parts_are_few_and_short_whatever_the_text(text):
    found = surprising(text, MODEL)
    assert len(found) <= MOST
    assert all(len(part) <= CHARACTERS for part in found)
