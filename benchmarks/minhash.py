"""MinHash signatures, ours against datasketch, on the same text and one core.

    python -m benchmarks.minhash [FILE ...]

Reads text files (default: the standard library's sources), cuts them into documents of about 4 kB, measures

- datasketch, update_batch: 32-bit shingle hashes (ours, given) -> signatures
- datasketch, from text: words by a regular expression, 5-grams, xxh32, update_batch: what its users write
- ours, kernel: shingle hashes -> signatures
- ours, from text: words, shingles, signatures
- ours, stage: all that pipelines.deduplication.sketch does (exact hash, distinct shingles, signatures, band keys)

and prints MB of UTF-8 text per second of processor time and the ratios to both, then the same as JSON.
Kernels are compiled before the clock starts; ours is the best of three, datasketch runs once on a part of the
documents. The signatures of that part must be equal, or nothing is printed.
"""

import json
import re
import sys
import sysconfig
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import xxhash
from datasketch import MinHash

from dedup.minhash import MinHashConfig, shingle_ints, shingles, signature_matrix_of
from pipelines.deduplication.sketch import sketch

DOCUMENT_BYTES = 4096
MAX_BYTES = 32_000_000
PEER_BYTES = 2_000_000
WORD = re.compile(r"\w+")


def documents(paths: list[Path]) -> pa.Array:
    """Texts of about DOCUMENT_BYTES bytes from the files, MAX_BYTES in all."""
    pieces: list[str] = []
    total = 0
    for path in paths:
        text = path.read_text(encoding="utf-8", errors="ignore")
        pieces += [text[i : i + DOCUMENT_BYTES] for i in range(0, len(text), DOCUMENT_BYTES)]
        total += len(text)
        if total > MAX_BYTES:
            break
    return pa.array(pieces)


def seconds_of(work: Callable[[], object], runs: int = 1) -> float:
    """Seconds of processor time of the fastest of `runs` calls."""
    taken = []
    for _ in range(runs):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return min(taken)


def peer_signatures(batches: list[list[int]], config: MinHashConfig) -> np.ndarray:
    """Signatures by datasketch of documents given as 32-bit shingles."""
    fresh = MinHash(num_perm=config.num_perm, seed=config.seed, scheme="affine32", hashfunc=int)
    rows = []
    for batch in batches:
        made = fresh.copy()
        made.update_batch(batch)
        rows.append(made.hashvalues)
    return np.array(rows, dtype=np.uint32)


def peer_shingles(texts: list[str], config: MinHashConfig) -> list[list[int]]:
    """32-bit shingles in plain Python."""
    batches = []
    for text in texts:
        words = WORD.findall(text.lower())
        grams = [" ".join(words[i : i + config.ngram]) for i in range(max(1, len(words) - config.ngram + 1))]
        batches.append([xxhash.xxh32_intdigest(gram.encode()) for gram in grams])
    return batches


def main(arguments: list[str]) -> None:
    """Measure and print."""
    config = MinHashConfig()
    paths = [Path(a) for a in arguments] or sorted(Path(sysconfig.get_path("stdlib")).rglob("*.py"))
    texts = documents(paths)
    part = texts[: max(1, len(texts) * PEER_BYTES // texts.nbytes)]
    strings = part.to_pylist()
    table = pa.table({"doc_id": pa.array(["0" * 32] * len(texts)), "text": texts})
    grams, part_grams = shingles(texts, config), shingles(part, config)
    ints = shingle_ints(part_grams.hashes)
    bounds = part_grams.offsets.tolist()
    batches = [ints[a:b].tolist() for a, b in pairwise(bounds)]
    if not np.array_equal(signature_matrix_of(part_grams, config), peer_signatures(batches, config)):
        raise SystemExit("signatures differ from datasketch's")
    sketch(table.slice(0, 10), config)
    speeds = {
        "datasketch, update_batch": part.nbytes / seconds_of(lambda: peer_signatures(batches, config)),
        "datasketch, from text": part.nbytes
        / seconds_of(lambda: peer_signatures(peer_shingles(strings, config), config)),
        "ours, kernel": texts.nbytes / seconds_of(lambda: signature_matrix_of(grams, config), 3),
        "ours, from text": texts.nbytes
        / seconds_of(lambda: signature_matrix_of(shingles(texts, config), config), 3),
        "ours, stage": texts.nbytes / seconds_of(lambda: sketch(table, config), 3),
    }
    print(f"{len(texts)} documents, {texts.nbytes / 1e6:.1f} MB; datasketch on {part.nbytes / 1e6:.1f} MB")
    batch, text = list(speeds.values())[:2]
    for name, speed in speeds.items():
        print(
            f"{name:26s} {speed / 1e6:8.1f} MB/s {speed / batch:7.1f} x batch {speed / text:7.1f} x from text"
        )
    print(json.dumps({name: round(speed / 1e6, 2) for name, speed in speeds.items()}))


if __name__ == "__main__":
    main(sys.argv[1:])
