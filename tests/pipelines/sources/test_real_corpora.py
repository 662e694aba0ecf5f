"""All curated files at hand, read as their users would."""

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.engine.runner import run_locally
from pipelines.sources.config import SourceConfig
from pipelines.sources.stage import SourceDocumentsStage, source_tasks

# source: format, pattern, documents, words at least, a phrase that must stand in one document
CORPORA = {
    "enwiki": ("auto", "enwiki-*.bz2", 106, 400_000, "advocates self-governed societies based on voluntary"),
    "bgwiki": ("auto", "bgwiki-*.bz2", 1, 1_000, "международно признат светски календар"),
    "articles": ("lines", "llamafactory_wiki_demo.txt.gz", 30, 150_000, "sceptical of authority and rejects"),
    "wikitext": ("auto", "wikitext2_valid.txt.gz", 6, 180_000, "a species of <unk> lobster"),
    "novels": ("auto", "books_en/*", 18, 500_000, "must be in want of a wife"),
    "chapters": ("auto", "books_zh/*.jsonl.gz", 90, 300_000, "且说董卓字仲颖，陇西临洮人也"),
    "c4": ("auto", "c4_en_300.jsonl.gz", 300, 100_000, "need all the bells and whistles"),
    "news": ("auto", "nltk_abc.zip", 22, 600_000, "PM denies knowledge of AWB kickbacks"),
    "brown": ("tagged", "nltk_brown.zip", 500, 1_000_000, "produced “no evidence” that any"),
    "speeches": ("auto", "nltk_inaugural.zip", 59, 130_000, "Among the vicissitudes incident to life"),
    "plays": ("auto", "nltk_shakespeare.zip", 8, 190_000, "First Witch\nWhen shall we three meet again"),
    "forum": ("auto", "nltk_webtext.zip", 12, 300_000, "Rhone wine. Polished leather and strawberries"),
    "paper": ("auto", "zh_peoples_daily*.jsonl.gz", 6000, 500_000, "１９９８年新年讲话"),
}


@pytest.fixture(scope="module")
def documents(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    sources = [
        SourceConfig.model_validate(
            {"name": name, "format": kind, "files": [f"{real_data}/curated/{pattern}"]}
        )
        for name, (kind, pattern, *_) in CORPORA.items()
    ]
    poems = SourceConfig(name="poems", separator="%", files=[f"{real_data}/curated/books_zh/*.txt.gz"])
    folder = tmp_path_factory.mktemp("curated")
    run_locally(SourceDocumentsStage(), source_tasks([*sources, poems]), str(folder))
    assert not (folder / "dead_letters").exists()
    return pa.concat_tables(pq.read_table(path) for path in sorted(folder.glob("documents/*.parquet")))


@pytest.mark.parametrize("name", CORPORA)
def test_corpus_reads_as_prose(documents: pa.Table, name: str) -> None:
    _, _, n_documents, words, phrase = CORPORA[name]
    rows = [row for row in documents.to_pylist() if row["source"] == name]
    assert len(rows) == n_documents
    assert sum(row["n_words"] for row in rows) >= words
    assert any(phrase in row["text"] for row in rows)


def test_poems_are_documents_of_their_own(documents: pa.Table) -> None:
    poems = [row["text"] for row in documents.to_pylist() if row["source"] == "poems"]
    assert len(poems) == 409
    assert any(poem.startswith("《送别》\n作者：王维\n下马饮君酒") for poem in poems)
    assert not any("%" in poem for poem in poems)


def test_no_markup_is_left_in_articles(documents: pa.Table) -> None:
    rows = documents.to_pylist()
    text = "\n".join(row["text"] for row in rows if row["source"] in ("enwiki", "bgwiki"))
    marks = Counter(
        {mark: text.count(mark) for mark in ("{{", "}}", "[[", "]]", "<ref", "'''", "|-", "&nbsp;", "==")}
    )
    assert sum(marks.values()) <= 20, marks
    assert not any(row["text"].startswith(("\n", " ")) or "\r" in row["text"] for row in rows)


def test_old_encodings_are_read(documents: pa.Table) -> None:
    rows = documents.to_pylist()
    forum = "\n".join(row["text"] for row in rows if row["source"] == "forum")
    assert forum.count("\ufffd") == 1  # as found: the file itself holds one
    assert "£" in forum
