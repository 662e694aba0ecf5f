"""Passages add up to the figures that they explain."""

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipelines.explaining.passages import (
    CHARACTERS,
    MOST,
    _grams,
    lines_of,
    paragraphs_of,
    repeated_items,
    responsible,
    word_runs,
)
from quality.rule_sets import RULE_SETS
from quality.rules import Rule, RuleReason, rules_of
from quality.signals import compute

RULES = {rule.reason: rule for name in ("gopher", "c4", "fineweb") for rule in rules_of(RULE_SETS[name])}


def figure(text: str, signal: str) -> float:
    return compute([text], ["en"])[signal][0].as_py()


words = st.lists(st.sampled_from(["a", "of", "mill", "Wheat", "x1", "und", "风"]), min_size=1, max_size=60)
line = st.lists(st.sampled_from(["the mill", "grinds corn.", "  Wheat", "…", "-"]), max_size=3).map(" ".join)
text = st.lists(line, min_size=1, max_size=12).map("\n".join)


# Two repeated 5-grams that share one word, in a text that repeats nothing between them.
FIRST, SECOND = ["a", "b", "c", "d", "e"], ["e", "f", "g", "h", "i"]
SHARING = [*FIRST, *SECOND[1:], "x", *FIRST, "y", *SECOND]


@given(words, st.integers(5, 10))
@example(SHARING, 5)
def test_runs_hold_the_characters_of_repeated_grams(chosen: list[str], n: int) -> None:
    page = " ".join(chosen)
    segmented, grams = _grams(page, n)
    spoken = [page.encode()[a:b].decode() for a, b in zip(segmented.starts, segmented.ends, strict=True)]
    inside = sum(len(word) for first, stop in word_runs(grams, n) for word in spoken[first:stop])
    expected = figure(page, f"gopher_dup_{n}gram_char_fraction_v1")
    assert inside / sum(map(len, spoken)) == pytest.approx(expected)


@given(words, st.integers(2, 4))
def test_the_top_gram_has_the_figure(chosen: list[str], n: int) -> None:
    page = " ".join(chosen)
    total = sum(len(word) for word in chosen)
    found = responsible(page, "en", RULES[RuleReason(f"gopher_top_{n}gram")])
    expected = figure(page, f"gopher_top_{n}gram_char_fraction_v1")
    if not found:
        assert expected == 0
        return
    count, _, gram = found[0].partition(" times: ")
    assert int(count) * len(gram.replace(" ", "")) / total == pytest.approx(expected)


@given(text)
def test_repeated_lines_and_paragraphs_have_the_figure(page: str) -> None:
    for parts, name in ((lines_of(page), "line"), (paragraphs_of(page), "paragraph")):
        repeated = sum(n for _, n in repeated_items(parts))
        expected = figure(page, f"gopher_dup_{name}_fraction_v1")
        assert (repeated / len(parts) if parts else None) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("reason", "page", "found"),
    [
        ("gopher_hashes", "a #b c", ["a #b c"]),
        ("gopher_bullet_lines", "- one\nplain\n• two", ["- one", "• two"]),
        ("gopher_ellipsis_lines", "read more...\nplain", ["read more..."]),
        ("gopher_alphabetic_words", "12 12 ab", ["2 times: 12"]),
        ("gopher_mean_word_length", "a incomprehensibilities bb", ["incomprehensibilities", "bb", "a"]),
        ("gopher_stop_words", "The mill of 1850", ["stop words of 'en' in the text: of, the"]),
        ("gopher_dup_lines", "x\ny\n\nx", ["2 times: x"]),
        ("c4_curly_bracket", "if { x }", ["if { x }"]),
        ("c4_sentences", "No end\nThis line has an end mark.", ["No end"]),
        ("fineweb_line_punct", "No end\nAn end.", ["No end"]),
        ("fineweb_short_lines", "Short\n" + "long " * 20, ["Short"]),
    ],
)
def test_what_is_shown_for_a_rule(reason: str, page: str, found: list[str]) -> None:
    assert responsible(page, "en", RULES[RuleReason(reason)]) == found


@pytest.mark.parametrize("reason", list(RuleReason))
@pytest.mark.parametrize("page", ["", "\n" * 50, "x" * 5000, "a b " * 3000, "#…{ lorem ipsum\x00 \u202e"])
def test_passages_are_few_and_short_whatever_the_text(reason: RuleReason, page: str) -> None:
    found = responsible(page, None, RULES.get(reason, Rule(reason, "", None, None)))
    assert len(found) <= MOST
    assert all(len(passage) <= CHARACTERS for passage in found)
    assert pa.array(found, pa.string()).null_count == 0
