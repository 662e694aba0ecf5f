"""A small breadth-first crawler: real HTTP requests, one lane a server, the same order on every run."""

import re
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from typing import NamedTuple
from urllib.parse import urldefrag, urljoin, urlsplit

import requests

from pipelines.demo.site import Site

_LINK = re.compile(r"""<a\s[^>]{0,500}?href=["']?([^"'\s>]+)""", re.IGNORECASE)
_TIMEOUT_S = 120


class Page(NamedTuple):
    """One answer: its public URL, the status line's text, headers as received, body."""

    url: str
    status: str
    headers: list[tuple[str, str]]
    body: bytes


def crawl(site: Site) -> list[Page]:
    """All pages of a site that its `follow` allows, breadth first from its `start`."""
    seen = dict.fromkeys(site.start)
    level = list(seen)
    pages: list[Page] = []
    while level:
        fetched = fetch_all(site, level)
        pages += fetched
        level = [path for page in fetched for path in links(page) if site.follow(path)]
        level = [path for path in dict.fromkeys(level) if path not in seen]
        seen.update(dict.fromkeys(level))
    return pages


def fetch_all(site: Site, paths: Sequence[str]) -> list[Page]:
    """The pages of `paths` in their order; each server gets its share one after the other."""
    lanes: list[list[int]] = [[] for _ in site.addresses]
    for number, path in enumerate(paths):
        lanes[zlib.crc32(site.lane(path).encode()) % len(lanes)].append(number)
    pages: dict[int, Page] = {}

    def work(lane: int) -> None:
        with requests.Session() as session:
            session.trust_env = False  # a proxy knows nothing of this loopback
            for number in lanes[lane]:
                pages[number] = _fetch(session, site, site.addresses[lane], paths[number])

    with ThreadPoolExecutor(len(lanes)) as pool:
        list(pool.map(work, range(len(lanes))))
    return [pages[number] for number in range(len(paths))]


def links(page: Page) -> list[str]:
    """Paths on the same host that the page links to, in order, each once."""
    found: dict[str, None] = {}
    host = urlsplit(page.url).netloc
    for match in _LINK.finditer(page.body.decode("utf-8", "replace")):
        target = urlsplit(urljoin(page.url, urldefrag(unescape(match.group(1))).url))
        if target.scheme == "http" and target.netloc == host:
            found[target.path + (f"?{target.query}" if target.query else "")] = None
    return list(found)


def _fetch(session: requests.Session, site: Site, address: str, path: str) -> Page:
    response = session.get(address + path, headers={"Host": site.host}, timeout=_TIMEOUT_S)
    headers = [(name, value) for name, value in response.headers.items()]
    return Page(
        f"http://{site.host}{path}", f"{response.status_code} {response.reason}", headers, response.content
    )
