"""Cleaning: a row shows each rule, in English and Chinese, beside rows that look alike and must stay."""

from typing import Any

import pyarrow as pa
import pytest

from pipelines.rlhf.cleaning import clean_demonstrations, clean_judgements, clean_prompts
from pipelines.rlhf.cleaning_config import CleaningConfig
from pipelines.rlhf.decisions import Drops
from pipelines.rlhf.schemas import MESSAGES

CONFIG = CleaningConfig()
GOOD = "The capital of France is Paris, which lies on the Seine and has two million people."
GUT = "法国的首都是巴黎，位于塞纳河畔，人口约两百万，是全国的政治、经济和文化中心。"
ASK = "Tell me something about the place where the government of France sits today."
FRAGE = "请告诉我今天法国政府所在的那个地方的一些情况，越详细越好，谢谢。"


def demonstrations(*pairs: tuple[str, str]) -> pa.Table:
    rows = [[{"role": "user", "content": q}, {"role": "assistant", "content": a}] for q, a in pairs]
    return pa.table({"messages": pa.array(rows, MESSAGES)})


def judgements(*rows: tuple[list[str], list[int | None]], ask: str = ASK) -> pa.Table:
    return pa.table(
        {
            "messages": pa.array([[{"role": "user", "content": ask}]] * len(rows), MESSAGES),
            "completions": pa.array([texts for texts, _ in rows], pa.list_(pa.string())),
            "completion_authors": pa.array([[f"m{n}" for n in range(len(texts))] for texts, _ in rows]),
            "ranks": pa.array([ranks for _, ranks in rows], pa.list_(pa.int32())),
        }
    )


def reasons(drops: Drops) -> dict[int, str]:
    return dict(zip(drops.rows.tolist(), drops.reason.to_pylist(), strict=True))


FLAGGED = {
    "empty-en": (ASK, " \n", "empty_reply"),
    "empty-zh": (FRAGE, "　", "empty_reply"),
    "long-en": (ASK, "word " * 4001, "too_long"),
    "long-zh": (f"{FRAGE}" + "字" * 44_038, GUT, "too_long"),
    "placeholder-en": ("Who are you?", "I am {{name}}, made by {{ author }}.", "template_placeholder"),
    "placeholder-zh": ("你是谁", "我是 {{ 名字 }}。", "template_placeholder"),
    "language-en": (ASK, GUT, "wrong_language"),
    "language-zh": (FRAGE, f"{GOOD} It is well worth a visit.", "wrong_language"),
    "refusing-en": (ASK, "I'm sorry, but I can't help with that request.", "refusing"),
    "refusing-en-ai": (ASK, "As an AI language model, I do not have access to that information.", "refusing"),
    "refusing-en-offer": (
        ASK,
        "Unfortunately, I am unable to do this. However, I can help you with maps.",
        "refusing",
    ),
    "refusing-en-apostrophe": (ASK, "I\u2019m sorry, I can\u2019t assist with that.", "refusing"),
    "refusing-zh": (FRAGE, "很抱歉，我无法回答这个问题。", "refusing"),
    "refusing-zh-ai": (FRAGE, "作为一个AI语言模型，我不能提供这类信息。", "refusing"),
    "truncated-en": (
        ASK,
        "There are three reasons for this, and the most important of them is the",
        "truncated",
    ),
    "truncated-en-list": (
        ASK,
        "Here are the three steps to take:\n\n1. Wash it.\n2. Dry it.\n3.",
        "truncated",
    ),
    "truncated-en-code": (
        ASK,
        "Use this function for it:\n\n```python\ndef f(x):\n    return x +",
        "truncated",
    ),
    "truncated-zh": (
        FRAGE,
        "这个城市有很多著名的景点，其中最受欢迎的包括埃菲尔铁塔、卢浮宫、巴黎圣母院、凯旋门、",
        "truncated",
    ),
    "repetitive-en": (ASK, "I like the sea and the sun. " * 12, "repetitive"),
    "repetitive-zh": (FRAGE, "我喜欢大海和阳光。" * 12, "repetitive"),
    "repetitive-run": (ASK, "The number is 1." + "0" * 400, "repetitive"),
}


