"""Compression and archives, seen through."""

import bz2
import gzip
import io
import lzma
import threading
import zipfile
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import zstandard

from pipelines.sources.config import NOT_DOCUMENTS
from pipelines.sources.members import bare_name, members, open_binary


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


def zipped(**files: bytes) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/"), content)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("suffix", "compress"),
    [
        pytest.param("", bytes, id="plain"),
        pytest.param(".gz", gzip.compress, id="gzip"),
        pytest.param(".bz2", bz2.compress, id="bzip2"),
        pytest.param(".xz", lzma.compress, id="xz"),
        pytest.param(".zst", zstd, id="zstd"),
    ],
)
def test_two_frames_are_one_stream(tmp_path: Path, suffix: str, compress: Callable[[bytes], bytes]) -> None:
    path = tmp_path / f"a.txt{suffix}"
    path.write_bytes(compress(b"one\n") + compress(b"two\n"))
    (member,) = members(str(path), path.name, [])
    assert member.bare == "a.txt"
    assert list(io.BufferedReader(member.open())) == [b"one\n", b"two\n"]


def test_zip_members_in_order_without_the_excluded(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(
        zipped(c__b=b"2", c__a=gzip.compress(b"1"), c__README=b"x", **{"c__a.gz": gzip.compress(b"3")})
    )
    found = list(members(str(path), "a.zip", NOT_DOCUMENTS))
    assert [member.name for member in found] == ["a.zip!c/a", "a.zip!c/a.gz", "a.zip!c/b"]
    assert [member.path for member in found] == [f"{path}!c/a", f"{path}!c/a.gz", f"{path}!c/b"]
    assert found[1].open().read() == b"3"
    assert found[2].open().read() == b"2"


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a/b.txt.gz", "b.txt"), ("b.XML.BZ2", "b.XML"), ("z.zip!d/e.jsonl.zst", "e.jsonl"), ("gz", "gz")],
)
def test_bare_name(name: str, expected: str) -> None:
    assert bare_name(name) == expected


def test_address_is_fetched_again_after_a_503() -> None:
    answers = [503, 200]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(answers.pop(0))
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert open_binary(f"http://127.0.0.1:{server.server_port}/a.txt").read() == b"ok"
        server.shutdown()
    assert answers == []
