"""Common Crawl mode against a small archive on loopback that answers as the real one does when it is busy."""

import gzip
from collections.abc import Iterator

import pytest
from pydantic import ValidationError

from pipelines.crawl.commoncrawl import CommonCrawlConfig, snapshot_files, snapshot_of
from pipelines.crawl.http import HttpConfig
from pipelines.crawl.inputs import InputError
from tests.pipelines.crawl.servers import Archive, serving

HTTP = HttpConfig(retries=3, first_wait_seconds=0)
SNAPSHOT = "CC-MAIN-2024-10"


def listing(kind: str) -> bytes:
    lines = [f"crawl-data/{SNAPSHOT}/segments/1/{kind}/{n:05d}.{kind}.gz" for n in range(5)]
    return gzip.compress(("\n".join(lines) + "\n").encode())


@pytest.fixture
def archive() -> Iterator[Archive]:
    files = {f"crawl-data/{SNAPSHOT}/{kind}.paths.gz": listing(kind) for kind in ("warc", "wet")}
    with serving(Archive(files)) as served:
        yield served


@pytest.mark.parametrize("kind", ["warc", "wet"])
def test_a_range_of_files(archive: Archive, kind: str) -> None:
    config = CommonCrawlConfig(snapshot=SNAPSHOT, kind=kind, first=1, count=2, base=archive.base + "/")
    assert snapshot_files(config, HTTP) == [
        f"{archive.base}/crawl-data/{SNAPSHOT}/segments/1/{kind}/{n:05d}.{kind}.gz" for n in (1, 2)
    ]


def test_a_busy_archive_is_waited_for(archive: Archive) -> None:
    archive.statuses = [503, 403, 429]
    assert len(snapshot_files(CommonCrawlConfig(snapshot=SNAPSHOT, base=archive.base), HTTP)) == 1
    assert len(archive.requests) == 4


@pytest.mark.parametrize(("first", "count"), [(5, 1), (4, 2), (0, 6)])
def test_a_range_that_is_not_there(archive: Archive, first: int, count: int) -> None:
    config = CommonCrawlConfig(snapshot=SNAPSHOT, first=first, count=count, base=archive.base)
    with pytest.raises(InputError, match=r"lists 5; lower 'first' or 'count'"):
        snapshot_files(config, HTTP)


def test_a_snapshot_that_is_not_there(archive: Archive) -> None:
    with pytest.raises(InputError, match=r"snapshot CC-MAIN-2013-20: its listing cannot be read.*HTTP 404"):
        snapshot_files(CommonCrawlConfig(snapshot="CC-MAIN-2013-20", base=archive.base), HTTP)


@pytest.mark.parametrize(
    "name", ["CC-MAIN-2024", "CC-MAIN-2024-54", "CC-MAIN-2024-00", "cc-main-2024-10", "../x", ""]
)
def test_names_of_snapshots_are_checked(name: str) -> None:
    with pytest.raises(ValidationError, match="expected CC-MAIN-YYYY-WW"):
        CommonCrawlConfig(snapshot=name)


@pytest.mark.parametrize(
    ("url", "snapshot"),
    [
        (
            "https://data.commoncrawl.org/crawl-data/CC-MAIN-2024-10/segments/1/warc/x.warc.gz",
            "CC-MAIN-2024-10",
        ),
        ("s3://commoncrawl/crawl-data/CC-MAIN-2008-05/x.warc.gz", "CC-MAIN-2008-05"),
        ("/data/CC-MAIN-20150226074105-00336.warc.gz", None),
    ],
)
def test_the_snapshot_in_an_address(url: str, snapshot: str | None) -> None:
    assert snapshot_of(url) == snapshot
