"""WARC to documents: speed of each extractor beside its peers, what the time goes into, and how good the text is.

    python -m benchmarks.extract FILE [FILE ...] [--gold FOLDER]

Reads WARC files and prints MB of decoded HTML a second, and the same as JSON:

- each extractor of the project in one process: reading, charset, guard, extraction, digests; for the learned
  one the share of processor time of each step
- stage: the whole crawl stage to Parquet as a worker runs it, extraction in the guarded child; wall-clock
- peers, as far as they are installed, on a part of the same pages: trafilatura and jusText behind warcio

With `--gold`, the mean F1, precision and recall of bags of words on gold sets (`pipelines.html.gold_pages`), of
snippets where the gold is snippets, for every extractor. The learned one's shipped weights were trained on the
project's gold sets: its figures on those very pages flatter it, and the ones to state are those of
`python -m pipelines.html.train_blocks FOLDER --folds 5`, which judges each page by a model of other sites.

Kernels are loaded before the clock starts; each figure is the best of three, the peers run once. Processor
time is counted, so that what else the machine does moves it little; the stage is timed by the clock.
"""

import argparse
import importlib.util
import json
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, get_args

from pipelines.crawl.config import CrawlConfig
from pipelines.crawl.documents import CrawlDocumentsStage
from pipelines.crawl.http import HttpConfig
from pipelines.crawl.inputs import resolve_inputs
from pipelines.crawl.pages import Page, page_of
from pipelines.crawl.split import plan_shards
from pipelines.crawl.warc import Record, read_records
from pipelines.engine.runner import Task, run_locally
from pipelines.extract import ExtractConfig, ExtractorName, extract, extract_text
from pipelines.html import block_model, main_text
from pipelines.html.gold_pages import GoldPage, gold_pages
from pipelines.html.train_blocks import outcome, table

RUNS = 3
PEER_PAGES = 60
LIMIT = 8 * 2**20
# Steps of the learned extractor: what is called, where its caller finds it.
STEPS: dict[str, tuple[Any, str]] = {
    "reading blocks": (main_text, "read_blocks"),
    "names": (block_model, "name_scores"),
    "features": (block_model, "block_features"),
    "context": (block_model, "block_context"),
    "trees": (block_model, "probabilities"),
}
JUSTEXT_LANGUAGES = {"de": "German", "fr": "French", "es": "Spanish", "pl": "Polish", "pt": "Portuguese"}


class Stopwatch:
    """Calls a function and adds up the processor time it takes."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.seconds = 0.0

    def __call__(self, *positional: Any, **named: Any) -> Any:
        start = time.process_time()
        try:
            return self.function(*positional, **named)
        finally:
            self.seconds += time.process_time() - start


@contextmanager
def timed(module: Any, name: str) -> Iterator[Stopwatch]:
    """A stopwatch in the place of a module's function."""
    watch = Stopwatch(getattr(module, name))
    setattr(module, name, watch)
    try:
        yield watch
    finally:
        setattr(module, name, watch.function)


def pages(paths: list[str]) -> Iterator[Page]:
    """The pages of the files as the stage sees them."""
    for path in paths:
        with Path(path).open("rb") as stream:
            for item in read_records(stream, 0, None, LIMIT):
                page = page_of(item, LIMIT, plain_text=False) if isinstance(item, Record) else None
                if isinstance(page, Page):
                    yield page


def one_process(paths: list[str], config: ExtractConfig) -> tuple[float, float]:
    """(MB of HTML, processor seconds) of reading and extracting in this process."""
    start = time.process_time()
    size = sum(len(page.payload) for page in pages(paths) if extract(page.payload, page.charset, config))
    return size / 1e6, time.process_time() - start


def shares(paths: list[str]) -> dict[str, float]:
    """Share of the learned extractor's processor time that each step takes."""
    with ExitStack() as stack:
        watches = {step: stack.enter_context(timed(*place)) for step, place in STEPS.items()}
        _, seconds = one_process(paths, ExtractConfig())
    found = {step: round(watch.seconds / seconds, 3) for step, watch in watches.items()}
    return found | {"WARC, charset, choice and the rest": round(1 - sum(found.values()), 3)}


