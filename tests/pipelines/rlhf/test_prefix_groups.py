import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.rlhf.normalise import earliest, records, user_texts
from pipelines.rlhf.prefix_groups import PrefixConfig, few_shot, prefix_duplicates, prefixes
from tests.pipelines.rlhf.rule_tables import (
    demonstration,
    demonstrations,
    judgement,
    judgements,
    prompt,
    prompt_records,
    prompts,
)
from text.unicode_classes import UNSPACED_RANGES

CONFIG = PrefixConfig()
LONG = " ".join(f"word{i}" for i in range(32))


def _words(text: str, limit: int) -> list[str]:
    """The rule of the module's docstring, character by character."""
    words: list[str] = []
    current, solo = "", False
    for character in unicodedata.normalize("NFKC", text):
        category = unicodedata.category(character)
        if character in "'\u2018\u2019\u201b":
            continue
        folded = character.lower()[0]
        unspaced = any(low <= ord(character) <= high for low, high, _ in UNSPACED_RANGES)
        alone = category[0] == "S" or (unspaced and (category[0] == "L" or category == "Nl"))
        if category[0] not in "LMNS":
            words, current, solo = words + ([current] if current else []), "", False
            continue
        if current and (alone or (category[0] in "LN" and solo)):
            words, current = [*words, current], ""
        current += folded
        if category[0] != "M":
            solo = alone
    return (words + ([current] if current else []))[:limit]


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        pytest.param("What is it?", "what IS  it", True, id="case, punctuation and white space do not count"),
        pytest.param("Don't go", "dont go", True, id="an apostrophe joins"),
        pytest.param("yes,no", "yes no", True, id="a comma separates"),
        pytest.param("Ｈｅｌｌｏ ﬁne", "hello fine", True, id="compatibility forms are equal"),
        pytest.param("写一首 诗。", "写一首诗", True, id="a Han character is a word, spaced or not"),
        pytest.param("写一首诗", "写一首歌", False, id="another character is another word"),
        pytest.param("2 + 2", "2 = 2", False, id="symbols count"),
        pytest.param("cat", "cat sat", False, id="a short prompt is compared whole"),
        pytest.param(LONG + " a", LONG + " b", True, id="behind 32 words nothing counts"),
        pytest.param(LONG[:-1] + "x a", LONG + " b", False, id="the 32nd word counts"),
        pytest.param("?", "!", False, id="prompts without words are alike to none"),
    ],
)
def test_same_group(left: str, right: str, same: bool) -> None:
    keys = prefixes(pa.array([left, right]), 32).keys
    assert (keys[0] == keys[1] != 0) == same


MIXED = st.text(st.sampled_from("aB' ’.,+2中文のé\u0301한 ไก่\n½ﬁ_😀"), max_size=14)


@given(st.lists(MIXED, min_size=2, max_size=6), st.integers(1, 4))
def test_groups_are_those_of_the_rule_character_by_character(texts: list[str], limit: int) -> None:
    found = prefixes(pa.array(texts, pa.large_string()), limit)
    expected = [_words(text, limit) for text in texts]
    assert found.n_words.tolist() == [len(words) for words in expected]
    for i, left in enumerate(expected):
        for j, right in enumerate(expected):
            assert (found.keys[i] == found.keys[j]) == (left == right)


def _dropped(table: pa.Table, target: str, config: PrefixConfig = CONFIG) -> dict[str, str]:
    """Origin of each dropped record → origin of the one it goes for."""
    texts = user_texts(table["prompt"], [])
    table = table.append_column("words_key", pa.array(prefixes(texts, 10**6).keys))
    drops = prefix_duplicates(texts, table, prefixes(texts, config.words), earliest(table), target, config)
    origin = dict(zip(table["record_id"].to_pylist(), table["origin"].to_pylist(), strict=True))
    gone = [table["origin"][row].as_py() for row in drops.rows.tolist()]
    return dict(zip(gone, [origin[record] for record in drops.evidence.to_pylist()], strict=True))


