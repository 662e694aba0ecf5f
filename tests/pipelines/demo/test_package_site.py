"""The site of the environment's packages."""

import collections
import html
import re

import pytest

from pipelines.demo.crawler import crawl
from pipelines.demo.environment import distributions
from pipelines.demo.package_site import package_site, site_pages


def words(page: bytes) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.decode())).split())


@pytest.fixture(scope="module")
def pages() -> dict[str, bytes]:
    return site_pages()


def test_every_page_is_reached_by_links(pages: dict[str, bytes]) -> None:
    with package_site() as site:
        found = crawl(site)
    assert {page.url.removeprefix("http://packages.localhost"): page.body for page in found} == pages
    assert all(page.status == "200 OK" for page in found)


def test_licence_text_stands_on_its_package_page(pages: dict[str, bytes]) -> None:
    dist = distributions()["numpy"]
    file = next(f for f in dist.files or [] if f.name == "LICENSE.txt" and "dist-info" in str(f))
    path = f"/numpy/{'/'.join(file.parts[-2:])}.html"
    assert " ".join(file.read_text().split()) in words(pages[path])


def test_many_packages_share_a_licence(pages: dict[str, bytes]) -> None:
    grant = "Permission is hereby granted, free of charge, to any person obtaining a copy"
    owners = collections.Counter(path.split("/")[1] for path, page in pages.items() if grant in words(page))
    assert len(owners) >= 5


def test_markup_in_texts_is_escaped(pages: dict[str, bytes]) -> None:
    tags = set(re.findall(rb"<(\w+)", b"".join(pages.values())))
    layout = "html head meta title body header a nav ul li main h1 h2 p table tr th td footer"
    assert tags == {tag.encode() for tag in layout.split()}
