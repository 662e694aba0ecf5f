"""What deduplication finds and what it wrongly removes, ours and its peers', against brute-force similarity.

    python -m benchmarks.dedup_quality FOLDER [--peers PYTHON ...] [--data ../shared/data] [--sets NAME ...]

FOLDER: a version folder of the dataset documents. Sets:

- constructed  real texts and one copy of each with single words replaced, J aimed at 0.5, 0.55 ... 0.95
- pages        real pages of many languages as they are: all manuals of one project, which share templates and
               stand there in translations half done, and others drawn by the hash of their text, 4,000 in all
- labelled     1,000 news articles with ten planted pairs, and pairs of web texts that people judged, each
               pair taken by itself (DATA/eval)

J is the exact Jaccard similarity of word 5-grams of all pairs (benchmarks.dedup_sets). A removed document is
right if one with J of 0.75 or more to it was kept (precision); a pair of 0.75 or more is found if not both
were kept (recall). Peers are run as in benchmarks.dedup_peers: the same 5-grams in kind, 14 bands of 8.
"""

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.dedup_sets import (
    SimilarPairs,
    articles,
    constructed,
    fit,
    judged_pairs,
    parted_by_similarity,
    real_texts,
    similar_pairs,
    spaced,
    write_documents,
)
from benchmarks.tools import Tool, run, tools
from dedup.bands import hit_curve
from dedup.exact import exact_hashes
from dedup.minhash import MinHashConfig, shingles, signature_matrix_of
from dedup.near import candidates
from dedup.verify import verify_pairs
from text.hashing import hash64

SETS = ("constructed", "pages", "labelled")
THRESHOLD = 0.75
TARGETS = tuple(round(0.5 + 0.05 * i, 2) for i in range(10))
EDGES = (*(round(0.4 + 0.05 * i, 2) for i in range(12)), 1.0, 1.01)
ORIGINALS = 800
PAGES = 4000
TEMPLATES = "debian"


def kept_rows(tool: Tool, texts: list[str], folder: Path) -> np.ndarray | None:
    """Which texts the tool keeps; None where it is not installed."""
    source, target = folder / "shard-00000.parquet", folder / "kept"
    ids = write_documents(texts, source)
    if run(tool, "dedup", source, target) is None:
        return None
    kept = set(target.read_text().splitlines())
    return np.array([key in kept for key in ids])


def originals(texts: list[str]) -> list[str]:
    """Texts to edit: readable for all tools, and none like another."""
    some = [text for text in texts if spaced(text)]
    near = similar_pairs(pa.array(some), 0.2)
    alone = np.ones(len(some), dtype=bool)
    alone[near.left] = alone[near.right] = False
    return [some[i] for i in np.flatnonzero(alone)][:ORIGINALS]


def pages(texts: list[str], urls: list[str]) -> list[str]:
    """PAGES texts, those with TEMPLATES in their address first, then by hash."""
    drawn = np.argsort(hash64(pa.array(texts, pa.large_string())), kind="stable")
    other = np.array([TEMPLATES not in url for url in urls])
    order = drawn[np.argsort(other[drawn], kind="stable")]
    return [texts[i] for i in order[:PAGES]]


def kept_set(kept: np.ndarray, pairs: SimilarPairs) -> dict[str, Any]:
    """Precision, recall and the pairs parted by bin."""
    found = fit(kept, pairs, THRESHOLD)
    bins = parted_by_similarity(kept, pairs, EDGES)
    told = {"removed": found.removed, "wrong": found.removed - found.alike, "pairs": found.pairs}
    return told | {"precision": found.precision, "recall": found.recall, "bins": bins}


def search(texts: list[str], pairs: SimilarPairs, minhash: MinHashConfig) -> dict[str, Any]:
    """Of the pairs in each bin those that are candidates and those accepted; accepted ones below the threshold."""
    column = pa.array(texts, pa.large_string())
    signatures = signature_matrix_of(shingles(column, minhash), minhash)
    hashes = exact_hashes(column)
    codes = np.asarray(hashes.dictionary_encode().indices).astype(np.int64)
    found = candidates(hashes, signatures, minhash, 1024)

    def read(rows: np.ndarray) -> pa.Array:
        return column.take(pa.array(rows))

    similar = verify_pairs(found.left, found.right, signatures, codes, read, minhash, THRESHOLD)
    accepted = similar.jaccard >= THRESHOLD
    n = len(texts)
    true = pairs.left * n + pairs.right
    proposed = np.minimum(found.left, found.right) * n + np.maximum(found.left, found.right)
    at = pairs.jaccard >= THRESHOLD
    number = np.searchsorted(EDGES, pairs.jaccard, side="right") - 1
    bins = [
        [
            int(chosen.sum()),
            *(int(np.isin(true[chosen], some).sum()) for some in (proposed, proposed[accepted])),
        ]
        for chosen in (number == i for i in range(len(EDGES) - 1))
    ]
    right = int(np.isin(np.unique(proposed[accepted]), true[at]).sum())
    total = len(np.unique(proposed[accepted]))
    return {
        "candidates": len(found.left),
        "accepted": total,
        "precision": right / total if total else 1.0,
        "recall": right / int(at.sum()) if at.any() else 1.0,
        "bins": bins,
    }


