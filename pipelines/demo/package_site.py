"""A small static site of the environment's packages: one page a package, one a licence or notice file.

Hundreds of packages carry the same few licences, each with its own name in it, as pages of the web do.
"""

import html
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import Distribution
from pathlib import Path
from urllib.parse import quote

from pipelines.demo.environment import distributions, metadata_field
from pipelines.demo.site import Site

PACKAGES_HOST = "packages.localhost"
_FIELDS = ("Name", "Version", "Summary", "Author", "License")
_NAMES = ("LICENSE", "LICENCE", "COPYING", "NOTICE", "AUTHORS", "README")
_SUFFIXES = ("", ".txt", ".md", ".rst", ".apache", ".bsd", ".apache2", ".mit")
_FOOTER = (
    "<footer><p>Pages are made from the metadata that each package brings with it. "
    "Texts belong to the authors of the packages.</p></footer>"
)
_MIN_CHARS = 200
_MAX_CHARS = 48 << 10
_MAX_FILES = 8  # of one package: a few carry the licences of sixty others


@contextmanager
def package_site() -> Iterator[Site]:
    """The site on a free port of loopback."""
    pages = site_pages()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = pages.get(self.path)
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, format: str, *args: object) -> None:
            """Requests are not logged."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, name="package-site", daemon=True)
        thread.start()
        try:
            address = f"http://127.0.0.1:{server.server_port}"
            yield Site(PACKAGES_HOST, (address,), ("/",), pages.__contains__, lambda path: path)
        finally:
            server.shutdown()


def site_pages() -> dict[str, bytes]:
    """All pages by path: the list of packages, a page for each, a page for each of its notices."""
    packages = [(name, dist, _notices(dist)) for name, dist in distributions().items()]
    packages = [entry for entry in packages if entry[2]]
    names = [name for name, _, _ in packages]
    pages = {"/": _page("All packages", names, "", _list([(f"/{quote(n)}/", n) for n in names]))}
    for name, dist, notices in packages:
        folder = f"/{quote(name)}/"
        rows = [(key, metadata_field(dist, key)) for key in _FIELDS]
        table = "".join(
            f"<tr><th>{key}</th><td>{_text(value[:200])}</td></tr>" for key, value in rows if value
        )
        files = _list([(f"{folder}{quote(path)}.html", path) for path in notices])
        pages[folder] = _page(name, names, name, f"<table>{table}</table><h2>Legal files</h2>{files}")
        for path, text in notices.items():
            pages[f"{folder}{quote(path)}.html"] = _page(f"{name}: {path}", names, name, _paragraphs(text))
    return pages


def _notices(dist: Distribution) -> dict[str, str]:
    """Text of a package's legal and read-me files by their last two path parts."""
    found: dict[str, str] = {}
    for file in sorted(dist.files or [], key=str):
        stem, suffix = Path(file.name).stem, Path(file.name).suffix
        if not stem.upper().startswith(_NAMES) or suffix.lower() not in _SUFFIXES:
            continue
        try:
            text = Path(str(file.locate())).read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            continue  # not installed with the package, or no text: the site does without the page
        if _MIN_CHARS <= len(text) <= _MAX_CHARS:
            found["/".join(file.parts[-2:])] = text
        if len(found) == _MAX_FILES:
            break
    return found


def _page(title: str, names: list[str], current: str, body: str) -> bytes:
    """A page with the site's menu, its neighbours and footer around `body`."""
    place = names.index(current) if current else 0
    near = names[max(0, place - 5) : place + 6]
    menu = _list([("/", "All packages"), *((f"/{quote(name)}/", name) for name in near)])
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{_text(title)} | Installed packages</title></head>\n"
        f'<body><header><a href="/">Installed packages</a></header><nav>{menu}</nav>\n'
        f"<main><h1>{_text(title)}</h1>\n{body}</main>\n{_FOOTER}</body></html>\n"
    ).encode()


def _list(entries: list[tuple[str, str]]) -> str:
    items = "".join(f'<li><a href="{address}">{_text(name)}</a></li>' for address, name in entries)
    return f"<ul>{items}</ul>"


def _paragraphs(text: str) -> str:
    blocks = text.replace("\r\n", "\n").split("\n\n")
    return "\n".join(f"<p>{_text(block.strip())}</p>" for block in blocks if block.strip())


def _text(value: str) -> str:
    return html.escape(value, quote=False)