@pytest.mark.parametrize(("prompt", "reply", "reason"), FLAGGED.values(), ids=FLAGGED.keys())
def test_flagged(prompt: str, reply: str, reason: str) -> None:
    assert reasons(clean_demonstrations(demonstrations((ASK, GOOD), (prompt, reply)), CONFIG)) == {1: reason}


KEPT = {
    "code-placeholder": (
        "How does Jinja print a name?",
        "Write `{{ name }}` or\n```\n{{name}}\n```\nand render it.",
    ),
    "template-expression": ("How?", "Use ${{ github.repository }} and {{ user.name }} in the workflow file."),
    "translation": ("Translate into Chinese: the capital of France is a large and lively place.", GUT),
    "translation-zh": ("把下面这段话翻译成英文：法国的首都是巴黎，位于塞纳河畔，人口约两百万。", GOOD),
    "code-answer": (
        "请写出一个可以打印出当前日期和时间的小例子，谢谢。",
        "```\nfrom datetime import datetime\nprint(now)\n```",
    ),
    "chinese-is-no-japanese": (
        "推荐基于奖励的信用卡的三种用途，并说明各自的优点。",
        "1. 赚取奖励积分。\n2. 财务灵活。\n3. 免息分期，适合大额购物。",
    ),
    "names": (
        "Give some examples of national dishes of Italy, please.",
        "- Risotto\n- Spaghetti alla Carbonara\n- Ossobuco alla milanese",
    ),
    "opinion": (
        ASK,
        "As an AI, I don't have personal opinions, but most historians agree that Paris was chosen for its "
        "river, its roads and the fertile plain around it.",
    ),
    "eager": (ASK, "I can't wait to tell you about it: it is Paris!"),
    "sorry-zh": (FRAGE, "很抱歉让您久等了，答案是巴黎。"),
    "answer-after-all-zh": (
        FRAGE,
        "作为AI语言模型，我无法实时查询。但是一般来说，公司销售额下降可能是因为竞争激烈、质量下降、"
        "策略不当和经济低迷这几个原因造成的，需要逐一分析。",
    ),
    "title": (ASK, "Paris, the City of Light"),
    "list": (ASK, "The places to see are these:\n- the tower\n- the river\n- the old museum"),
    "sql": ("SQL?", "SELECT name, age FROM students WHERE city = 'Brisbane' ORDER BY age;"),
    "closed-code": (ASK, "Use this function:\n\n```python\ndef f(x):\n    return x\n```"),
    "inline-code": (ASK, "One of the simplest methods is:\n```cout << string```"),
    "letter": (
        ASK,
        "Dear all,\n\nplease come to dinner on Friday at eight.\n\nLooking forward to seeing you,",
    ),
    "end-zh": (FRAGE, "如果没有一个哈希值匹配，则该文档被认为是非抄袭的，并且可以返回总和"),
    "song": (
        ASK,
        "La la la\nOh sun and sea\nLa la la\nOh wind and rain\nLa la la\nOh star over the hill",
    ),
    "rule": (ASK, "Name\n" + "-" * 300 + "\nAge and place of birth of the person"),
}


@pytest.mark.parametrize(("prompt", "reply"), KEPT.values(), ids=KEPT.keys())
def test_kept(prompt: str, reply: str) -> None:
    assert reasons(clean_demonstrations(demonstrations((prompt, reply)), CONFIG)) == {}


def test_figure_limit_and_evidence_stand_beside_the_reason() -> None:
    rows = demonstrations(
        (ASK, "{{a}} {{b}}"), (ASK, GUT), (ASK, "I'm sorry, but I can't do that."), (ASK, "x" * 30_000)
    )
    drops = clean_demonstrations(rows, CONFIG)
    assert drops.evidence.to_pylist() == ["{{a}}", "en to zh", "I'm sorry, but I can't", "assistant"]
    assert drops.figure[[0, 2, 3]].tolist() == [2, 31, 30_000]
    assert drops.limit.tolist() == [0, 0.8, 500, 20_000]


def test_rules_that_are_not_named_do_not_run() -> None:
    rows = demonstrations(*((prompt, reply) for prompt, reply, _ in FLAGGED.values()))
    found = reasons(clean_demonstrations(rows, CleaningConfig(rules=["refusing"])))
    assert set(found.values()) == {"empty_reply", "refusing"}


