"""The whole demo crawl, once: what a run of the main job gets to read."""

import collections
from pathlib import Path
from typing import NamedTuple

import pytest
from fastwarc.warc import ArchiveIterator, WarcRecordType

from pipelines.demo.config import DemoConfig
from pipelines.demo.crawl import build_demo_crawl


class Fetched(NamedTuple):
    url: str
    day: str
    body: bytes


class Demo(NamedTuple):
    paths: list[str]
    pages: list[Fetched]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    paths = build_demo_crawl(str(tmp_path_factory.mktemp("demo") / "crawl"))
    pages = []
    for path in paths:
        with Path(path).open("rb") as stream:
            for record in ArchiveIterator(stream, record_types=WarcRecordType.response, parse_http=True):
                headers = record.headers
                pages.append(
                    Fetched(headers["WARC-Target-URI"], headers["WARC-Date"][:10], record.reader.read())
                )
    return Demo(paths, pages)


def test_size(demo: Demo) -> None:
    assert len(demo.pages) >= 500
    assert 10 << 20 <= sum(len(page.body) for page in demo.pages) <= 20 << 20


def test_two_days_of_like_size_with_pages_in_common(demo: Demo) -> None:
    sizes = collections.Counter({page.day: 0 for page in demo.pages})
    days = collections.defaultdict(set)
    for page in demo.pages:
        sizes[page.day] += len(page.body)
        days[page.url].add(page.day)
    assert sorted(sizes) == [DemoConfig().first_day, DemoConfig().second_day]
    assert max(sizes.values()) < 1.1 * min(sizes.values())
    both = sum(len(found) == 2 for found in days.values())
    assert 0.05 * len(days) < both < 0.15 * len(days)
    assert len({(page.url, page.day) for page in demo.pages}) == len(demo.pages)


def test_a_page_under_two_addresses(demo: Demo) -> None:
    bodies = {page.url: page.body for page in demo.pages}
    prefix = "http://docs.localhost/"
    pairs = [
        (bodies[url], bodies.get(f"{prefix}{url.partition('=')[2]}.html"))
        for url in bodies
        if "get?key" in url
    ]
    assert len(pairs) >= 20
    assert sum(one == other for one, other in pairs) >= 0.9 * len(pairs)


def test_both_sites_and_no_broken_page(demo: Demo) -> None:
    hosts = collections.Counter(page.url.split("/")[2] for page in demo.pages)
    assert min(hosts["docs.localhost"], hosts["packages.localhost"]) >= 100
    assert not any(b"problem in" in page.body for page in demo.pages)
    assert all(len(page.body) <= DemoConfig().max_page_kib << 10 for page in demo.pages)


def test_finished_folder_is_reused(demo: Demo) -> None:
    folder = Path(demo.paths[0]).parent
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert build_demo_crawl(str(folder)) == demo.paths
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before
