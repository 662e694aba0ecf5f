"""The crawl stage from files to rows, counts and dead letters."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import pipelines.crawl.documents as documents
from pipelines.crawl.config import CrawlConfig
from pipelines.crawl.documents import CrawlDocumentsStage
from pipelines.crawl.http import HttpConfig
from pipelines.crawl.inputs import resolve_inputs
from pipelines.crawl.split import plan_shards
from pipelines.engine.runner import Task, run_locally
from pipelines.extract import ExtractConfig, Extraction, extract
from pipelines.ids import document_id, payload_digest
from pipelines.schemas import DOCUMENTS
from tests.pipelines.crawl.servers import Archive, serving
from tests.pipelines.crawl.warcs import (
    OK,
    gzip_members,
    gzip_whole,
    html_page,
    plain,
    record,
    zstd_dictionary,
)

HTTP = HttpConfig(retries=3, first_wait_seconds=0)
PROSE = "The quick brown fox jumps over the lazy dog, and the dog does not mind it at all."


class Result:
    """What a run wrote."""

    def __init__(self, folder: Path, counts: dict[str, int]) -> None:
        self.counts = {name: count for name, count in counts.items() if count}
        self.files = sorted((folder / "documents").glob("*.parquet"))
        self.rows = [row for path in self.files for row in pq.read_table(path).to_pylist()]
        dead = sorted((folder / "dead_letters").glob("*.parquet"))
        self.dead = [row for path in dead for row in pq.read_table(path).to_pylist()]

    def column(self, name: str) -> list[Any]:
        return [row[name] for row in self.rows]


def run(
    patterns: Sequence[str], folder: Path, config: CrawlConfig | None = None, shard_bytes: int = 1 << 26
) -> Result:
    payloads = plan_shards(resolve_inputs(patterns, HTTP), shard_bytes, HTTP)
    tasks = [Task(f"shard-{n:05d}", payload) for n, payload in enumerate(payloads)]
    stage = CrawlDocumentsStage("crawl", config or CrawlConfig(), HTTP)
    return Result(folder / "out", run_locally(stage, tasks, str(folder / "out")))


def run_on(folder: Path, data: bytes, config: CrawlConfig | None = None, name: str = "x.warc.gz") -> Result:
    (folder / name).write_bytes(data)
    return run([str(folder / name)], folder, config)


def test_a_row(tmp_path: Path) -> None:
    body = f"<html><body><p>{PROSE}</p></body></html>".encode()
    page = record(OK.encode() + body, uri="http://a.example/p", date="2024-02-29T12:30:00Z")
    (row,) = run_on(tmp_path, gzip_members([page])).rows
    assert row.pop("fetched_at").isoformat() == "2024-02-29T12:30:00+00:00"
    assert row == {
        "doc_id": document_id("crawl", "2024-02-29", "http://a.example/p", payload_digest(body)),
        "source": "crawl",
        "url": "http://a.example/p",
        "snapshot": "2024-02-29",
        "payload_digest": payload_digest(body),
        "media_type": "text/html",
        "charset": "utf-8",
        "text": PROSE,
        "n_bytes": len(PROSE),
        "n_words": 18,
    }


def test_columns_are_those_of_the_contract(tmp_path: Path) -> None:
    result = run_on(tmp_path, gzip_members([html_page(PROSE)]))
    assert pq.read_schema(result.files[0]).equals(DOCUMENTS.schema)


def test_the_same_whatever_the_container(tmp_path: Path) -> None:
    pages = [html_page(f"{PROSE} {n}", f"http://a.example/{n}") for n in range(12)]
    rows = []
    for make in (plain, gzip_members, gzip_whole, zstd_dictionary):
        (tmp_path / make.__name__).mkdir()
        rows.append(run_on(tmp_path / make.__name__, make(pages)).rows)
    assert len(rows[0]) == 12
    assert all(one == rows[0] for one in rows)


def test_counts_name_everything_that_was_read(tmp_path: Path) -> None:
    data = gzip_members(
        [
            record(b"software: x", "warcinfo"),
            html_page(PROSE),
            html_page(PROSE),
            html_page(""),
            record(b"GET /", "request"),
            record(b"", "revisit"),
            record(b"HTTP/1.1 404 No\r\n\r\n"),
            record(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n\x89PNG"),
            record(f"{OK}<html>{'<div>' * 600}<p>{PROSE}".encode(), uri="http://a.example/deep"),
            record(f"{OK}<html><p {'a ' * 1001}>{PROSE}".encode(), uri="http://a.example/attributes"),
        ]
    )
    gated = CrawlConfig(extract=ExtractConfig(extractor="resiliparse"))
    assert run_on(tmp_path, data, gated).counts == {
        "records": 10,
        "responses": 7,
        "pages": 5,
        "documents": 4,
        "no_text": 1,
        "no_main_content": 1,
        "too_deep": 1,
        "markup_cut": 1,
        "skipped:warcinfo": 1,
        "skipped:request": 1,
        "skipped:revisit": 1,
        "skipped:status": 1,
        "skipped:media_type": 1,
    }


def test_dead_letters_name_file_offset_and_reason(tmp_path: Path) -> None:
    good, bad = gzip_members([html_page(PROSE)]), gzip_members([html_page("x" * 3000)])
    encoded = record(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Type: text/html\r\n\r\n\x81\x82\x83"
    )
    data = good + bad[:-30] + b"\0" * 30 + gzip_members([encoded, html_page(PROSE, "http://a.example/2")])
    result = run_on(tmp_path, data)
    assert result.column("url") == ["http://a.example/", "http://a.example/2"]
    path = tmp_path / "x.warc.gz"
    assert [(row["record"], row["reason"]) for row in result.dead] == [
        (f"{path}@{len(good)}", "corrupt_data"),
        (f"{path}@{len(good) + len(bad)}", "undecodable_body"),
    ]


def test_other_files_of_a_shard_are_read_on(tmp_path: Path) -> None:
    (tmp_path / "1.warc.gz").write_bytes(gzip_members([html_page(PROSE, "http://a.example/1")]))
    (tmp_path / "2.warc.gz").write_bytes(b"<html>no WARC")
    (tmp_path / "3.warc.gz").write_bytes(b"")
    (tmp_path / "4.warc.gz").write_bytes(gzip_members([html_page(PROSE, "http://a.example/4")]))
    result = run([f"{tmp_path}/*.warc.gz"], tmp_path)
    assert result.column("url") == ["http://a.example/1", "http://a.example/4"]
    assert [row["reason"] for row in result.dead] == ["not_warc", "empty_file"]
    assert len(result.files) == 1


def test_a_record_that_takes_too_long_is_a_dead_letter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The extractor is made to hang, in C, on one page; the gate would stop every real way to do it."""

    def hangs(payload: bytes, charset: str | None, config: ExtractConfig) -> Extraction:
        if b"poison" in payload:
            re.match(rb"(a+)+$", b"a" * 60 + b"b")
        return extract(payload, charset, config)

    monkeypatch.setattr(documents, "extract", hangs)
    words = enumerate(["", "poison", "", "poison", ""])
    pages = [html_page(PROSE + word, f"http://a.example/{n}") for n, word in words]
    result = run_on(tmp_path, gzip_members(pages), CrawlConfig(max_cpu_seconds_per_record=0.4))
    assert result.column("url") == [f"http://a.example/{n}" for n in (0, 2, 4)]
    assert [row["reason"] for row in result.dead] == ["killed_by_time_limit"] * 2
    assert "http://a.example/1: more than 0.4 s of CPU time" in result.dead[0]["detail"]