def test_a_tool_dialogue_has_no_language() -> None:
    turns = [("user", FRAGE), ("assistant", '{"name": "f"}'), ("tool", "{}"), ("assistant", GOOD)]
    messages = [{"role": role, "content": text} for role, text in turns]
    assert reasons(clean_demonstrations(pa.table({"messages": pa.array([messages], MESSAGES)}), CONFIG)) == {}


def test_the_last_question_asks_for_the_language() -> None:
    for last, expected in ((FRAGE, {}), (ASK, {0: "wrong_language"})):
        turns = [("user", ASK), ("assistant", GOOD), ("user", last), ("assistant", GUT)]
        messages = [{"role": role, "content": text} for role, text in turns]
        table = pa.table({"messages": pa.array([messages], MESSAGES)})
        assert reasons(clean_demonstrations(table, CONFIG)) == expected


@pytest.mark.parametrize(
    ("texts", "ranks", "reason"),
    [
        (["a", " "], [1, 2], "empty_reply"),
        (["", "", "b"], [1, 2, 3], "empty_reply"),
        (["same", "same "], [1, 1], "duplicate_completions"),
        (["same", "same", "b"], [1, 2, 3], "duplicate_completions"),
        (["a", "b"], [1, None], "too_few_completions"),
        (["a", "b" * 20_001], [1, 2], "too_long"),
        (["a", "{{name}}"], [1, 2], "template_placeholder"),
        (["巴黎", "　"], [1, 2], "empty_reply"),
        (["巴黎", "巴黎"], [1, 2], "duplicate_completions"),
    ],
    ids=["empty", "two-empty", "same", "contradiction", "lone", "long", "placeholder", "empty-zh", "same-zh"],
)
def test_judgements_that_go(texts: list[str], ranks: list[int | None], reason: str) -> None:
    cleaned = clean_judgements(judgements((["a", "b"], [1, 2]), (texts, ranks)), CONFIG)
    assert reasons(cleaned.drops) == {1: reason}


@pytest.mark.parametrize(
    ("texts", "ranks", "left", "left_ranks", "lost"),
    [
        (["a", "", "c"], [1, 2, 3], ["a", "c"], [1, 2], {"empty_reply": 1}),
        (["a", "b", "a"], [1, 2, 1], ["a", "b"], [1, 2], {"duplicate_completions": 1}),
        (["a", "b", "a", "c"], [1, 2, 3, 4], ["b", "c"], [1, 2], {"duplicate_completions": 2}),
        (["a", "b", "c"], [2, None, 1], ["a", "b", "c"], [2, None, 1], {}),
        (
            [f"{n}" for n in range(9)],
            [1, 2, 2, 3, 4, 4, 4, 5, 6],
            list("012345678"),
            [1, 2, 2, 3, 4, 4, 4, 5, 6],
            {},
        ),
        (
            ["I'm sorry, but I can't.", "x x " * 99, GUT],
            [1, 2, 3],
            ["I'm sorry, but I can't.", "x x " * 99, GUT],
            [1, 2, 3],
            {},
        ),
    ],
    ids=["empty", "copy", "contradiction", "unjudged", "nine-with-ties", "bad-answers-stay"],
)
def test_judgements_that_stay(
    texts: list[str], ranks: list[Any], left: list[str], left_ranks: list[Any], lost: dict[str, int]
) -> None:
    cleaned = clean_judgements(judgements((texts, ranks)), CONFIG)
    assert reasons(cleaned.drops) == {}
    assert cleaned.table["completions"].to_pylist() == [left]
    assert cleaned.table["ranks"].to_pylist() == [left_ranks]
    assert cleaned.table["completion_authors"].to_pylist() == [[f"m{texts.index(text)}" for text in left]]
    assert cleaned.lost == lost


def test_prompts_are_held_to_length_and_placeholders() -> None:
    texts = [ASK, "x" * 20_001, "Explain {{code here}}.", "解释{{内容}}。"]
    table = pa.table(
        {"messages": pa.array([[{"role": "user", "content": text}] for text in texts], MESSAGES)}
    )
    assert reasons(clean_prompts(table, CONFIG)) == {
        1: "too_long",
        2: "template_placeholder",
        3: "template_placeholder",
    }


def test_no_rows_are_no_drops() -> None:
    assert len(clean_demonstrations(demonstrations(), CONFIG).rows) == 0
    assert clean_judgements(judgements(), CONFIG).table.num_rows == 0
