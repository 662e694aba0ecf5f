"""HTTP responses as archives hold them: encodings declared truly, falsely, twice, and broken off."""

import gzip
import random
import zlib

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from pipelines.crawl.http_message import Body, BodyError, decode_body, parse_response

TEXT = b"<html><p>" + b"some words " * 500
LIMIT = 1 << 20


def message(body: bytes, *headers: str, status: str = "HTTP/1.1 200 OK") -> bytes:
    return "\r\n".join([status, *headers, "", ""]).encode() + body


def chunked(body: bytes, size: int = 1000, end: bytes = b"0\r\n\r\n") -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x;ext=1\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + end


def raw_deflate(body: bytes) -> bytes:
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return deflater.compress(body) + deflater.flush()


def decoded(block: bytes, limit: int = LIMIT) -> Body:
    response = parse_response(block)
    assert response is not None
    return decode_body(response, limit)


GZIP, BROTLI, DEFLATE = (f"Content-Encoding: {name}" for name in ("gzip", "br", "deflate"))
CHUNKED = "Transfer-Encoding: chunked"


@pytest.mark.parametrize(
    "block",
    [
        message(TEXT),
        message(chunked(TEXT), CHUNKED),
        message(TEXT, CHUNKED),
        message(chunked(TEXT, end=b""), CHUNKED),
        message(gzip.compress(TEXT), GZIP),
        message(gzip.compress(TEXT)),
        message(TEXT, GZIP),
        message(chunked(gzip.compress(TEXT)), CHUNKED, "content-encoding: x-gzip"),
        message(zlib.compress(TEXT), DEFLATE),
        message(raw_deflate(TEXT), DEFLATE),
        message(brotli.compress(TEXT), BROTLI),
        message(TEXT, BROTLI),
        message(zstandard.ZstdCompressor().compress(TEXT), "Content-Encoding: zstd"),
        message(brotli.compress(gzip.compress(TEXT)), "Content-Encoding: gzip, br"),
        message(TEXT, "Content-Encoding: identity"),
        message(TEXT, "Content-Encoding: sdch"),
    ],
    ids=[
        "plain",
        "chunked",
        "chunked already undone",
        "chunked without its last chunk",
        "gzip",
        "gzip undeclared",
        "gzip already undone",
        "gzip in chunks",
        "deflate",
        "deflate without zlib header",
        "brotli",
        "brotli already undone",
        "zstd",
        "gzip within brotli",
        "identity",
        "unknown encoding of plain markup",
    ],
)
def test_body(block: bytes) -> None:
    assert decoded(block) == Body(TEXT, cut=False, broken=False)


def test_text_that_begins_like_a_chunk_size_stays() -> None:
    body = b"12\nmonkeys sat in a row, and each had a typewriter of its own"
    assert decoded(message(body, CHUNKED)).data == body


@pytest.mark.parametrize("encode", [gzip.compress, brotli.compress], ids=["gzip", "brotli"])
def test_a_bomb_costs_no_more_than_the_limit(encode) -> None:
    name = "gzip" if encode is gzip.compress else "br"
    body = decoded(message(encode(b"<" + b"a" * 50_000_000), f"Content-Encoding: {name}"), 10_000)
    assert len(body.data) == 10_000
    assert body.cut


@pytest.mark.parametrize("length", [LIMIT - 1, LIMIT, LIMIT + 1], ids=["below", "at", "above"])
def test_cut_is_told_at_the_limit(length: int) -> None:
    for block in (message(b"x" * length), message(gzip.compress(b"x" * length), GZIP)):
        body = decoded(block)
        assert (len(body.data), body.cut) == (min(length, LIMIT), length > LIMIT)


def test_what_comes_before_a_break_is_kept() -> None:
    noise = bytes(random.Random(0).choices(b"abcdefgh", k=200_000))
    wrong_checksum = gzip.compress(noise)[:-8] + b"\xff" * 8
    body = decoded(message(wrong_checksum, GZIP))
    assert body.broken
    assert noise.startswith(body.data)
    assert len(body.data) > 180_000


@pytest.mark.parametrize(
    ("headers", "message_part"),
    [((GZIP,), "does not fit"), ((BROTLI,), "does not fit"), (("Content-Encoding: sdch",), "not known")],
    ids=["not gzip", "not brotli", "unknown"],
)
def test_an_encoding_that_cannot_be_taken_off(headers: tuple[str, ...], message_part: str) -> None:
    with pytest.raises(BodyError, match=message_part):
        decoded(message(b"\x81\x82\x83 binary", *headers))


@pytest.mark.parametrize(
    ("block", "status", "media_type", "charset"),
    [
        (message(b"", "Content-Type: Text/HTML; charset=GBK"), 200, "text/html", "GBK"),
        (message(b"", "CONTENT-TYPE:text/html;Charset='utf-8'"), 200, "text/html", "utf-8"),
        (message(b"", "Content-Type: text/html;", "  charset=utf-8"), 200, "text/html", "utf-8"),
        (message(b"", status="HTTP/2 404"), 404, "", None),
        (message(b"", status="HTTP/1.0 301 Moved"), 301, "", None),
        (message(b"", "Content-Type: a/b", "Content-Type: text/html"), 200, "text/html", None),
        (b"HTTP/1.1 200 OK\nContent-Type: text/html\n\nbody", 200, "text/html", None),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html", 200, "text/html", None),
    ],
    ids=["usual", "odd case", "folded", "HTTP/2", "HTTP/1.0", "twice", "bare line feeds", "headers cut"],
)
def test_head(block: bytes, status: int, media_type: str, charset: str | None) -> None:
    found = parse_response(block)
    assert found is not None
    assert (found.status, found.media_type, found.charset) == (status, media_type, charset)


@pytest.mark.parametrize("block", [b"", b"20240229 a.example. IN A 192.0.2.1", b"HTTP", b"HTTP/1.1 OK"])
def test_what_is_no_response(block: bytes) -> None:
    assert parse_response(block) is None


@given(st.binary(max_size=300), st.sampled_from(["gzip", "deflate", "br", "zstd", "chunked, gzip", ""]))
def test_any_body_is_decoded_or_refused(body: bytes, encoding: str) -> None:
    try:
        assert len(decoded(message(body, f"Content-Encoding: {encoding}", CHUNKED), 50).data) <= 50
    except BodyError as error:
        assert "content encoding" in str(error)
