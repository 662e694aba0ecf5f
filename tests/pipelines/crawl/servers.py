"""A loopback web server that misbehaves as public crawl servers do."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Archive:
    """Files by path, and the troubles that come before each is served."""

    files: dict[str, bytes]
    statuses: list[int] = field(default_factory=list)  # answered first, one a request
    retry_after: str | None = None
    break_after: list[int] = field(default_factory=list)  # bytes after which the next answers are cut off
    knows_ranges: bool = True
    etags: list[str] = field(default_factory=list)  # one an answer; the last stays
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)
    base: str = ""

    def url(self, path: str) -> str:
        """Address of a file."""
        return f"{self.base}/{path}"


@contextmanager
def serving(archive: Archive) -> Iterator[Archive]:
    """Serve until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(archive))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    archive.base = f"http://127.0.0.1:{server.server_port}"
    try:
        yield archive
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(archive: Archive) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def _answer(self, with_body: bool) -> None:
            archive.requests.append((self.command, self.path, self.headers.get("Range")))
            if archive.statuses:
                self.send_response(archive.statuses.pop(0))
                if archive.retry_after is not None:
                    self.send_header("Retry-After", archive.retry_after)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            data = archive.files.get(self.path.lstrip("/"))
            if data is None:
                self.send_error(404)
                return
            self._send(data, with_body)

        def _send(self, data: bytes, with_body: bool) -> None:
            asked = re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            start = int(asked.group(1)) if asked and archive.knows_ranges else 0
            if start >= len(data) and start:
                self.send_response(416)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            end = len(data)
            if asked and archive.knows_ranges:
                end = int(asked.group(2)) + 1 if asked.group(2) else end
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(data)}")
            else:
                self.send_response(200)
            self.send_header("Content-Length", str(end - start))
            if archive.etags:
                self.send_header("ETag", archive.etags.pop(0) if len(archive.etags) > 1 else archive.etags[0])
            self.end_headers()
            if not with_body:
                return
            body = data[start:end]
            if archive.break_after:
                self.wfile.write(body[: archive.break_after.pop(0)])
                self.close_connection = True
                return
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep the tests' output clean."""

    return Handler
