"""Rule sets, lists and limits: what fails, for which reason, and how failures are counted."""

import numpy as np
import pyarrow as pa
import pytest

from pipelines.judge import SignalError, count_failures, judge
from pipelines.select import Reason, SelectionConfig, select
from quality.blocklists import BlocklistConfig, Blocklists
from quality.rule_sets import RULE_SETS, LanguageRules, RulesConfig
from quality.rules import RuleReason, decide_by_language, rules_of
from quality.signals import compute
from tests.pipelines.selecting import CURATED, chosen, tables


def page_signals(texts, languages):
    """Signals of crawled pages, as the asset measures them."""
    documents, signals = tables(*[("cc", 99, language, 1.0, 0.9) for language in languages])
    measured = compute(texts, languages)
    for name in measured.schema.names:
        signals = signals.append_column(name, measured[name])
    return documents, signals


PROSE = "It is the duty of every clerk to have the book with him, and that is to be so at each stop. " * 2
PAGES = {
    "prose": "The river rises in the hills north of the town and runs for forty miles to the sea. Its banks were "
    "settled since the bronze age, with mills and weirs that were built to grind corn. In winter it floods the "
    "lower meadows, and children skate there when frost comes; by May those fields are grazed again. Salmon return "
    "each autumn, though fewer than before, and anglers blame the new dam that closed its upper reaches.",
    "repeats": "Buy the best of our shoes with a discount and have that now.\n" * 12,
    "no stop words": " ".join(f"gadget{n} price offer" for n in range(60)),
    "hashes": " ".join(f"#tag{n} the and of to" for n in range(40)),
}


@pytest.mark.parametrize(
    ("page", "reason", "signal"),
    [
        ("prose", "kept", None),
        ("repeats", "gopher_dup_lines", "gopher_dup_line_fraction_v1"),
        ("no stop words", "gopher_stop_words", "gopher_stop_words_v1"),
        ("hashes", "gopher_hashes", "gopher_hash_to_word_ratio_v1"),
    ],
)
def test_the_default_rules_judge_crawled_pages_alone(page, reason, signal):
    documents, signals = page_signals([PAGES[page]] * 2, ["en", "en"])
    documents = documents.set_column(1, "source", pa.array(["cc", "wiki"]))
    crawled, curated = select(documents, signals, CURATED, SelectionConfig(quality="off")).to_pylist()
    failures = judge(documents, signals, CURATED, SelectionConfig(quality="off")).failures
    assert not any(mask[1] for mask in failures.values())
    assert curated["reason"] == "kept"
    assert (crawled["reason"], crawled["evidence"]) == (reason, signal)
    if signal:
        rule = next(rule for rule in rules_of(RULE_SETS["gopher"]) if rule.signal == signal)
        assert crawled["figure"] == signals[signal][0].as_py()
        assert crawled["limit"] in (rule.least, rule.most)


def test_the_rules_follow_the_language():
    text = (
        "这条河从城北的山里流出来，走了四十里路才到海边。两岸很早就有人居住，他们修了水车和堤坝，用来磨面。"
        "冬天河水淹没低处的草地，孩子们在冰上玩耍；到了五月，牛羊又回到那片田野。每年秋天都有鱼游回上游，"
        "但是比从前少得多，钓鱼的老人说，这是因为新建的大坝把水路堵住了。"
    )
    documents, signals = page_signals([text, text], ["zh", "en"])
    reasons = select(documents, signals, CURATED, SelectionConfig(quality="off"))["reason"].to_pylist()
    assert reasons == ["kept", "gopher_mean_word_length"]


def test_every_rule_has_its_reason():
    names = [reason.value for reason in Reason]
    rules = [reason.value for reason in RuleReason]
    assert names[names.index(rules[0]) : names.index(rules[-1]) + 1] == rules


CONFIGS = {
    "default": RulesConfig(),
    "all": RulesConfig(rule_sets=["gopher", "c4", "fineweb"]),
    "other order": RulesConfig(rule_sets=["fineweb", "gopher"], by_language=[]),
    "by language": RulesConfig(
        rule_sets=[], by_language=[LanguageRules(languages=["en"], rule_sets=["c4_paper"])]
    ),
}


@pytest.mark.parametrize("rules", CONFIGS.values(), ids=CONFIGS)
def test_the_rules_decide_as_quality_does_and_their_failures_are_counted(rules):
    texts = [*PAGES.values(), PROSE, "short", "{ a: 1 }\n" * 9]
    documents, signals = page_signals(texts * 2, (["en"] * len(texts)) + (["zh"] * len(texts)))
    config = chosen(rules=rules, quality="off", min_words=1)
    judged = judge(documents, signals, CURATED, config)
    verdicts = decide_by_language(signals, signals["language"].combine_chunks(), rules)
    decided = select(documents, signals, CURATED, config)
    assert decided["reason"].to_pylist() == [reason or "kept" for reason in verdicts["reason"].to_pylist()]
    assert decided["figure"].combine_chunks().equals(verdicts["figure"])
    failed = np.sum(list(judged.failures.values()), axis=0)
    assert ((failed > 0) == ~judged.kept).all()
    counts = count_failures(judged)
    for reason, mask in judged.failures.items():
        assert counts[f"fails:{reason}"] == mask.sum()
        assert counts[f"only:{reason}"] == sum(bool(mask[i]) and failed[i] == 1 for i in range(len(failed)))