def test_any_number_of_shards_gives_the_same_rows(tmp_path: Path) -> None:
    pages = [html_page(f"{PROSE} {n}", f"http://a.example/{n}") for n in range(60)]
    (tmp_path / "x.warc.gz").write_bytes(gzip_members(pages))
    size = (tmp_path / "x.warc.gz").stat().st_size
    results = []
    for shards in (1, 3, 7):
        (tmp_path / str(shards)).mkdir()
        results.append(run([f"{tmp_path}/x.warc.gz"], tmp_path / str(shards), shard_bytes=size // shards))
    assert [len(result.files) for result in results] == [1, 3, 7]
    assert all(result.rows == results[0].rows for result in results)


def test_large_shards_are_written_in_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "_GROUP_ROWS", 10)
    pages = [html_page(f"{PROSE} {n}", f"http://a.example/{n}") for n in range(25)]
    result = run_on(tmp_path, gzip_members(pages))
    groups = pq.ParquetFile(result.files[0]).metadata
    assert [groups.row_group(n).num_rows for n in range(groups.num_row_groups)] == [10, 10, 5]


def test_snapshot_of_config_address_or_date(tmp_path: Path) -> None:
    folder = tmp_path / "crawl-data" / "CC-MAIN-2024-10"
    folder.mkdir(parents=True)
    data = gzip_members([html_page(PROSE)])
    assert run_on(folder, data).column("snapshot") == ["CC-MAIN-2024-10"]
    assert run_on(folder, data, CrawlConfig(snapshot="mine")).column("snapshot") == ["mine"]
    dateless = gzip_members([record(f"{OK}<p>{PROSE}".encode(), date="yesterday")])
    (row,) = run_on(tmp_path, dateless).rows
    assert (row["snapshot"], row["fetched_at"]) == ("", None)


def test_wet_text_is_taken_as_it_is(tmp_path: Path) -> None:
    text = "Home\n<b>not markup</b>\r\nLast line"
    result = run_on(tmp_path, gzip_members([record(text.encode(), "conversion")]))
    assert result.column("text") == ["Home\n<b>not markup</b>\nLast line"]
    assert result.column("media_type") == ["text/plain"]


def test_over_http_from_a_server_in_trouble(tmp_path: Path) -> None:
    pages = [html_page(f"{PROSE} {n}", f"http://a.example/{n}") for n in range(30)]
    data = gzip_members(pages)
    with serving(Archive({"x.warc.gz": data})) as archive:
        url = archive.url("x.warc.gz")
        payloads = plan_shards(resolve_inputs([url], HTTP), len(data) // 3, HTTP)
        archive.statuses = [503, 429]
        archive.break_after = [len(data) // 2, 100]
        tasks = [Task(f"shard-{n:05d}", payload) for n, payload in enumerate(payloads)]
        stage = CrawlDocumentsStage("crawl", CrawlConfig(), HTTP)
        result = Result(tmp_path / "out", run_locally(stage, tasks, str(tmp_path / "out")))
    assert len(result.files) == 3
    assert result.column("url") == [f"http://a.example/{n}" for n in range(30)]
    assert not result.dead


@pytest.mark.parametrize(
    ("name", "pages", "rows", "dead"),
    [
        ("CC-MAIN-20150226074105-00336-sample-single-gzip-member.warc.gz", 12, 11, []),
        ("edge_clipped.warc.gz", 1, 1, ["cut_short"]),
        ("edge_transfer_brotli.warc.gz", 1, 1, []),
        ("edge_transfer_gzip.warc.gz", 1, 1, []),
        ("edge_transfer_gzip_chunked.warc.gz", 1, 1, []),
        ("edge_truncated.warc.gz", 2, 2, []),
        ("pywb_dupes.warc.gz", 1, 1, []),
        ("pywb_iana_revisit.warc.gz", 16, 16, []),
        ("whirlwind_cc2024.warc.gz", 1, 1, []),
        ("whirlwind_cc2024.warc.wet.gz", 1, 1, []),
        ("whirlwind_cc2024.warc.wat.gz", 0, 0, []),
        ("zh_163news.warc.gz", 49, 49, []),
        ("commoncrawl_2008_multidomain.warc.gz", 84, 76, []),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_real_files(
    real_data: Path, tmp_path: Path, name: str, pages: int, rows: int, dead: list[str]
) -> None:
    result = run([str(real_data / "crawl" / name)], tmp_path)
    assert result.counts.get("pages", 0) == pages
    assert len(result.rows) == rows
    assert [row["reason"] for row in result.dead] == dead
    assert all(row["n_words"] > 0 for row in result.rows)


def test_a_body_that_is_no_longer_chunked_is_read(real_data: Path, tmp_path: Path) -> None:
    """In 36 records of this file the header says chunked and the body is not: both kinds give whole texts."""
    result = run([str(real_data / "crawl" / "commoncrawl_2008_multidomain.warc.gz")], tmp_path)
    assert sum(len(text) > 200 for text in result.column("text")) > 60
    assert not any(
        text.partition("\n")[0].strip() in ("1000", "2000", "4000", "0") for text in result.column("text")
    )
