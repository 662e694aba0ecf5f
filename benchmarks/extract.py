"""WARC to documents: speed, the share that is resiliparse's own extraction, warcio + trafilatura beside it.

    python -m benchmarks.extract FILE [FILE ...]

Reads WARC files and prints MB of decoded HTML a second, and the same as JSON:

- one process: reading, charset, gate, extraction, digests; the share of processor time inside resiliparse
- stage: the whole crawl stage to Parquet as a worker runs it, extraction in the guarded child; wall-clock
- peer: warcio's reader and trafilatura on a part of the same pages, if both are installed

Kernels are loaded before the clock starts; each figure is the best of three, the peer runs once. The share
counts processor time, so that what else the machine does moves it little; the stage is timed by the clock.
"""

import importlib.util
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pipelines.extract as extraction
from pipelines.crawl.config import CrawlConfig
from pipelines.crawl.documents import CrawlDocumentsStage
from pipelines.crawl.http import HttpConfig
from pipelines.crawl.inputs import resolve_inputs
from pipelines.crawl.pages import Page, page_of
from pipelines.crawl.split import plan_shards
from pipelines.crawl.warc import Record, read_records
from pipelines.engine.runner import Task, run_locally

RUNS = 3
PEER_PAGES = 60
LIMIT = 8 * 2**20


class Stopwatch:
    """Calls a function and adds up the processor time it takes."""

    def __init__(self, function: Callable[..., str]) -> None:
        self.function = function
        self.seconds = 0.0

    def __call__(self, *positional: Any, **named: Any) -> str:
        start = time.process_time()
        try:
            return self.function(*positional, **named)
        finally:
            self.seconds += time.process_time() - start


def pages(paths: list[str]) -> Iterator[Page]:
    """The pages of the files as the stage sees them."""
    for path in paths:
        with Path(path).open("rb") as stream:
            for item in read_records(stream, 0, None, LIMIT):
                page = page_of(item, LIMIT, plain_text=False) if isinstance(item, Record) else None
                if isinstance(page, Page):
                    yield page


def one_process(paths: list[str]) -> dict[str, float]:
    """Processor time of reading and extracting in this process, and the part of it inside resiliparse."""
    inside = Stopwatch(extraction._resiliparse)
    extraction._resiliparse = inside
    try:
        start = time.process_time()
        size = sum(
            len(page.payload) for page in pages(paths) if extraction.extract(page.payload, page.charset)
        )
        seconds = time.process_time() - start
    finally:
        extraction._resiliparse = inside.function
    return {"mb_s": size / 1e6 / seconds, "share_inside": inside.seconds / seconds, "mb": size / 1e6}


def stage(paths: list[str]) -> float:
    """Wall-clock seconds of the crawl stage to Parquet."""
    payloads = plan_shards(resolve_inputs(paths), 1 << 30)
    tasks = [Task(f"shard-{n:05d}", payload) for n, payload in enumerate(payloads)]
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        run_locally(CrawlDocumentsStage("crawl", CrawlConfig(), HttpConfig()), tasks, folder)
        return time.perf_counter() - start


def peer(paths: list[str]) -> float | None:
    """MB/s of warcio and trafilatura; None where they are not installed."""
    if not all(map(importlib.util.find_spec, ("warcio", "trafilatura"))):
        return None
    from trafilatura import extract
    from warcio.archiveiterator import ArchiveIterator

    start, size, left = time.process_time(), 0, PEER_PAGES
    with Path(paths[0]).open("rb") as stream:
        for record in ArchiveIterator(stream):
            if record.rec_type == "response" and left:
                payload = record.content_stream().read()
                extract(payload)
                size, left = size + len(payload), left - 1
    return size / 1e6 / (time.process_time() - start)


def main() -> None:
    """Print the table and the JSON."""
    paths = sys.argv[1:]
    if not paths:
        sys.exit("name at least one WARC file: python -m benchmarks.extract FILE [FILE ...]")
    extraction.extract_text(b"<p>warm")
    stage(paths[:1])
    alone = max((one_process(paths) for _ in range(RUNS)), key=lambda found: found["mb_s"])
    seconds = min(stage(paths) for _ in range(RUNS))
    results = {
        "html_mb": round(alone["mb"], 1),
        "one_process_mb_s": round(alone["mb_s"], 1),
        "share_inside_resiliparse": round(alone["share_inside"], 3),
        "stage_mb_s": round(alone["mb"] / seconds, 1),
    }
    trafilatura = peer(paths)
    if trafilatura is not None:
        results |= {"peer_mb_s": round(trafilatura, 1), "ratio": round(alone["mb_s"] / trafilatura, 1)}
    for name, value in results.items():
        print(f"{name:28s} {value}")
    print(json.dumps(results))


if __name__ == "__main__":
    main()