def test_alone_leaves_the_draw_aside():
    config = chosen(min_words=50, quality="threshold", threshold=0.9)
    judged = judge(*tables(("cc", 9, "en", 1, 0.1), ("cc", 99, "en", 1, 0.1)), CURATED, config)
    counts = count_failures(judged)
    assert {name: n for name, n in counts.items() if n} == {
        "fails:too_short": 1,
        "only:too_short": 1,
        "fails:quality": 2,
    }


def test_a_rule_whose_signal_was_not_measured_says_what_to_switch_on():
    with pytest.raises(SignalError, match=r"gopher_word_count_v1.*ops\.signals\.config\.families"):
        select(*tables(("cc", 99, "en", 1, 0.9)), CURATED, SelectionConfig())
    for limit, key in (("listed_words", "word_lists"), ("toxicity", "toxicity"), ("personal_data",) * 2):
        with pytest.raises(SignalError, match=rf"ops\.signals\.config\.{key}"):
            select(*tables(("cc", 99, "en", 1, 0.9)), CURATED, chosen(**{f"max_{limit}": 0}))
    with pytest.raises(
        SignalError, match=r"selection\.max_perplexity needs; .*ops\.signals\.config\.perplexity"
    ):
        select(*tables(("cc", 99, "en", 1, 0.9)), CURATED, chosen(max_perplexity={}))


def with_signals(documents, signals, **columns):
    for name, column in columns.items():
        signals = signals.append_column(name, column)
    return documents, signals


def test_limits_of_lists_and_scores():
    rows = [("cc", 99, "en", 1, 0.9)] * 5 + [("wiki", 99, "en", 1, 0.9)]
    judged = with_signals(
        *tables(*rows),
        listed_words_v1=pa.array([0, 2, 0, 0, 0, 9], pa.int32()),
        listed_word=pa.array([None, "bad", None, None, None, "bad"], pa.string()),
        toxicity=pa.array([0.7, 0.1, 0.75, 0.1, 0.1, 0.9], pa.float32()),
        machine_written=pa.array([0.99, 0.1, 0.1, 0.999, 0.1, 1.0], pa.float32()),
        pii_email_v1=pa.array([1, 0, 0, 0, 2, 3], pa.int32()),
        pii_phone_v1=pa.array([0, 0, 0, 0, 1, 0], pa.int32()),
    )
    config = chosen(
        quality="off",
        max_listed_words=1,
        max_toxicity=0.7,
        max_machine_written=0.99,
        max_personal_data=1,
    )
    decided = select(*judged, CURATED, config).to_pylist()
    told = [(row["reason"], row["figure"], row["limit"], row["evidence"]) for row in decided]
    assert told == [
        ("kept", None, None, None),
        ("listed_words", 2, 1, "bad"),
        ("toxicity", pytest.approx(0.75), 0.7, None),
        ("machine_written", pytest.approx(0.999), 0.99, None),
        ("personal_data", 3, 1, "email, phone"),
        ("personal_data", 3, 1, "email"),
    ]


@pytest.mark.parametrize(
    ("limits", "reasons"),
    [
        pytest.param({}, ["kept", "kept", "perplexity", "kept", "kept"], id="the tail goes"),
        pytest.param(
            {"worst_bucket": "head"}, ["kept", "perplexity", "perplexity", "kept", "kept"], id="head stays"
        ),
        pytest.param(
            {"by_language": [{"languages": ["en"], "most": 60}]},
            ["kept", "perplexity", "perplexity", "kept", "kept"],
            id="a limit",
        ),
    ],
)
def test_high_perplexity_drops_crawled_documents_and_a_null_none(limits, reasons):
    rows = [("cc", 99, "en", 1, 0.9)] * 4 + [("wiki", 99, "en", 1, 0.9)]
    judged = with_signals(
        *tables(*rows),
        perplexity=pa.array([10, 60.5, 3000, None, 3000], pa.float32()),
        perplexity_bucket=pa.array(["head", "middle", "tail", None, "tail"], pa.string()),
    )
    decided = select(*judged, CURATED, chosen(quality="off", max_perplexity=limits)).to_pylist()
    assert [row["reason"] for row in decided] == reasons
    most = 60.0 if "by_language" in limits else None
    assert [decided[2][key] for key in ("figure", "limit", "evidence")] == [3000.0, most, "en, tail"]


def test_blocked_addresses_go_first_and_curated_ones_stay(tmp_path):
    (tmp_path / "bad.txt").write_text("bad.example\n")
    lists = Blocklists(BlocklistConfig(domains=[str(tmp_path / "bad.txt")]))
    blocked = lists.check(
        pa.array(["http://www.bad.example/x", "http://good.example/", "http://bad.example/"])
    )
    page = ("cc", 9, "en", 1, 0.9)
    documents, signals = tables(page, page, ("wiki", 99, "en", 1, 0.9))
    decided = select(documents, signals, CURATED, chosen(quality="off"), None, blocked).to_pylist()
    assert [row["reason"] for row in decided] == ["blocked_address", "too_short", "kept"]
    assert decided[0]["evidence"] == f"{tmp_path}/bad.txt: bad.example"
