"""Speed and memory of deduplication beside its peers, on the same file of real texts and in one run.

    python -m benchmarks.dedup_peers FOLDER --peers PYTHON [PYTHON ...] [--megabytes 8] [--json FILE]

FOLDER: a version folder of the dataset documents. Of it, mostly ASCII texts of 600 to 20,000 characters are
drawn by the hash of their text (the peers split at blanks and punctuation and know no Chinese). PYTHON: one or
more environments that have datatrove[processing] and spacy, datasketch and xxhash, rensa, text-dedup, with pyarrow;
a peer that none of them can import is named and left out. Each tool runs in its own process, one thread; see
benchmarks.peer_dedup for what it does and what is measured. MB are 10^6 bytes of UTF-8, a second is one of
processor time.
"""

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.dedup_sets import real_texts, spaced, write_documents
from benchmarks.tools import Tool, run, tools
from dedup.minhash import MinHashConfig, shingles
from text.hashing import hash64

WORKS = {
    "kernel": "shingle hashes in memory -> signatures",
    "signatures": "file of texts -> file of signatures",
    "dedup": "file of texts -> file of the kept texts",
}
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS", "NUMBA_NUM_THREADS")


def drawn(folder: Path, megabytes: float) -> list[str]:
    """Real texts up to a size, in an order that depends on them alone."""
    texts = [text for text in real_texts(folder)[0] if spaced(text)]
    sizes = np.array([len(text.encode()) for text in texts])
    order = np.argsort(hash64(pa.array(texts, pa.large_string())))
    taken = order[np.cumsum(sizes[order]) <= megabytes * 1e6]
    return [texts[i] for i in taken]


def rates(tool: Tool, source: dict[str, Path], folder: Path, megabytes: float) -> dict[str, Any]:
    """MB a CPU second, memory and kept documents of each kind of work."""
    told: dict[str, Any] = {}
    for work in WORKS:
        target = folder / f"{work}.out"
        one = run(tool, work, source[work], target)
        if one is None:
            continue
        told["version"] = one.pop("version")
        told[work] = {"mb_s": megabytes / one["cpu_seconds"], **one}
        if work == "dedup":
            told[work]["kept"] = len(target.read_text().splitlines())
    return told


def show(figures: dict[str, dict[str, Any]]) -> None:
    """One table for each kind of work."""
    for work, meaning in WORKS.items():
        print(f"\n{work}: {meaning}")
        print(f"  {'':34s} {'MB/s':>8s} {'ours/this':>10s} {'peak MB':>8s} {'of it work':>10s} {'kept':>7s}")
        for name, told in figures.items():
            if work not in told:
                continue
            one = told[work]
            ratio = figures["ours"][work]["mb_s"] / one["mb_s"]
            grown = one["peak_mb"] - one["start_mb"]
            print(
                f"  {name + ' ' + told['version']:34s} {one['mb_s']:8.2f} {ratio:10.1f} {one['peak_mb']:8.0f} "
                f"{grown:10.0f} {one.get('kept', ''):>7}"
            )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--peers", nargs="*", default=[], metavar="PYTHON")
    parser.add_argument("--megabytes", type=float, default=8.0)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    os.environ |= dict.fromkeys(ONE_THREAD, "1")
    texts = drawn(arguments.folder, arguments.megabytes)
    size = sum(len(text.encode()) for text in texts) / 1e6
    print(f"{len(texts)} documents, {size:.2f} MB")
    figures: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        documents, grams = folder / "shard-00000.parquet", shingles(pa.array(texts), MinHashConfig())
        write_documents(texts, documents)
        np.savez(folder / "grams.npz", hashes=grams.hashes, offsets=grams.offsets)
        source = {"kernel": folder / "grams.npz", "signatures": documents, "dedup": documents}
        for tool in tools(arguments.peers):
            if tool.command is None:
                print(f"{tool.name}: no Python given can import it, left out")
                continue
            figures[tool.name] = rates(tool, source, folder, size)
    show(figures)
    told = json.dumps({"documents": len(texts), "megabytes": size, "tools": figures})
    print(told)
    if arguments.json:
        arguments.json.write_text(told)


if __name__ == "__main__":
    main()
