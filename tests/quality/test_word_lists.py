import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quality.word_lists import WordListConfig, WordLists


def lists(tmp_path, name="en", entries=("bad", "very bad", "s&m", "坏词", "ワル"), **config):
    path = tmp_path / name
    path.write_text("\n".join(entries))
    return WordLists(WordListConfig(files=[str(path)], **config))


def entries(found):
    return found["entry"].to_pylist()


@pytest.mark.parametrize(
    ("text", "hits"),
    [
        pytest.param("This is BAD.", ["bad"], id="word, case"),
        pytest.param("badly, forbad", [], id="part of a word"),
        pytest.param("a very  bad\nthing", ["very bad", "bad"], id="phrase over blanks"),
        pytest.param("very-bad", ["very bad", "bad"], id="phrase over a dash"),
        pytest.param("very. Bad", ["bad"], id="a sentence ends between"),
        pytest.param("s&m but not s m or s+m", ["s&m"], id="signs inside"),
        pytest.param("一个坏词的文", ["坏词"], id="Chinese anywhere"),
        pytest.param("坏,词", [], id="Chinese parted"),
        pytest.param("あのワルい人", ["ワル"], id="Japanese anywhere"),
        pytest.param("", [], id="empty"),
    ],
)
def test_matches(tmp_path, text, hits):
    found = lists(tmp_path).matches([text])
    assert entries(found) == hits
    raw = text.encode()
    for row in found.to_pylist():
        piece = raw[row["start"] : row["end"]].decode().lower()
        assert re.sub(r"[\s-]+", " ", piece) == row["entry"]


def test_signals_and_evidence(tmp_path):
    batch = lists(tmp_path).signals(["so bad, very bad", "fine words here", ""])
    assert batch["listed_words_v1"].to_pylist() == [3, 0, 0]
    assert batch["listed_words_share_v1"].to_pylist() == [0.75, 0.0, 0.0]
    assert batch["listed_word"].to_pylist() == ["bad", None, None]


def test_languages_choose_the_lists(tmp_path):
    (tmp_path / "de.txt").write_text("gift")
    (tmp_path / "fr-CA-x").write_text("poison")
    (tmp_path / "everywhere.txt").write_text("ziel")
    files = [str(tmp_path / name) for name in ("de.txt", "fr-CA-x", "everywhere.txt")]
    words = WordLists(WordListConfig(files=files))
    texts = ["gift poison ziel"] * 4
    assert entries(words.matches(texts, ["de", "fr", "en", None])) == [
        "gift",
        "ziel",
        "poison",
        "ziel",
        "ziel",
        "ziel",
    ]
    assert words.matches(texts[:1])["list"].to_pylist() == [files[0], files[1], files[2]]
    assert [report.language for report in words.reports] == ["de", "fr", "*"]
    with pytest.raises(ValueError, match="4 texts but 1 languages"):
        words.matches(texts, ["de"])


def test_unusable_and_allowed_entries(tmp_path):
    words = lists(tmp_path, entries=["@ss", "🖕", "...", "fine", "Bad"], allowed=["bad"])
    assert (words.reports[0].entries, words.reports[0].unusable) == (1, 3)
    assert entries(words.matches(["@ss bad fine"])) == ["fine"]


def test_no_lists_match_nothing():
    assert WordLists(WordListConfig()).signals(["bad"])["listed_words_v1"].to_pylist() == [0]


WORDS = st.sampled_from(["a", "b", "ab", "坏", "词", "c"])


@given(
    st.lists(st.lists(WORDS, min_size=1, max_size=3).map(" ".join), max_size=5), st.lists(WORDS, max_size=12)
)
def test_phrases_as_a_regular_expression_finds_them(tmp_path_factory, phrases, words):
    text = " ".join(words)
    found = lists(tmp_path_factory.mktemp("lists"), entries=phrases).matches([text])
    expected = []
    for phrase in dict.fromkeys(phrases):
        expected += [(m.start(), phrase) for m in re.finditer(rf"(?<!\S)(?={re.escape(phrase)}(?!\S))", text)]
    starts = [len(text.encode()[:place].decode()) for place in found["start"].to_pylist()]
    assert sorted(zip(starts, entries(found), strict=True)) == sorted(expected)
