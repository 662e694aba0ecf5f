from pathlib import Path

import pyarrow as pa
import pytest
from pydantic import ValidationError

from quality.catalogue import SIGNALS
from quality.rule_sets import RULE_SETS, GopherLimits, LanguageRules, RulesConfig, RuleSet
from quality.rules import VERDICTS, RuleReason, decide, decide_by_language, rules_of, table
from quality.signals import compute

PROSE = (
    "The river rises in the hills north of the town and runs for forty miles to the sea. In winter it floods the "
    "low meadows, and the farmers who live there have learned to build their barns on the few dry mounds. Nobody "
    "remembers when the stone bridge was made. A mill stood beside it once; its wheel is gone, but the race can "
    "still be seen with a little patience. Children fish from the bank on summer evenings."
)
CHINESE = (
    "这条河从城北的山里流出来，经过四十里才到海边。冬天河水淹没低处的草地，住在那里的农民早已学会把谷仓盖在几处干燥的土丘上。"
    "没有人记得石桥是什么时候造的。桥边从前有一座磨坊，水轮已经不在了，但是仔细看还能找到水渠。夏天的傍晚孩子们在岸边钓鱼，"
    "老人坐在树下说起过去的事情，天黑以后大家才慢慢地走回家去。"
)
UNIQUE = " ".join(f"word{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(60))


def reason(text, name, language="en"):
    return decide(compute([text], language), RULE_SETS[name])["reason"][0].as_py()


GOPHER = {
    "prose": (PROSE, None),
    "empty": ("", "gopher_word_count"),
    "too_few_words": ("The start of a story and that is all.", "gopher_word_count"),
    "short_words": ("I am in at on " * 40, "gopher_mean_word_length"),
    "long_words": ("interconnection " * 60, "gopher_mean_word_length"),
    "hash_signs": (f"{PROSE} {'# tag ' * 20}", "gopher_hashes"),
    "ellipses": (f"{PROSE} {'... well ' * 20}", "gopher_ellipses"),
    "all_bullets": ("\n".join(f"- {PROSE[i : i + 30]}" for i in range(0, 360, 30)), "gopher_bullet_lines"),
    "lines_cut_off": (
        "\n".join(f"{PROSE[i : i + 90]}..." for i in range(0, 360, 90)),
        "gopher_ellipsis_lines",
    ),
    "numbers": (f"{PROSE} {'2024 17 ' * 20}", "gopher_alphabetic_words"),
    "no_function_words": (UNIQUE, "gopher_stop_words"),
    "repeated_paragraphs": ("\n\n".join([PROSE, PROSE]), "gopher_dup_paragraphs"),
    "repeated_long_paragraph": (
        "\n\n".join([PROSE, *(f"Part {i} of the list and that" for i in range(9)), PROSE]),
        "gopher_dup_paragraph_chars",
    ),
    "repeated_lines": (f"{PROSE}\n" + "Read more of that\nNext\nBack\n" * 2, "gopher_dup_lines"),
    "repeated_long_line": (
        "\n".join([PROSE, *(f"Part {i} of the list and that" for i in range(9)), PROSE]),
        "gopher_dup_line_chars",
    ),
    "one_phrase": (f"{PROSE} {'free shipping ' * 12}", "gopher_top_2gram"),
    "a_sentence_again": (f"{PROSE} {PROSE[:180]}", "gopher_dup_5gram"),
}


@pytest.mark.parametrize(("text", "expected"), GOPHER.values(), ids=GOPHER)
def test_gopher(text, expected):
    assert reason(text, "gopher") == expected


SENTENCES = "\n".join(f"{sentence}." for sentence in PROSE.split(". ")[:5])
C4 = {
    "sentences": (SENTENCES, None),
    "too_few_sentences": ("Just one sentence stands here.", "c4_sentences"),
    "no_end_marks": (SENTENCES.replace(".", ""), "c4_sentences"),
    "lorem_ipsum": (f"{SENTENCES}\nHere is Lorem Ipsum to fill the page.", "c4_lorem_ipsum"),
    "curly_bracket": (f"{SENTENCES}\nThe function {'f() {'} does what it says.", "c4_curly_bracket"),
    "bracket_in_a_line_that_goes_anyway": (f"{SENTENCES}\nf() {{ }}", None),
    "javascript_lines_do_not_count": ("Please enable JavaScript to see this page.\n" * 5, "c4_sentences"),
    "policy_lines_do_not_count": ("We use cookies to make this page better.\n" * 5, "c4_sentences"),
    "citations_are_cut": (SENTENCES.replace(".", ".[12][citation needed]"), None),
}


@pytest.mark.parametrize(("text", "expected"), C4.values(), ids=C4)
def test_c4(text, expected):
    assert reason(text, "c4") == expected


def test_readings_of_c4_differ_in_where_a_bracket_counts_and_how_long_a_line_is():
    bracket = C4["bracket_in_a_line_that_goes_anyway"][0]
    assert [reason(bracket, name) for name in ("c4", "c4_paper")] == [None, "c4_curly_bracket"]
    short = "\n".join(["This is short."] * 5)
    assert [reason(short, name) for name in ("c4", "c4_datatrove")] == ["c4_sentences", None]


FINEWEB = {
    "prose": (PROSE, None),
    "empty": ("\n \n", "fineweb_empty"),
    "no_punctuation": ("No full stop stands at the end of this long line\n" * 3, "fineweb_line_punct"),
    "short_lines": ("hi.\nbye.\nok.\nno.\nyes.", "fineweb_short_lines"),
    "repeated_line": (f"{PROSE}\n{PROSE[:90]}.\n{PROSE[:90]}.", "fineweb_char_dup"),
    "a_list": ("\n\n".join(f"{'x' * 40}{i}." for i in range(9)), "fineweb_list"),
}


@pytest.mark.parametrize(("text", "expected"), FINEWEB.values(), ids=FINEWEB)
def test_fineweb(text, expected):
    assert reason(text, "fineweb") == expected


def test_chinese_prose_passes_its_rules_and_not_the_english_ones():
    assert reason(CHINESE, "gopher_zh", "zh") is None
    assert reason(CHINESE, "gopher", "zh") == "gopher_mean_word_length"
    assert reason(CHINESE, "fineweb_zh", "zh") is None


def test_figure_and_limit_are_those_of_the_failed_rule():
    verdict = decide(compute(["one two three"]), RULE_SETS["gopher"]).to_pylist()[0]
    assert verdict == {
        "reason": "gopher_word_count",
        "signal": "gopher_word_count_v1",
        "figure": 3.0,
        "limit": 50.0,
    }
    verdict = decide(
        compute(["a" * 70 + " b" * 60]), RuleSet(name="x", gopher=GopherLimits(max_words=60))
    ).to_pylist()[0]
    assert verdict["figure"] == 61
    assert verdict["limit"] == 60


def test_a_figure_at_the_limit_passes():
    signals = compute(["word " * 50])
    assert decide(signals, RuleSet(name="x", gopher=_only(min_words=50.0)))["reason"].to_pylist() == [None]
    assert decide(signals, RuleSet(name="x", gopher=_only(min_words=51.0)))["reason"].null_count == 0


def _only(**limits):
    """Gopher's rules with all but these limits off."""
    off = dict.fromkeys((name for name in GopherLimits.model_fields if name != "reading"), None)
    return GopherLimits(**(off | limits))


def test_a_null_figure_fails_no_rule():
    signals = compute(["Ez da hitz hutsik hemen"], "eu")
    assert signals["gopher_stop_words_v1"].null_count == 1
    assert decide(signals, RuleSet(name="x", gopher=_only(min_stop_words=2.0)))["reason"].null_count == 1


def test_sets_are_asked_in_the_order_given():
    signals = compute(["hi.\nbye."])
    assert (
        decide(signals, [RULE_SETS["fineweb"], RULE_SETS["gopher"]])["reason"][0].as_py()
        == "fineweb_short_lines"
    )
    assert (
        decide(signals, [RULE_SETS["gopher"], RULE_SETS["fineweb"]])["reason"][0].as_py()
        == "gopher_word_count"
    )
    assert decide(signals, []).schema == VERDICTS


def test_each_language_has_its_own_rules():
    texts, languages = [PROSE, CHINESE, CHINESE, PROSE], pa.array(["en", "zh", "en", None])
    signals = compute(texts, languages)
    reasons = decide_by_language(signals, languages, RulesConfig())["reason"].to_pylist()
    assert reasons == [None, None, "gopher_mean_word_length", None]
    none = RulesConfig(by_language=[LanguageRules(languages=["en"], rule_sets=[])])
    assert decide_by_language(signals, languages, none)["reason"].to_pylist()[2] is None
    assert decide_by_language(signals.slice(0, 0), languages.slice(0, 0), RulesConfig()).num_rows == 0


def test_an_own_set_takes_the_place_of_a_named_one():
    config = RulesConfig(own_sets=[RuleSet(name="gopher", gopher=_only(min_words=1.0))])
    signals = compute(["two words"], "en")
    assert decide_by_language(signals, pa.array(["en"]), config)["reason"].null_count == 1


def test_errors_name_what_is_wrong():
    signals = compute(["text"])
    with pytest.raises(ValueError, match=r"no rule set is named \['gofer'\], known are \['c4'"):
        RulesConfig(rule_sets=["gofer"]).sets_of("en")
    with pytest.raises(
        ValueError, match="no column 'gopher_stop_words_v1', which rule gopher_stop_words needs"
    ):
        decide(signals.select(["gopher_word_count_v1"]), RuleSet(name="x", gopher=_only(min_stop_words=2.0)))
    with pytest.raises(ValueError, match="2 languages for 1 rows"):
        decide_by_language(signals, pa.array(["en", "en"]), RulesConfig())
    with pytest.raises(ValidationError, match="max_word\n"):
        GopherLimits(max_word=3)


@pytest.mark.parametrize("name", RULE_SETS)
def test_every_rule_asks_for_a_signal_that_there_is(name):
    rules = rules_of(RULE_SETS[name])
    assert {rule.signal for rule in rules} <= {signal.name for signal in SIGNALS}
    assert [list(RuleReason).index(rule.reason) for rule in rules] == sorted(
        list(RuleReason).index(rule.reason) for rule in rules
    )


@pytest.mark.parametrize(
    "names",
    [
        ["gopher", "gopher_datatrove", "gopher_zh", "gopher_ja", "gopher_ko", "gopher_unspaced"],
        ["c4", "c4_paper", "c4_datatrove", "fineweb", "fineweb_zh"],
    ],
    ids=["gopher", "c4_and_fineweb"],
)
def test_the_page_shows_the_limits(names):
    assert table(names) in (Path(__file__).parents[2] / "docs" / "signals.md").read_text()
