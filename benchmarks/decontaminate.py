"""Speed of decontamination: MB of text a second and core, for both passes, against plain Python.

    python -m benchmarks.decontaminate [--megabytes 64] [--data ../shared/data]

Benchmarks are the files in DATA/eval/benchmarks; texts those of DATA/curated and DATA/extraction, repeated
up to the size asked for. One core; best of three runs, in MB (10^6 bytes of UTF-8) a CPU second.
The peer looks up the same 13-grams in a Python set, on the first texts alone.
"""

import argparse
import gzip
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipelines.decontaminate import Decontaminator
from pipelines.decontamination.benchmarks import from_path, read_benchmark
from text.buffers import text_buffer
from text.words import segment


def real_texts(data: Path) -> Iterator[str]:
    """Every string of the JSON lines, and every text file, whole."""
    for path in sorted(data.glob("curated/**/*.gz")) + sorted(data.glob("extraction/*.jsonl.gz")):
        raw = gzip.decompress(path.read_bytes()).decode("utf-8", "replace")
        if ".jsonl" in path.name:
            for line in filter(None, raw.split("\n")):
                yield "\n".join(str(value) for value in json.loads(line).values())
        else:
            yield raw


def best_of(runs: int, work: Callable[[], Any]) -> float:
    """CPU seconds of the fastest of `runs` runs, after one that compiles."""
    work()
    seconds = []
    for _ in range(runs):
        started = time.process_time()
        work()
        seconds.append(time.process_time() - started)
    return min(seconds)


def words_of(text: str) -> list[str]:
    """Lower-case words without punctuation, as plain Python splits them."""
    return "".join(c if c.isalnum() else " " for c in text.lower()).split()


def grams_of(text: str) -> list[str]:
    """All 13-grams of a text."""
    words = words_of(text)
    return [" ".join(words[i : i + 13]) for i in range(len(words) - 12)]


def main() -> None:
    """Measure and print one table and one line of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--megabytes", type=int, default=64)
    arguments = parser.parse_args()
    paths = sorted(str(path) for path in (arguments.data / "eval/benchmarks").glob("*.jsonl.gz"))
    once = list(real_texts(arguments.data))
    size = sum(len(text.encode()) for text in once)
    texts = pa.array(once * max(1, arguments.megabytes * 1_000_000 // size), pa.large_string())
    megabytes = len(text_buffer(texts).data) / 1e6
    started = time.process_time()
    decontaminator = Decontaminator.from_files(paths)
    built = time.process_time() - started
    counts = decontaminator.count(texts)
    sample = once[:200]
    sample_megabytes = sum(len(text.encode()) for text in sample) / 1e6
    files = [file for path in paths for file in read_benchmark(from_path(path))]
    grams = {gram for file in files for item in file.texts for part in item for gram in grams_of(part)}
    rates = {
        "segment alone": megabytes / best_of(3, lambda: segment(texts)),
        "count": megabytes / best_of(3, lambda: decontaminator.count(texts)),
        "apply": megabytes / best_of(3, lambda: decontaminator.apply(texts, counts)),
        "plain Python": sample_megabytes
        / best_of(1, lambda: [gram in grams for text in sample for gram in grams_of(text)]),
    }
    print(f"{len(decontaminator.grams.hashes)} grams of {len(paths)} files, built in {built:.1f} s")
    for name, rate in rates.items():
        print(f"{name:15} {rate:8.1f} MB/s")
    figures = {name: round(rate, 2) for name, rate in rates.items()}
    print(json.dumps({"megabytes": round(megabytes, 1), "megabytes_a_second": figures}))


if __name__ == "__main__":
    main()
