"""Speed of passage deduplication: MB of text a second and core, by rule and step, and the share that is cut.

    python -m benchmarks.passages [--megabytes 16] [--data ../shared/data]

Texts are those of benchmarks.decontaminate (real curated and extracted ones), up to the size asked for, each
once. One core; best of two runs after one that compiles, in MB (10^6 bytes of UTF-8) a CPU second. `all` is
everything in memory: rows, merge and cuts, for substring twice the rows. The peer is the ccnet rule in plain
Python with a set, on a quarter of the texts.
"""

import argparse
import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.decontaminate import best_of, real_texts
from dedup.passages import PassageConfig, Rule, cut_passages, rows_of
from text.buffers import text_buffer
from text.hashing import digest128

RULES: tuple[Rule, ...] = ("c4", "ccnet", "boilerplate", "substring")
PUNCTUATION = re.compile(r"[^\w\s]|_")
DIGIT = re.compile(r"\d")


def some_texts(data: Path, size: int) -> list[str]:
    """Real texts, long ones cut into pieces of 20,000 characters, `size` bytes or what there is."""
    texts, total = [], 0
    for text in real_texts(data):
        for start in range(0, len(text), 20_000):
            texts.append(text[start : start + 20_000])
            total += len(texts[-1].encode())
            if total >= size:
                return texts
    return texts


def plain_ccnet(texts: list[str]) -> list[str]:
    """The ccnet rule in plain Python."""
    seen: set[str] = set()
    left = []
    for text in texts:
        lines = []
        for line in text.split("\n"):
            key = PUNCTUATION.sub("", DIGIT.sub("0", line.lower())).strip()
            if key not in seen:
                seen.add(key)
                lines.append(line)
        left.append("\n".join(lines))
    return left


def main() -> None:
    """Measure and print one table and one line of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--megabytes", type=int, default=16)
    arguments = parser.parse_args()
    once = some_texts(arguments.data, arguments.megabytes * 1_000_000)
    texts = pa.array(once, pa.large_string())
    ids = digest128(pa.array([str(i) for i in range(len(once))]))
    size = len(text_buffer(texts).data)
    figures: dict[str, dict[str, float]] = {}
    for rule in RULES:
        config = PassageConfig(rule=rule)
        spans = cut_passages(texts, ids, config).spans
        figures[rule] = {
            "rows": size / 1e6 / best_of(2, lambda config=config: rows_of(texts, config)),
            "all": size / 1e6 / best_of(2, lambda config=config: cut_passages(texts, ids, config)),
            "cut_share": float(np.sum(spans.ends - spans.starts)) / size,
        }
    sample = once[: len(once) // 4]
    sampled = sum(len(text.encode()) for text in sample) / 1e6
    figures["plain Python ccnet"] = {"all": sampled / best_of(1, lambda: plain_ccnet(sample))}
    print(f"{len(once)} texts, {size / 1e6:.1f} MB")
    for name, row in figures.items():
        print(f"{name:20}", "  ".join(f"{key} {value:8.3f}" for key, value in row.items()))
    print(json.dumps({name: {k: round(v, 4) for k, v in row.items()} for name, row in figures.items()}))


if __name__ == "__main__":
    main()
