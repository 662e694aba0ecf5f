"""Personal data in the corpus: what is replaced, what is only told, and where it stands in the text given back."""

import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.personal_data import PersonalDataConfig, treat
from pipelines.schemas import CORPUS, PERSONAL_DATA
from quality.pii import Placeholders, find
from tests.pipelines.corpus import corpus_table
from text.words import count_words

REPLACE = PersonalDataConfig(mode="replace")


def corpus(*texts: str):
    return corpus_table([("crawl", text) for text in texts])


@pytest.mark.parametrize(
    ("mode", "text", "words"),
    [
        ("off", "mail a.b@mill.org now", 6),
        ("annotate", "mail a.b@mill.org now", 6),
        ("replace", "mail <EMAIL> now", 3),
    ],
)
def test_what_becomes_of_an_address(mode, text, words):
    table, found = treat(corpus("mail a.b@mill.org now"), PersonalDataConfig(mode=mode))
    assert table["text"].to_pylist() == [text]
    assert table["n_bytes"].to_pylist() == [len(text)]
    if mode == "replace":
        assert table["n_words"].to_pylist() == [words]
    assert found["replaced"].to_pylist() == ([] if mode == "off" else [mode == "replace"])


def test_only_the_chosen_kinds_by_the_chosen_placeholder():
    config = PersonalDataConfig(mode="replace", kinds=["email"], placeholders=Placeholders(email="[MAIL]"))
    table, found = treat(corpus("x@mill.org or 13812345678"), config)
    assert table["text"].to_pylist() == ["[MAIL] or 13812345678"]
    assert found.to_pylist() == [
        {
            "doc_id": table["doc_id"][0].as_py(),
            "source": "crawl",
            "kind": "email",
            "start": 0,
            "end": 6,
            "text": "x@mill.org",
            "replaced": True,
        }
    ]


parts = st.lists(
    st.sampled_from(["x@mill.org", "13812345678", "风车 ", " und ", "call +1 212-555-0123 ", "\n", "é"]),
    max_size=12,
)


@given(st.lists(parts.map(" ".join), min_size=1, max_size=5), st.sampled_from(["annotate", "replace"]))
def test_places_are_those_of_the_text_given_back(texts, mode):
    before = corpus(*texts)
    table, found = treat(before, PersonalDataConfig(mode=mode))
    by_id = dict(zip(table["doc_id"].to_pylist(), table["text"].to_pylist(), strict=True))
    masks = Placeholders().model_dump()
    for row in found.to_pylist():
        expected = masks[row["kind"]] if mode == "replace" else row["text"]
        assert by_id[row["doc_id"]].encode()[row["start"] : row["end"]].decode() == expected
    assert found["text"].to_pylist() == find(texts)["text"].to_pylist()
    assert table.schema.names == CORPUS.schema.names
    assert found.schema.equals(PERSONAL_DATA.schema)
    assert table["n_bytes"].to_pylist() == pc.binary_length(table["text"]).to_pylist()
    touched = set(found["doc_id"].to_pylist())
    for row, words in zip(table.to_pylist(), count_words(table["text"]).tolist(), strict=True):
        if mode == "replace" and row["doc_id"] in touched:
            assert row["n_words"] == words
    if mode == "replace":
        assert find(table["text"]).num_rows == 0
    else:
        assert table.equals(before)