@given(st.lists(st.sampled_from(["a b c d", "a b c e", "a b", "A, b", "x", "?"]), max_size=8), st.randoms())
def test_one_survivor_a_group_the_earliest_whatever_the_order(texts: list[str], random: object) -> None:
    config = PrefixConfig(words=3)
    rows = [prompt(i, text) for i, text in enumerate(texts)]
    expected = {}
    for i, text in enumerate(texts):
        words = _words(text, 3)
        first = next(j for j, other in enumerate(texts) if _words(other, 3) == words)
        if words and first != i:
            expected[rows[i]["origin"]] = rows[first]["origin"]
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert _dropped(prompt_records(*rows), "prompts", config) == expected
    assert _dropped(prompt_records(*shuffled), "prompts", config) == expected


def test_judgements_of_one_prompt_all_stay_but_not_those_of_another_with_its_prefix() -> None:
    rows = [judgement(i, text, ["x", "y"], [1, 2]) for i, text in enumerate(["a b c!", "a  b c", "a b d"])]
    table = records(demonstrations(), judgements(*rows), prompts())
    assert _dropped(table, "comparisons", PrefixConfig(words=2)) == {"judged.jsonl#2": "judged.jsonl#0"}


def test_judgements_of_one_conversation_stay() -> None:
    rows = [judgement(i, f"a b {i}", ["x", "y"], [1, 2], root_id=root) for i, root in enumerate("rrs")]
    table = records(demonstrations(), judgements(*rows), prompts())
    assert _dropped(table, "comparisons", PrefixConfig(words=2)) == {"judged.jsonl#2": "judged.jsonl#0"}
    apart = PrefixConfig(words=2, keep_conversations=False)
    assert set(_dropped(table, "comparisons", apart)) == {"judged.jsonl#1", "judged.jsonl#2"}


def test_turns_of_one_conversation_stay_and_a_second_answer_to_one_prompt_goes() -> None:
    rows = [
        demonstration(0, "a b c", "x", root_id="r"),
        demonstration(1, "a b c", "x", "d", "y", root_id="r"),
        demonstration(2, "a b c", "z", root_id="r"),
        demonstration(3, "a b c", "x", root_id="other"),
    ]
    table = records(demonstrations(*rows), judgements(), prompts())
    gone = {"demos.jsonl#2": "demos.jsonl#0", "demos.jsonl#3": "demos.jsonl#0"}
    assert _dropped(table, "sft", PrefixConfig(words=3)) == gone
    together = PrefixConfig(words=3, keep_conversations=False)
    assert _dropped(table, "sft", together) == gone | {"demos.jsonl#1": "demos.jsonl#0"}


def test_few_shot_prompts_are_reported_apart() -> None:
    shots = "Q: one\nA: 1\nQ: two\nA: 2\nQ: "
    table = prompt_records(
        prompt(0, shots + "three"), prompt(1, shots + "four"), prompt(2, "x"), prompt(3, "x")
    )
    texts = user_texts(table["prompt"], [])
    table = table.append_column("words_key", pa.array(prefixes(texts, 10**6).keys))
    config = PrefixConfig(words=4)
    drops = prefix_duplicates(texts, table, prefixes(texts, 4), earliest(table), "prompts", config)
    assert drops.reason.to_pylist() == ["few_shot_prefix_duplicate", "prefix_duplicate"]
    assert drops.figure.tolist() == [4, 1]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("Input: a\nOutput: b\nInput: c\nOutput: d\nInput: e\nOutput:", True, id="two filled in"),
        pytest.param("Input: a\nOutput: b\nInput: c\nOutput:", False, id="one filled in, one asked for"),
        pytest.param("问：甲\n答：乙\n问：丙\n答：丁\n问：戊", True, id="Chinese labels"),
        pytest.param("What is a label: output, a or b?", False, id="labels inside a line"),
    ],
)
def test_worked_examples(text: str, shown: bool) -> None:
    assert few_shot(pa.array([text]), 2).tolist() == [shown]
