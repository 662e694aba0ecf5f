"""The crawler on a small site whose requests are seen."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pipelines.demo.crawler import Page, crawl, fetch_all, links
from pipelines.demo.site import Site

PAGES = {
    "/": '<a href="b.html">b</a> <a href="a.html#x">a</a> <a href="/c?k=1&amp;l=2">c</a>'
    " <A class=x HREF=/a.html>a</A>",
    "/a.html": '<a href="/">home</a> <a href="deep/d.html">d</a>',
    "/b.html": '<a href="http://elsewhere.localhost/x.html">x</a> <a href="file:/etc/passwd">p</a>',
    "/c?k=1&l=2": "<link href='/style.css'> c",
    "/deep/d.html": '<a href="../b.html">b</a> <a href="/private.html">p</a>',
}


class Served:
    """Loopback servers for PAGES that keep the requests they get."""

    def __init__(self) -> None:
        self.requests: list[tuple[int, str, str]] = []


@pytest.fixture
def served() -> Iterator[tuple[Served, list[str]]]:
    state = Served()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.requests.append((self.server.server_port, self.path, self.headers["Host"]))  # type: ignore[attr-defined]
            body = PAGES.get(self.path, "").encode()
            self.send_response(200 if body else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    servers = [ThreadingHTTPServer(("127.0.0.1", 0), Handler) for _ in range(2)]
    for server in servers:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield state, [f"http://127.0.0.1:{server.server_port}" for server in servers]
    for server in servers:
        server.shutdown()
        server.server_close()


def site(addresses: list[str]) -> Site:
    return Site(
        "small.localhost", tuple(addresses), ("/",), lambda path: "private" not in path, lambda path: path
    )


def test_breadth_first_each_page_once(served: tuple[Served, list[str]]) -> None:
    state, addresses = served
    pages = crawl(site(addresses))
    paths = ["/", "/b.html", "/a.html", "/c?k=1&l=2", "/deep/d.html"]
    assert [page.url for page in pages] == [f"http://small.localhost{path}" for path in paths]
    assert sorted(path for _, path, _ in state.requests) == sorted(paths)
    assert {host for _, _, host in state.requests} == {"small.localhost"}


def test_a_page_is_always_fetched_from_the_same_server(served: tuple[Served, list[str]]) -> None:
    state, addresses = served
    for _ in range(2):
        crawl(site(addresses))
    assert len({(path, port) for port, path, _ in state.requests}) == len(PAGES)
    assert len({port for port, _, _ in state.requests}) == 2


def test_missing_page_is_an_answer_too(served: tuple[Served, list[str]]) -> None:
    (page,) = fetch_all(site(served[1]), ["/none.html"])
    assert page.status == "404 Not Found"


def test_proxies_of_the_environment_are_not_asked(
    served: tuple[Served, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert fetch_all(site(served[1]), ["/"])[0].status == "200 OK"


def test_links_stay_on_the_host_without_fragments() -> None:
    page = Page("http://small.localhost/", "200 OK", [], PAGES["/"].encode())
    assert links(page) == ["/b.html", "/a.html", "/c?k=1&l=2"]
    outward = Page("http://small.localhost/b.html", "200 OK", [], PAGES["/b.html"].encode())
    assert links(outward) == []
