"""WARC files that another library reads back."""

import gzip
from pathlib import Path

from fastwarc.warc import ArchiveIterator, WarcRecordType

from pipelines.demo.crawler import Page
from pipelines.demo.warc_output import write_warc

PAGES = [
    Page("http://x.localhost/a", "200 OK", [("Content-Type", "text/html"), ("Date", "today")], b"<p>a</p>"),
    Page("http://x.localhost/b?c=1", "404 Not Found", [("Transfer-Encoding", "chunked")], "é".encode()),
]


def test_records_read_back(tmp_path: Path) -> None:
    path = tmp_path / "x.warc.gz"
    write_warc(str(path), PAGES, "2024-05-06")
    with path.open("rb") as stream:
        info, *records = [
            (record.record_type, dict(record.headers), record.http_headers, record.reader.read())
            for record in ArchiveIterator(stream, verify_digests=True, parse_http=True)
        ]
    assert info[0] == WarcRecordType.warcinfo
    assert info[1]["WARC-Filename"] == "x.warc.gz"
    assert [record[0] for record in records] == [WarcRecordType.response] * 2
    assert [record[1]["WARC-Target-URI"] for record in records] == [page.url for page in PAGES]
    assert [record[1]["WARC-Date"] for record in records] == ["2024-05-06T08:00:00Z", "2024-05-06T08:00:01Z"]
    assert [record[3] for record in records] == [page.body for page in PAGES]
    assert [record[2].status_code for record in records] == [200, 404]
    assert dict(records[0][2]) == {"Content-Type": "text/html", "Date": "Mon, 06 May 2024 08:00:00 GMT"}
    assert dict(records[1][2]) == {"Date": "Mon, 06 May 2024 08:00:01 GMT"}


def test_same_pages_and_day_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("1", "2"):
        write_warc(str(tmp_path / name / "x.warc.gz"), PAGES, "2024-05-06")
    assert (tmp_path / "1/x.warc.gz").read_bytes() == (tmp_path / "2/x.warc.gz").read_bytes()


def test_each_record_is_a_gzip_member(tmp_path: Path) -> None:
    write_warc(str(tmp_path / "x.warc.gz"), PAGES, "2024-05-06")
    data = (tmp_path / "x.warc.gz").read_bytes()
    assert data.count(b"\x1f\x8b\x08") == 3
    assert gzip.decompress(data).count(b"WARC/1.0\r\n") == 3