def judged(tool: Tool, pairs: list[tuple[str, str, float]], folder: Path) -> dict[str, Any] | None:
    """How many of the pairs of each label the tool would merge."""
    source, target = folder / "pairs.parquet", folder / "merged"
    pq.write_table(pa.table({"text_a": [a for a, _, _ in pairs], "text_b": [b for _, b, _ in pairs]}), source)
    if run(tool, "pairs", source, target) is None:
        return None
    merged = np.array([line == "1" for line in target.read_text().split()])
    labels = np.array([label for _, _, label in pairs])
    return {
        f"{label:g}": [int((labels == label).sum()), int(merged[labels == label].sum())]
        for label in (0, 1, 2, 3)
    }


def show_kept(name: str, figures: dict[str, dict[str, Any]]) -> None:
    """Precision and recall, and the share of parted pairs by bin."""
    print(f"\n{name}: kept set at J >= {THRESHOLD}")
    used = [i for i in range(len(EDGES) - 1) if any(told["bins"][i][0] for told in figures.values())]
    heads = "".join(f"{EDGES[i]:7.2f}" for i in used)
    print(f"  {'':22s} removed  wrong precision recall  parted at J from{heads}")
    for tool, told in figures.items():
        shares = "".join(f"{told['bins'][i][1] / max(told['bins'][i][0], 1):7.2f}" for i in used)
        print(
            f"  {tool:22s} {told['removed']:7d} {told['wrong']:6d} {told['precision']:9.3f} {told['recall']:6.3f}"
            f"  {'':16s}{shares}"
        )
    print(f"  {'pairs':62s}" + "".join(f"{next(iter(figures.values()))['bins'][i][0]:7d}" for i in used))


def show_search(name: str, told: dict[str, Any], minhash: MinHashConfig) -> None:
    """Candidates and accepted pairs by bin beside what the banding promises."""
    print(
        f"\n{name}, {minhash.bands} bands of {minhash.rows}: {told['candidates']} candidates, {told['accepted']} "
        f"accepted, precision {told['precision']:.4f}, recall {told['recall']:.4f}"
    )
    curve = {round(jaccard, 2): hit for jaccard, hit in hit_curve(minhash.bands, minhash.rows)}
    for i, (n, proposed, accepted) in enumerate(told["bins"]):
        if n:
            promised = f"{curve[EDGES[i]]:.3f}" if EDGES[i] in curve else "     "
            print(
                f"  J from {EDGES[i]:.2f}: {n:7d} pairs, candidates {proposed / n:.3f} "
                f"(curve at the lower edge {promised}), accepted {accepted / n:.3f}"
            )


def measure(sets: dict[str, list[str]], pairs: dict[str, SimilarPairs], some: list[Tool]) -> dict[str, Any]:
    """The kept sets of all tools; a tool that is not there is named and left out."""
    figures: dict[str, Any] = {name: {} for name in sets}
    with tempfile.TemporaryDirectory() as scratch:
        for tool in some:
            for name, texts in sets.items():
                kept = kept_rows(tool, texts, Path(scratch))
                if kept is None:
                    print(f"{tool.name}: no Python given can import it, left out")
                    break
                figures[name][tool.name] = kept_set(kept, pairs[name])
    return figures


def labelled(data: Path, some: list[Tool]) -> dict[str, Any]:
    """Planted pairs of the articles that were parted, and judged pairs that were merged."""
    texts, truth = articles(data)
    figures: dict[str, Any] = {"planted": {}, "judged": {}}
    with tempfile.TemporaryDirectory() as scratch:
        for tool in some:
            kept = kept_rows(tool, texts, Path(scratch))
            if kept is not None:
                parted = sum(bool(kept[a]) != bool(kept[b]) for a, b in truth)
                figures["planted"][tool.name] = [len(truth), parted, int((~kept).sum())]
                figures["judged"][tool.name] = judged(tool, judged_pairs(data), Path(scratch))
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--peers", nargs="*", default=[], metavar="PYTHON")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    texts, urls = real_texts(arguments.folder)
    found = tools(arguments.peers)
    made: dict[str, Callable[[], list[str]]] = {
        "constructed": lambda: constructed(originals(texts), TARGETS),
        "pages": lambda: pages(texts, urls),
    }
    sets = {name: build() for name, build in made.items() if name in arguments.sets}
    # An independent oracle first: every pair, no signature and no band.
    pairs = {name: similar_pairs(pa.array(some, pa.large_string()), EDGES[0]) for name, some in sets.items()}
    figures = measure(sets, pairs, found)
    for name, some in sets.items():
        print(f"\n{name}: {len(some)} texts, {sum(len(text.encode()) for text in some) / 1e6:.1f} MB")
        show_kept(name, figures[name])
        for minhash in (MinHashConfig(), MinHashConfig(bands=20, rows=5)):
            told = search(some, pairs[name], minhash)
            show_search(name, told, minhash)
            figures[f"search {name} {minhash.bands}x{minhash.rows}"] = told
    if "labelled" in arguments.sets:
        figures |= labelled(arguments.data, found)
        print(
            "\narticles: [planted pairs, parted, documents removed]; judged pairs by label: [pairs, merged]"
        )
        for name, told in figures["judged"].items():
            print(f"  {name:22s} {figures['planted'][name]}  {told}")
    print(json.dumps(figures))
    if arguments.json:
        arguments.json.write_text(json.dumps(figures))


if __name__ == "__main__":
    main()
