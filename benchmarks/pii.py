"""Speed of the search for personal data, beside Python's `re`, and its time on hostile text.

    python -m benchmarks.pii FILE [FILE ...]

Each FILE is Parquet with a column text. `re` looks for e-mail and IPv4 addresses alone, by the plainest patterns that
find them; ours looks for all kinds and checks what it finds. Printed is JSON; speed is 10^6 bytes of UTF-8 a second
of processor time.
"""

import argparse
import json
import re
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from quality.pii import apply, find
from text.buffers import text_buffer

EMAIL = re.compile(r"[\w.+-]+@(?:[\w-]+\.)+[A-Za-z]{2,}")
IPV4 = re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b")
HOSTILE = {
    "1": "1",
    "@": "@",
    "a.a.a.a@": "a.a.a.a@",
    "1 1-1.": "1 1-1.",
    "+1 ": "+1 ",
    "1.1.1.": "1.1.1.",
    "(1": "(1",
}
HOSTILE_BYTES = 10_000_000
PEER_TEXTS = 400


def seconds(run: Callable[[], object], repeats: int = 3) -> float:
    """Best processor time of some runs."""
    best = float("inf")
    for _ in range(repeats):
        begin = time.process_time()
        run()
        best = min(best, time.process_time() - begin)
    return best


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", help="Parquet files with a column text")
    files = parser.parse_args().files
    texts = pa.concat_tables([pq.read_table(file, columns=["text"]) for file in files])["text"]
    size = len(text_buffer(texts).data) / 1e6
    sample = texts.slice(0, PEER_TEXTS).to_pylist()
    sample_size = sum(len(text.encode()) for text in sample) / 1e6
    find(["1 @"])
    theirs = seconds(lambda: [(EMAIL.findall(text), IPV4.findall(text)) for text in sample], 1)
    figures: dict[str, Any] = {
        "text": {"documents": len(texts), "MB": round(size, 1)},
        "found": Counter(find(texts)["kind"].to_pylist()),
        "find MB/s": round(size / seconds(lambda: find(texts)), 1),
        "replace MB/s": round(size / seconds(lambda: apply(texts, "replace")), 1),
        "re, addresses only, MB/s": round(sample_size / theirs, 2),
        "hostile 10 MB, s": {},
    }
    for name, piece in HOSTILE.items():
        text = [piece * (HOSTILE_BYTES // len(piece))]
        figures["hostile 10 MB, s"][name] = round(seconds(lambda text=text: find(text), 1), 2)  # type: ignore[misc]
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