def stage(paths: list[str]) -> float:
    """Wall-clock seconds of the crawl stage to Parquet."""
    payloads = plan_shards(resolve_inputs(paths), 1 << 30)
    tasks = [Task(f"shard-{n:05d}", payload) for n, payload in enumerate(payloads)]
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        run_locally(CrawlDocumentsStage("crawl", CrawlConfig(), HttpConfig()), tasks, folder)
        return time.perf_counter() - start


def trafilatura_text(html: bytes, _: str) -> str:
    """Main text by trafilatura."""
    from trafilatura import extract as main_content

    return main_content(html) or ""


def justext_text(html: bytes, language: str) -> str:
    """Main text by jusText, with its stop words of the language, English ones for others."""
    import justext

    words = justext.get_stoplist(JUSTEXT_LANGUAGES.get(language, "English"))
    return "\n".join(part.text for part in justext.justext(html, words) if not part.is_boilerplate)


PEERS: dict[str, Callable[[bytes, str], str]] = {"trafilatura": trafilatura_text, "justext": justext_text}


def peer(paths: list[str], function: Callable[[bytes, str], str]) -> float:
    """MB/s of warcio and a peer's extraction, in processor time."""
    from warcio.archiveiterator import ArchiveIterator

    start, size, left = time.process_time(), 0, PEER_PAGES
    with Path(paths[0]).open("rb") as stream:
        for record in ArchiveIterator(stream):
            if record.rec_type == "response" and left:
                payload = record.content_stream().read()
                function(payload, "en")
                size, left = size + len(payload), left - 1
    return size / 1e6 / (time.process_time() - start)


def installed() -> list[str]:
    """The peers that can be imported."""
    return [name for name in PEERS if importlib.util.find_spec(name)]


def speed(paths: list[str]) -> dict[str, Any]:
    """Every figure about speed."""
    results: dict[str, Any] = {}
    for name in ("learned", "resiliparse", "plain"):
        config = ExtractConfig(extractor=name)
        extract(b"<p>warm", None, config)
        size, seconds = min((one_process(paths, config) for _ in range(RUNS)), key=lambda found: found[1])
        results |= {"html_mb": round(size, 1), f"{name}_mb_s": round(size / seconds, 1)}
    results["learned_shares"] = shares(paths)
    results["stage_mb_s"] = round(results["html_mb"] / min(stage(paths) for _ in range(RUNS)), 1)
    for name in installed():
        mb_s = peer(paths, PEERS[name])
        results |= {
            f"{name}_mb_s": round(mb_s, 2),
            f"learned_to_{name}": round(results["learned_mb_s"] / mb_s, 1),
        }
    return results


def quality(gold: Iterable[GoldPage]) -> dict[str, dict[str, list[float]]]:
    """{extractor: {set or page type: [pages, F1, precision, recall]}}."""
    found = list(gold)
    ours = [name for name in get_args(ExtractorName) if name != "trafilatura"]
    results = {}
    for name in ours + installed():
        texts = (
            PEERS[name](page.html, page.language) if name in PEERS else extract_text(page.html, "utf-8", name)
            for page in found
        )
        rows = table(outcome(page, text) for page, text in zip(found, texts, strict=True))
        results[name] = {row[0]: [round(figure, 3) for figure in row[1:]] for row in rows}
    return results


def main() -> None:
    """Print the tables and the JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.extract")
    parser.add_argument("files", nargs="*")
    parser.add_argument("--gold", type=Path)
    given = parser.parse_args()
    if not given.files and not given.gold:
        parser.error("name at least one WARC file, or a folder of gold sets with --gold")
    results: dict[str, Any] = speed(given.files) if given.files else {}
    for name, value in results.items():
        print(f"{name:28s} {value}")
    if given.gold:
        results["gold"] = quality(gold_pages(given.gold))
        for extractor, rows in results["gold"].items():
            for group, figures in rows.items():
                print(f"{extractor:12s} {group:28s} " + " ".join(f"{figure:7.3f}" for figure in figures))
    print(json.dumps(results))


if __name__ == "__main__":
    main()
