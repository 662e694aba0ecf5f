"""What GPT-3's literal deduplication does to real pages, with and without verifying its candidates.

    python -m benchmarks.gpt3_literal [--data ../shared/data] [--pages N]

Texts are the hand-made main texts of DATA/extraction/*.gold.jsonl.gz and the documents of
DATA/curated/c4_en_300.jsonl.gz, those of 50 words and more, each exact text once. Methods:

- literal, unverified: ten tables of one hash on single words, every candidate merged, one document stays for
  each connected component. This is Spark's MinHashLSH as it is mostly copied.
- literal, verified: dedup.presets, the same candidates held against the exact Jaccard similarity
- default: word 5-grams, 112 hashes in 14 bands of 8, verified
- brute force: all pairs compared on single words, at the literal threshold

A document is called distinct if no other has a Jaccard similarity of 0.75 to it, on single words. Printed for
each method: candidates, documents kept, distinct documents kept; then the same as JSON. All methods but the
first keep all distinct documents by construction of the measure; how many near-duplicates they leave is what
tells them apart.
"""

import argparse
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from dedup.components import components
from dedup.config import DedupConfig
from dedup.exact import exact_hashes
from dedup.minhash import MinHashConfig, shingles, signature_matrix_of
from dedup.near import candidates, near_duplicates
from dedup.presets import GPT3_DEDUP, GPT3_MINHASH
from dedup.verify import set_jaccard, shingle_sets
from text.words import count_words

LEAST_WORDS = 50
CHUNK_PAIRS = 200_000
# Texts alone have no sources.
LITERAL = GPT3_DEDUP.model_copy(update={"across": None})


def pages(data: Path) -> Iterator[str]:
    """Main texts of real pages."""
    for path in sorted(data.glob("extraction/*.gold.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            yield from (json.loads(line).get("main_content") or "" for line in lines)
    with gzip.open(data / "curated/c4_en_300.jsonl.gz", "rt", encoding="utf-8") as lines:
        yield from (json.loads(line)["text"] for line in lines)


def similar_pairs(texts: pa.Array, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """All pairs that reach the threshold on single words, by comparing everything with everything."""
    sets = shingle_sets(shingles(texts, GPT3_MINHASH))
    left, right = (side.astype(np.int64) for side in np.triu_indices(len(texts), 1))
    found = [
        start + np.flatnonzero(set_jaccard(sets, left[start : start + CHUNK_PAIRS], part) >= threshold)
        for start in range(0, len(left), CHUNK_PAIRS)
        for part in [right[start : start + CHUNK_PAIRS]]
    ]
    similar = np.concatenate(found)
    return left[similar], right[similar]


def unverified(texts: pa.Array, minhash: MinHashConfig) -> tuple[np.ndarray, int]:
    """Rows that stay if every candidate counts as a duplicate, and the number of candidates."""
    signatures = signature_matrix_of(shingles(texts, minhash), minhash)
    pairs = candidates(exact_hashes(texts), signatures, minhash, LITERAL.max_pairs_bucket)
    labels = components(pairs.left, pairs.right, len(texts))
    return np.unique(labels), len(pairs.left)


def verified(texts: pa.Array, minhash: MinHashConfig, config: DedupConfig) -> tuple[np.ndarray, int]:
    """Rows that stay, and the number of candidates."""
    signatures = signature_matrix_of(shingles(texts, minhash), minhash)
    pairs = candidates(exact_hashes(texts), signatures, minhash, config.max_pairs_bucket)
    return np.unique(near_duplicates(texts, minhash, config).survivor), len(pairs.left)


def by_brute_force(n: int, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Rows that no earlier row that stays is similar to."""
    stays = np.ones(n, dtype=bool)
    for row in range(n):
        if stays[row]:
            stays[right[left == row]] = False
    return np.flatnonzero(stays)


def measure(texts: pa.Array) -> dict[str, dict[str, int]]:
    """Candidates, documents kept and distinct documents kept, by method."""
    left, right = similar_pairs(texts, LITERAL.threshold)
    distinct = np.setdiff1d(np.arange(len(texts)), np.concatenate([left, right]))
    kept = {
        "literal, unverified": unverified(texts, GPT3_MINHASH),
        "literal, verified": verified(texts, GPT3_MINHASH, LITERAL),
        "default": verified(texts, MinHashConfig(), DedupConfig()),
        "brute force": (by_brute_force(len(texts), left, right), len(texts) * (len(texts) - 1) // 2),
    }
    told: dict[str, dict[str, int]] = {"texts": {"documents": len(texts), "distinct": len(distinct)}}
    for name, (rows, n_candidates) in kept.items():
        told[name] = {
            "candidates": n_candidates,
            "kept": len(rows),
            "distinct_kept": int(np.isin(distinct, rows).sum()),
        }
    return told


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--pages", type=int, default=3000, help="most texts to compare")
    options = parser.parse_args()
    found: Any = pa.array(list(dict.fromkeys(pages(options.data))))
    texts = found.filter(pa.array(count_words(found) >= LEAST_WORDS)).slice(0, options.pages)
    told = measure(texts)
    n, distinct = told["texts"]["documents"], told["texts"]["distinct"]
    print(f"{n} documents, {distinct} distinct")
    for name in list(told)[1:]:
        row = told[name]
        print(
            f"{name:22s} {row['candidates']:9d} candidates, keeps {row['kept']:5d} of {n}, "
            f"{row['distinct_kept']:5d} of {distinct} distinct"
        )
    print(json.dumps(told))


if __name__ == "__main__":
    main()
