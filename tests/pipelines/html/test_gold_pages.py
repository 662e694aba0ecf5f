"""Reading gold sets: what a page and its row must say."""

import gzip
import json
from io import BytesIO
from pathlib import Path

import pytest
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from pipelines.html.gold_pages import gold_pages, site_of


def write(folder: Path, pages: dict[str, bytes], rows: list[dict]) -> None:
    with (folder / "set.warc.gz").open("wb") as stream:
        writer = WARCWriter(stream, gzip=True)
        for name, payload in pages.items():
            http = StatusAndHeaders("200 OK", [("Content-Type", "text/html")], protocol="HTTP/1.1")
            writer.write_record(
                writer.create_warc_record(
                    "http://a.example.org/", "response", payload=BytesIO(payload), http_headers=http,
                    warc_headers_dict={"WARC-Source-Id": name},
                )
            )  # fmt: skip
    with gzip.open(folder / "set.gold.jsonl.gz", "wt", encoding="utf-8") as lines:
        lines.writelines(json.dumps({"url": "http://a.example.org/", **row}) + "\n" for row in rows)


def test_pages(tmp_path: Path) -> None:
    rows = [
        {"source_id": "1", "main_content": "text", "page_type": "forum", "lang_lid176": "en"},
        {"source_id": "2", "with": ["a"], "without": ["b", "c"]},
        {"source_id": "3", "main_content": None},
    ]
    write(tmp_path, {"1": b"<p>text", "2": "<p>é".encode("latin-1"), "3": b"x"}, rows)
    first, second = gold_pages(tmp_path)
    assert (first.collection, first.kind, first.language, first.site) == ("set", "forum", "en", "example.org")
    assert (first.html, first.text) == (b"<p>text", "text")
    assert second.html.decode() == "<p>é"
    assert (second.text, second.wanted, second.unwanted) == (None, ("a",), ("b", "c"))


def test_errors_name_the_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no \*\.gold\.jsonl\.gz here"):
        list(gold_pages(tmp_path))
    write(tmp_path, {"1": b"x"}, [])
    with pytest.raises(ValueError, match=r"set\.warc\.gz: page '1' has no row in set\.gold"):
        list(gold_pages(tmp_path))


@pytest.mark.parametrize(
    ("url", "html", "site"),
    [
        ("http://www.bbc.co.uk/news", "", "bbc.co.uk"),
        (
            "http://set.invalid/1",
            "<a href='http://news.a.com/x'><a href=https://a.com/y><img src=//c.d><a href='http://b.com'>",
            "a.com",
        ),
        ("http://set.invalid/1", "<a href='http://www.google.com/'><a href='http://b.com'>" * 2, "b.com"),
        ("http://set.invalid/1", "<p>", "http://set.invalid/1"),
    ],
    ids=["known", "most linked", "common hosts aside", "nothing known"],
)
def test_site_of(url: str, html: str, site: str) -> None:
    assert site_of(url, html.encode()) == site
