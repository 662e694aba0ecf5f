"""The demo's crawl: two sites on loopback, fetched on two days, written as two WARC files."""

import logging
import time
from collections.abc import Sequence

import pyarrow as pa

from pipelines.demo.config import DemoConfig
from pipelines.demo.crawler import Page, crawl, fetch_all
from pipelines.demo.environment import is_made, mark_made
from pipelines.demo.package_site import package_site
from pipelines.demo.pydoc_server import LISTINGS, module_of
from pipelines.demo.site import DOCS_HOST, Site, docs_site
from pipelines.demo.warc_output import write_warc
from pipelines.engine import storage
from text.hashing import uniform

log = logging.getLogger(__name__)

_BROKEN = b"problem in"  # what pydoc says where a module could not be imported


def build_demo_crawl(folder: str, config: DemoConfig | None = None) -> list[str]:
    """Crawl the environment's documentation into `folder` and return its two WARC files.

    A folder that this environment and config have finished is returned as it is. Near-duplicates come by
    themselves: a module under two addresses, pages fetched on both days, licences that many packages share.
    """
    config = config or DemoConfig()
    marker = storage.join(folder, "_crawl.json")
    paths = [storage.join(folder, f"crawl-{day}.warc.gz") for day in (config.first_day, config.second_day)]
    if is_made(marker, config):
        return paths
    started = time.monotonic()
    with docs_site(config.servers) as docs, package_site() as packages:
        pages = [*crawl(docs), *crawl(packages)]
        pages += fetch_all(docs, _form_paths(pages, config))
        pages = [page for page in pages if _is_kept(page, config)]
        first, second = _two_days(pages, [docs, packages], config)
    for path, day_pages, day in zip(
        paths, (first, second), (config.first_day, config.second_day), strict=True
    ):
        write_warc(path, day_pages, day)
    facts = {
        "pages": len(first) + len(second),
        "different_pages": len(pages),
        "html_bytes": sum(len(page.body) for page in first + second),
        "seconds": round(time.monotonic() - started, 1),
    }
    mark_made(marker, paths, facts, config)
    log.info("demo crawl: %s", facts)
    return paths


def _is_kept(page: Page, config: DemoConfig) -> bool:
    return (
        page.status.startswith("200")
        and len(page.body) <= config.max_page_kib << 10
        and _BROKEN not in page.body
    )


def _form_paths(pages: Sequence[Page], config: DemoConfig) -> list[str]:
    """What a visitor who types module names into the search form would fetch."""
    shown = (
        module_of(page.url.removeprefix(f"http://{DOCS_HOST}")) for page in pages if DOCS_HOST in page.url
    )
    modules = [module for module in shown if module and module not in LISTINGS]
    draws = uniform(pa.array(modules, pa.string()), config.seed, "demo form")
    return [f"/get?key={m}" for m, draw in zip(modules, draws, strict=True) if draw < config.form_share]


def _two_days(pages: list[Page], sites: list[Site], config: DemoConfig) -> tuple[list[Page], list[Page]]:
    """Share the pages out by draws from their URLs: two crawls of like size that have some pages in common.

    With a share r of day one's A bytes fetched again, equal size needs A = all - A + rA: A = all / (2 - r).
    """
    urls = pa.array([page.url for page in pages], pa.string())
    order = uniform(urls, config.seed, "demo first day").argsort(kind="stable")
    again = uniform(urls, config.seed, "demo revisit") < config.revisit_share
    limit = sum(len(page.body) for page in pages) / (2 - config.revisit_share)
    on_first_day: set[int] = set()
    size = 0
    for number in order.tolist():
        if size >= limit:
            break
        on_first_day.add(number)
        size += len(pages[number].body)
    first = [page for number, page in enumerate(pages) if number in on_first_day]
    new = [page for number, page in enumerate(pages) if number not in on_first_day]
    revisited = [pages[number] for number in sorted(on_first_day) if again[number]]
    return first, _fetched_again(revisited, sites) + new


def _fetched_again(pages: list[Page], sites: list[Site]) -> list[Page]:
    fetched: list[Page] = []
    for site in sites:
        prefix = f"http://{site.host}"
        paths = [page.url.removeprefix(prefix) for page in pages if page.url.startswith(f"{prefix}/")]
        fetched += fetch_all(site, paths)
    return fetched
