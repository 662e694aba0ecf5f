"""Speed of text/: words with hashes, counts, n-grams and row hashes, beside Python's `re` with xxhash.

    python -m benchmarks.words [--megabytes 50]

The text is the standard library's own documentation (the language reference in pydoc_data and docstrings of
modules), repeated to size and cut into documents of 5,000 characters; one core. A figure is the best of five
runs over the whole text (for the peer: one run over a fiftieth), in 10^6 bytes of UTF-8 a second, as JSON.
"""

import argparse
import importlib
import inspect
import json
import platform
import pydoc_data.topics
import re
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import pyarrow as pa
import xxhash

from text.buffers import text_buffer
from text.hashing import hash64
from text.ngrams import ngrams
from text.words import count_words, segment

MODULES = (
    "argparse",
    "asyncio",
    "collections",
    "csv",
    "datetime",
    "decimal",
    "doctest",
    "email",
    "logging",
    "re",
)
DOCUMENT_CHARACTERS = 5_000
# The first article of the Universal Declaration of Human Rights, for the paths that English does not take.
ARTICLES = {
    "French": "Tous les êtres humains naissent libres et égaux en dignité et en droits. ",
    "Russian": "Все люди рождаются свободными и равными в своем достоинстве и правах. ",
    "Chinese": "人人生而自由,在尊严和权利上一律平等。他们赋有理性和良心。",
}


def english(megabytes: int) -> pa.Array:
    """Standard library documentation, repeated, as an array of documents."""
    docs = [inspect.getdoc(importlib.import_module(name)) or "" for name in MODULES]
    return documents("\n".join([*pydoc_data.topics.topics.values(), *docs]), megabytes)


def documents(text: str, megabytes: int) -> pa.Array:
    """`text` repeated to about `megabytes` million bytes and cut into documents."""
    whole = text * (1 + megabytes * 1_000_000 // len(text.encode()))
    cuts = range(0, len(whole), DOCUMENT_CHARACTERS)
    return pa.array([whole[at : at + DOCUMENT_CHARACTERS] for at in cuts], pa.large_string())


def megabytes_of(texts: pa.Array) -> float:
    """Size of the texts themselves, in 10^6 bytes of UTF-8."""
    return len(text_buffer(texts).data) / 1e6


def rate(run: Callable[[], object], size: float, repeats: int = 5) -> float:
    """Best of `repeats` timings as `size` a second; the first, which may compile, is not the best."""
    best = float("inf")
    for _ in range(repeats):
        begin = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - begin)
    return round(size / best, 1)


def peer(texts: list[str]) -> list[np.ndarray]:
    """The usual Python way: `re` finds the words of the lower-cased text, xxhash hashes each."""
    find, digest = re.compile(r"\w+").findall, xxhash.xxh3_64_intdigest
    return [np.array([digest(word.encode()) for word in find(text.lower())], np.uint64) for text in texts]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--megabytes", type=int, default=50, help="size of the English text, in MB (10^6 bytes)"
    )
    size = parser.parse_args().megabytes
    texts = english(size)
    total = megabytes_of(texts)
    words = segment(texts)
    grams = len(ngrams(words, 5).hashes) / 1e6
    sample = texts[: max(1, len(texts) // 50)].to_pylist()
    ours = rate(lambda: segment(texts), total)
    theirs = rate(lambda: peer(sample), sum(len(text.encode()) for text in sample) / 1e6, repeats=1)
    figures: dict[str, object] = {
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "text": {"MB": round(total, 1), "words": len(words.hashes), "documents": len(texts)},
        "segment MB/s": ours,
        "re + xxhash MB/s": theirs,
        "segment / (re + xxhash)": round(ours / theirs, 1),
        "count_words MB/s": rate(lambda: count_words(texts), total),
        "hash64 MB/s": rate(lambda: hash64(texts), total),
        "ngrams(5) million grams/s": rate(lambda: ngrams(words, 5), grams),
    }
    for language, article in ARTICLES.items():
        other = documents(article, max(1, size // 5))
        figures[f"segment {language} MB/s"] = rate(partial(segment, other), megabytes_of(other))
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
