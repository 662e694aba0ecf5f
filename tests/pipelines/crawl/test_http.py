"""Reading over HTTP from a server that refuses, breaks off and forgets."""

import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from pipelines.crawl.http import HttpClient, HttpConfig, HttpFile, HttpInputError
from pipelines.crawl.streams import open_stream
from tests.pipelines.crawl.servers import Archive, serving

DATA = bytes(range(256)) * 2000
CONFIG = HttpConfig(retries=4, first_wait_seconds=0, longest_wait_seconds=1, timeout_seconds=5)


@pytest.fixture
def archive() -> Iterator[Archive]:
    with serving(Archive({"data": DATA})) as served:
        yield served


def read_all(archive: Archive, config: HttpConfig = CONFIG) -> bytes:
    with io.BufferedReader(HttpFile(archive.url("data"), HttpClient(config))) as stream:
        return stream.read()


def test_whole_file(archive: Archive) -> None:
    assert read_all(archive) == DATA
    assert len(archive.requests) == 1


@pytest.mark.parametrize("status", [403, 408, 429, 500, 502, 503, 504])
def test_refusals_are_waited_out(archive: Archive, status: int) -> None:
    archive.statuses = [status] * 4
    assert read_all(archive) == DATA
    assert len(archive.requests) == 5


def test_patience_ends(archive: Archive) -> None:
    archive.statuses = [503] * 5
    with pytest.raises(HttpInputError, match=r"data: HTTP 503 after 5 attempts"):
        read_all(archive)


@pytest.mark.parametrize("status", [401, 404, 410])
def test_what_will_not_change_is_not_retried(archive: Archive, status: int) -> None:
    archive.statuses = [status] * 9
    with pytest.raises(HttpInputError, match=f"HTTP {status}; check the address"):
        read_all(archive)
    assert len(archive.requests) == 1


def test_a_server_that_is_not_there() -> None:
    with pytest.raises(HttpInputError, match="after 5 attempts"):
        HttpClient(CONFIG).read("http://127.0.0.1:9/data")


def test_a_broken_download_goes_on_where_it_stopped(archive: Archive) -> None:
    archive.break_after = [1000, 0, 100_000, 7]
    assert read_all(archive) == DATA
    assert [asked for _, _, asked in archive.requests] == [
        None,
        "bytes=1000-",
        "bytes=1000-",
        "bytes=101000-",
        "bytes=101007-",
    ]


def test_a_server_without_ranges_is_read_over_again(archive: Archive) -> None:
    archive.knows_ranges = False
    archive.break_after = [70_000]
    assert read_all(archive) == DATA


def test_a_download_that_never_moves_on_fails(archive: Archive) -> None:
    archive.break_after = [1000] + [0] * 20
    with pytest.raises(HttpInputError, match="broke off at byte 1000 in 5 attempts"):
        read_all(archive)


def test_a_file_that_changes_meanwhile_is_refused(archive: Archive) -> None:
    archive.etags = ['"one"', '"two"']
    archive.break_after = [1000]
    with pytest.raises(HttpInputError, match="changed on the server"):
        read_all(archive)


def test_seek_and_tell(archive: Archive) -> None:
    stream = open_stream(archive.url("data"), CONFIG)
    assert stream.seek(300_000) == 300_000
    assert stream.read(10) == DATA[300_000:300_010]
    stream.seek(5)
    assert stream.read(3) == DATA[5:8]
    assert stream.tell() == 8
    stream.seek(len(DATA))
    assert stream.read(10) == b""
    stream.close()


def test_size(archive: Archive) -> None:
    assert HttpClient(CONFIG).size(archive.url("data")) == len(DATA)


@pytest.mark.parametrize("status", [403, 405, 501])
@pytest.mark.parametrize("knows_ranges", [True, False])
def test_size_where_head_is_refused(archive: Archive, status: int, knows_ranges: bool) -> None:
    archive.statuses, archive.knows_ranges = [status], knows_ranges
    assert HttpClient(CONFIG).size(archive.url("data")) == len(DATA)
    assert archive.requests == [("HEAD", "/data", None), ("GET", "/data", "bytes=0-0")]


@pytest.mark.parametrize("statuses", [[403] * 9, [405, 405], [501, 405]])
def test_size_is_unknown_where_all_is_refused(archive: Archive, statuses: list[int]) -> None:
    archive.statuses = statuses
    assert HttpClient(CONFIG).size(archive.url("data")) is None


@pytest.mark.parametrize("statuses", [[404], [405, 404], [405] + [503] * 5])
def test_size_of_what_cannot_be_read_is_an_error(archive: Archive, statuses: list[int]) -> None:
    archive.statuses = statuses
    with pytest.raises(HttpInputError, match=f"HTTP {statuses[-1]}"):
        HttpClient(CONFIG).size(archive.url("data"))


def waits(archive: Archive, config: HttpConfig, retry_after: str | None) -> list[float]:
    told: list[float] = []
    archive.statuses, archive.retry_after = [429, 503, 503], retry_after
    HttpClient(config, sleep=told.append).read(archive.url("data"))
    return told


def test_pauses_double_up_to_a_limit(archive: Archive) -> None:
    first, second, third = waits(archive, HttpConfig(first_wait_seconds=10, longest_wait_seconds=35), None)
    assert 7.5 <= first <= 12.5
    assert 15 <= second <= 25
    assert 30 <= third <= 35


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("7", 7), (format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True), 35), ("soon", None)],
    ids=["seconds", "a date", "nonsense"],
)
def test_the_server_may_say_how_long(archive: Archive, written: str, seconds: float | None) -> None:
    told = waits(archive, HttpConfig(first_wait_seconds=1, longest_wait_seconds=35), written)
    assert told == [seconds] * 3 if seconds else max(told) < 10
