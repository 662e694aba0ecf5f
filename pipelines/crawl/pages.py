"""From a WARC record to a page worth extracting: which records are pages, and their decoded payload."""

import re
from datetime import UTC, datetime
from typing import NamedTuple

from pipelines.crawl.http_message import BodyError, decode_body, parse_response
from pipelines.crawl.warc import Record
from pipelines.ids import payload_digest

HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})
# Types that servers give to anything: what the bytes look like decides.
_VAGUE_TYPES = frozenset({
    "", "*/*", "application/octet-stream", "application/unknown", "unknown/unknown", "binary/octet-stream",
    "text/plain", "text/xml", "application/xml", "html", "text", "text/x-html", "application/x-html",
    "application/html", "content/unknown",
})  # fmt: skip
_PREAMBLE = rb"(?:[\s\xef\xbb\xbf]|<!--(?:[^-]|-(?!->)){0,2000}-->|<\?xml[^>]{0,200}>)*"
_SURELY_HTML = re.compile(_PREAMBLE + rb"<(?:!doctype\s+html|html)[\s>]", re.I)
# WHATWG MIME sniffing, 7.1: tags that begin an HTML page.
_LIKELY_HTML = re.compile(
    _PREAMBLE + rb"<(?:head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p|meta|link|center)[\s>]",
    re.I,
)
_BINARY_STARTS = (
    b"%PDF", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"PK\x03\x04", b"RIFF", b"OggS", b"ID3", b"\x7fELF",
    b"\xd0\xcf\x11\xe0", b"{\\rtf", b"MZ", b"FWS", b"CWS", b"wOFF", b"\x00\x00\x01\x00", b"BM6",
    b"Rar!", b"7z\xbc\xaf",
)  # fmt: skip
_SNIFF_BYTES = 8192


class Page(NamedTuple):
    """A payload to extract: `media_type` says how; `fetched_at` is UTC, None where the date is bad."""

    offset: int
    url: str
    fetched_at: datetime | None
    media_type: str
    charset: str | None
    digest: str
    payload: bytes
    notes: tuple[str, ...]


class Skipped(NamedTuple):
    """A sound record that is no page; `reason` is the name of its counter."""

    reason: str


class Bad(NamedTuple):
    """A record that should be a page and cannot be read."""

    reason: str
    detail: str


def page_of(record: Record, max_payload_bytes: int, plain_text: bool) -> Page | Skipped | Bad:
    """The page in a record, or why there is none. `plain_text` takes text/plain responses too."""
    if record.kind == "conversion":
        return _converted(record, max_payload_bytes)
    if record.kind != "response":
        return Skipped(f"skipped:{record.kind}")
    response = parse_response(record.block)
    if response is None:
        return Skipped("skipped:not_http")
    if not 200 <= response.status <= 299:
        return Skipped("skipped:status")
    try:
        body = decode_body(response, max_payload_bytes)
    except BodyError as error:
        return (
            Bad("undecodable_body", str(error))
            if _may_be_page(response.media_type)
            else Skipped("skipped:media_type")
        )
    media_type = media_type_of(response.media_type, body.data)
    if media_type not in HTML_TYPES and not (plain_text and media_type == "text/plain"):
        return Skipped("skipped:media_type")
    if not body.data:
        return Skipped("skipped:empty_payload")
    notes = {
        "payload_cut": body.cut or (record.length > len(record.block) and not record.missing),
        "payload_broken": body.broken,
        "truncated_by_crawler": bool(record.truncated),
    }
    return _page(record, media_type, response.charset, body.data, notes)


def media_type_of(declared: str, body: bytes) -> str:
    """What a payload is: the declared type unless the bytes contradict it or it says nothing."""
    head = body[:_SNIFF_BYTES]
    if _SURELY_HTML.match(head):
        return declared if declared in HTML_TYPES else "text/html"
    if declared in HTML_TYPES:
        return "application/octet-stream" if head.startswith(_BINARY_STARTS) else declared
    if declared in _VAGUE_TYPES and _LIKELY_HTML.match(head):
        return "text/html"
    return declared or "application/octet-stream"


def parse_date(value: str) -> datetime | None:
    """A WARC-Date (ISO 8601; older archives write 14 digits) in UTC; None if it is neither."""
    text = value.strip()
    try:
        if text.isdigit() and len(text) == 14:
            return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _converted(record: Record, limit: int) -> Page | Skipped:
    if not record.content_type.startswith("text/plain"):
        return Skipped("skipped:conversion")
    payload = record.block[:limit]
    return _page(record, "text/plain", "utf-8", payload, {"payload_cut": record.length > limit})


def _page(
    record: Record, media_type: str, charset: str | None, payload: bytes, notes: dict[str, bool]
) -> Page:
    return Page(
        offset=record.offset,
        url=record.uri,
        fetched_at=parse_date(record.date),
        media_type=media_type,
        charset=charset,
        digest=payload_digest(payload),
        payload=payload,
        notes=tuple(name for name, holds in notes.items() if holds),
    )


def _may_be_page(declared: str) -> bool:
    return declared in HTML_TYPES or declared in _VAGUE_TYPES
