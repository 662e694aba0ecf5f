"""Which records are pages."""

from datetime import UTC, datetime

import pytest

from pipelines.crawl.pages import Bad, Page, Skipped, media_type_of, page_of, parse_date
from pipelines.crawl.warc import Record
from pipelines.ids import payload_digest

HTML = b"<html><p>text"


def warc_record(block: bytes, kind: str = "response", **changes: object) -> Record:
    base = Record(
        offset=7,
        kind=kind,
        uri="http://a.example/",
        date="2024-02-29T12:30:00Z",
        content_type="",
        truncated="",
        block=block,
        length=len(block),
        missing=0,
    )
    return base._replace(**changes)  # type: ignore[arg-type]


def response(body: bytes = HTML, status: int = 200, content_type: str | None = "text/html") -> bytes:
    head = f"Content-Type: {content_type}\r\n" if content_type is not None else ""
    return f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + body


def test_a_page() -> None:
    page = page_of(warc_record(response(content_type="text/html; charset=x")), 100, plain_text=False)
    assert page == Page(
        offset=7,
        url="http://a.example/",
        fetched_at=datetime(2024, 2, 29, 12, 30, tzinfo=UTC),
        media_type="text/html",
        charset="x",
        digest=payload_digest(HTML),
        payload=HTML,
        notes=(),
    )


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (warc_record(b"", "request"), "skipped:request"),
        (warc_record(b"", "revisit"), "skipped:revisit"),
        (warc_record(b"192.0.2.1"), "skipped:not_http"),
        (warc_record(response(status=404)), "skipped:status"),
        (warc_record(response(status=199)), "skipped:status"),
        (warc_record(response(status=300)), "skipped:status"),
        (warc_record(response(b"text", content_type="text/plain")), "skipped:media_type"),
        (warc_record(response(b"\xff\xd8\xff\xe0 jpeg")), "skipped:media_type"),
        (warc_record(response(b"{}", content_type="application/json")), "skipped:media_type"),
        (warc_record(response(b"")), "skipped:empty_payload"),
        (warc_record(b"x", "conversion", content_type="application/json"), "skipped:conversion"),
    ],
)
def test_skipped(found: Record, reason: str) -> None:
    assert page_of(found, 100, plain_text=False) == Skipped(reason)


def test_a_page_that_cannot_be_decoded_is_bad_an_image_is_not_missed() -> None:
    block = b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Type: %b\r\n\r\n\x81\x82\x83"
    assert isinstance(page_of(warc_record(block % b"text/html"), 100, plain_text=False), Bad)
    assert page_of(warc_record(block % b"image/png"), 100, plain_text=False) == Skipped("skipped:media_type")


def test_plain_text_on_demand() -> None:
    page = page_of(warc_record(response(b"text", content_type="text/plain")), 100, plain_text=True)
    assert isinstance(page, Page)
    assert page.media_type == "text/plain"


def test_converted_text() -> None:
    page = page_of(
        warc_record(b"caf\xc3\xa9", "conversion", content_type="text/plain"), 100, plain_text=False
    )
    assert isinstance(page, Page)
    assert (page.media_type, page.charset, page.payload) == ("text/plain", "utf-8", b"caf\xc3\xa9")


@pytest.mark.parametrize(
    ("found", "notes"),
    [
        (warc_record(response(b"<p>" + b"x" * 200)), ("payload_cut",)),
        (warc_record(response(), length=10_000), ("payload_cut",)),
        (warc_record(response(), length=10_000, missing=9_000), ()),
        (warc_record(response(), truncated="length"), ("truncated_by_crawler",)),
    ],
    ids=["body over the limit", "block over the limit", "cut by the file", "cut by the crawler"],
)
def test_notes(found: Record, notes: tuple[str, ...]) -> None:
    page = page_of(found, 100, plain_text=False)
    assert isinstance(page, Page)
    assert page.notes == notes


@pytest.mark.parametrize(
    ("declared", "body", "media_type"),
    [
        ("text/html", b"anything", "text/html"),
        ("application/xhtml+xml", b"<?xml version='1.0'?><html>", "application/xhtml+xml"),
        ("text/html", b"%PDF-1.4", "application/octet-stream"),
        ("", b"  <!DOCTYPE html><html>", "text/html"),
        ("", b"\xef\xbb\xbf<!-- c --><HTML lang=en>", "text/html"),
        ("", b"<p>just a paragraph", "text/html"),
        ("", b"<rss version='2.0'>", "application/octet-stream"),
        ("", b"words < more words", "application/octet-stream"),
        ("application/octet-stream", b"<title>x", "text/html"),
        ("text/plain", b"<!doctype html><p>", "text/html"),
        ("text/plain", b"plain words", "text/plain"),
        ("image/gif", b"<!DOCTYPE html><title>not found", "text/html"),
        ("image/svg+xml", b"<svg><a>", "image/svg+xml"),
        ("application/xml", b"<?xml version='1.0'?><html xmlns='x'>", "text/html"),
        ("application/xml", b"<?xml version='1.0'?><feed>", "application/xml"),
        ("text/css", b"a { b: c }", "text/css"),
    ],
)
def test_sniffing(declared: str, body: bytes, media_type: str) -> None:
    assert media_type_of(declared, body) == media_type


def test_sniffing_endless_comments_is_quick() -> None:
    assert media_type_of("", b"<!--" * 100_000) == "application/octet-stream"
    assert media_type_of("", b"<!-- - -->" * 100_000) == "application/octet-stream"


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2024-02-29T12:30:00Z", datetime(2024, 2, 29, 12, 30, tzinfo=UTC)),
        ("2024-02-29T12:30:00.123456Z", datetime(2024, 2, 29, 12, 30, 0, 123456, tzinfo=UTC)),
        ("2024-02-29T13:30:00+01:00", datetime(2024, 2, 29, 12, 30, tzinfo=UTC)),
        ("20080430204825", datetime(2008, 4, 30, 20, 48, 25, tzinfo=UTC)),
        ("2024-02-29", datetime(2024, 2, 29, tzinfo=UTC)),
        ("2023-02-29T12:30:00Z", None),
        ("0001-01-01T00:00:00+23:00", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_dates(written: str, moment: datetime | None) -> None:
    assert parse_date(written) == moment
