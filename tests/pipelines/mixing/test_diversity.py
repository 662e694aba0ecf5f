"""Diversity: figures of small known corpora, equal however the rows are cut."""

from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.engine.runner import Task, run_locally
from pipelines.mixing.diversity import (
    DIVERSITY,
    TALLY,
    DiversityStage,
    as_dict,
    distinct_ngrams,
    hosts,
    merge,
    summarise,
    tally,
)
from pipelines.schemas import CORPUS, DOCUMENTS
from tests.pipelines.corpus import corpus_table, write_shards


@pytest.mark.parametrize(
    ("url", "host"),
    [
        pytest.param("http://Example.COM/a", "example.com", id="lower_case"),
        pytest.param("https://user:pw@www.bbc.co.uk:8080/x?y#z", "www.bbc.co.uk", id="no_user_no_port"),
        pytest.param("HTTPS://a.b", "a.b", id="scheme_in_capitals"),
        pytest.param("http://a.b?q=1", "a.b", id="query_behind_host"),
        pytest.param("http://a.b./x", "a.b", id="root_dot"),
        pytest.param("http://[::1]:80/", "[::1]", id="ipv6"),
        pytest.param("http://例子.中国/页", "例子.中国", id="unicode"),
        pytest.param("/data/books/emma.txt.gz#3", None, id="path_of_a_file"),
        pytest.param("ftp://a.b/c", None, id="other_scheme"),
        pytest.param("", None, id="empty"),
    ],
)
def test_hosts(url: str, host: str | None) -> None:
    assert hosts(pa.array([url])).to_pylist() == [host]


def test_distinct_ngrams() -> None:
    figures = distinct_ngrams(pa.array(["a b a b", "A b c"]))
    assert figures["sample_words"] == 7
    assert figures["distinct_1grams"] == 3 / 7
    assert figures["distinct_2grams"] == 3 / 5  # ab ba ab, ab bc
    assert figures["distinct_3grams"] == 3 / 3  # aba bab, abc
    assert distinct_ngrams(pa.array([], pa.string()))["distinct_1grams"] is None


def test_figures_by_source() -> None:
    urls = [f"http://h{i}.site{i % 12}.org/" for i in range(24)] + ["/books/one.txt"]
    rows = corpus_table([("web", "word " * (i + 1)) for i in range(24)] + [("books", "汉字汉字")])
    rows = rows.set_column(3, "url", pa.array(urls))
    rows = rows.set_column(4, "language", pa.array(["en"] * 20 + ["de"] * 4 + ["zh"]))
    media = pa.array(["text/html"] * 24 + ["text/plain"])
    table = summarise([tally(rows, media)], rows)
    DIVERSITY.check(table.schema, "diversity")
    figures = as_dict(table)
    web, books = figures["web"], figures["books"]
    assert (web["documents"], web["hosts"], web["domains"]) == (24, 24, 12)
    assert web["top10_domains_share"] == 20 / 24
    assert web["languages"] == {"en": 20, "de": 4}
    assert web["n_bytes"] == sum(5 * (i + 1) for i in range(24))
    assert (books["hosts"], books["top10_domains_share"]) == (0, 0)
    assert books["media_types"] == {"text/plain": 1}
    assert (books["sample_words"], books["distinct_1grams"]) == (4, 0.5)


@given(cuts=st.lists(st.integers(0, 50), max_size=5))
def test_tallies_add_up_however_cut(cuts: list[int]) -> None:
    rows = corpus_table([("abc"[i % 3], "x" * i) for i in range(50)])
    edges = sorted({0, *cuts, 50})
    parts = [tally(rows.slice(start, end - start)) for start, end in pairwise(edges)]
    assert merge(reversed(parts)) == merge([tally(rows)])


def test_stage_joins_media_types_by_parent(tmp_path: Path) -> None:
    rows = corpus_table([("a", "x"), ("a", "yy"), ("b", "z")])
    pages = rows["parent_id"].to_pylist()
    rows = rows.set_column(1, "parent_id", pa.array([pages[2], pages[2], pages[0]]))
    blank = {
        field.name: pa.nulls(3, field.type).fill_null("" if field.type == pa.string() else 0)
        for field in DOCUMENTS.schema
        if field.name != "fetched_at"
    }
    columns = {**blank, "doc_id": pages, "media_type": ["text/plain", "image/x", "text/html"]}
    documents = pa.table({**columns, "fetched_at": pa.nulls(3, DOCUMENTS.schema.field("fetched_at").type)})
    write_shards(tmp_path / "corpus", CORPUS, rows, 1)
    write_shards(tmp_path / "documents", DOCUMENTS, documents.select(DOCUMENTS.schema.names), 1)
    stage = DiversityStage(str(tmp_path / "corpus"), str(tmp_path / "documents"))
    run_locally(stage, [Task("shard-00000", {})], str(tmp_path))
    made = pq.read_table(tmp_path / TALLY.name / "shard-00000.parquet")
    figures = as_dict(summarise([made], rows))
    assert figures["a"]["media_types"] == {"text/html": 2}
    assert figures["b"]["media_types"] == {"text/plain": 1}
