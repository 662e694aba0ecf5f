"""What breaking chains saves: documents removed with and without it, and how like their survivors they are.

    python -m benchmarks.chain_break FOLDER

FOLDER holds Parquet files with a column `text` (a version folder of the dataset `documents`). Compared are

- its documents, at thresholds of 0.75, 0.5 and 0.3, the bands chosen for each by dedup.bands.optimal_bands
- a chain: windows of 300 words over its longest texts, each 20 words on from the one before, at 0.75

once with chain_break and once without, and each removed document against its survivor exactly (Jaccard
similarity of word 5-grams). Printed: documents removed, of which not copies, the largest cluster, removed
documents whose similarity lies below the threshold, the lowest similarity; then the same as JSON.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dedup.config import DedupConfig
from dedup.minhash import BandTarget, MinHashConfig, shingles
from dedup.near import near_duplicates
from dedup.verify import set_jaccard, shingle_sets

THRESHOLDS = (0.75, 0.5, 0.3)
WINDOW, STEP, WINDOWS = 300, 20, 2000


def measure(texts: pa.Array, threshold: float, chain_break: bool) -> dict[str, float]:
    """Removed documents and their similarity to what stays in their place."""
    minhash = MinHashConfig(target=BandTarget(threshold=threshold))
    verdicts = near_duplicates(texts, minhash, DedupConfig(threshold=threshold, chain_break=chain_break))
    removed = np.flatnonzero(verdicts.survivor != np.arange(len(texts)))
    near = removed[~verdicts.exact[removed]]
    rows, positions = np.unique(np.concatenate([near, verdicts.survivor[near]]), return_inverse=True)
    sets = shingle_sets(shingles(texts.take(pa.array(rows)), minhash))
    jaccard = set_jaccard(sets, positions[: len(near)], positions[len(near) :])
    return {
        "removed": len(removed),
        "near": len(near),
        "largest_cluster": int(verdicts.cluster_size.max(initial=0)),
        "below_threshold": int((jaccard < threshold).sum()),
        "lowest": round(float(jaccard.min(initial=1.0)), 3),
    }


def windows(texts: pa.Array) -> pa.Array:
    """Overlapping pieces of the longest texts, each like the next one and unlike those further on."""
    longest = np.argsort(-np.asarray(pc.utf8_length(texts)), kind="stable")
    pieces: list[str] = []
    for row in longest:
        words = texts[int(row)].as_py().split()
        pieces += [" ".join(words[i : i + WINDOW]) for i in range(0, len(words) - WINDOW, STEP)]
        if len(pieces) >= WINDOWS:
            break
    return pa.array(pieces[:WINDOWS])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    parts = [pq.read_table(path, columns=["text"])["text"] for path in sorted(folder.glob("*.parquet"))]
    texts = pa.chunked_array([chunk for part in parts for chunk in part.chunks]).cast(pa.large_string())
    texts = texts.combine_chunks()
    sets = [(f"documents at {threshold}", texts, threshold) for threshold in THRESHOLDS]
    sets.append(("chain at 0.75", windows(texts), THRESHOLDS[0]))
    told: dict[str, dict[str, float]] = {}
    for name, some, threshold in sets:
        print(f"{name}: {len(some)} texts, {some.nbytes / 1e6:.0f} MB")
        for on in (True, False):
            row = measure(some, threshold, on)
            told[f"{name}, chain_break {on}"] = row
            print(f"  chain_break {on!s:5s} " + ", ".join(f"{key} {value}" for key, value in row.items()))
    print(json.dumps(told))


if __name__ == "__main__":
    main()
