"""Texts with known duplicates, what is truly similar among them, and how well a kept set fits that.

Similarity is the Jaccard similarity of the sets of word 5-grams (dedup.minhash.shingles), of all pairs, by a
product of sparse matrices: nothing of the search that is measured takes part.
"""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from scipy import sparse

from dedup.minhash import MinHashConfig, shingles
from dedup.verify import shingle_sets
from pipelines.schemas import DOCUMENTS
from text.hashing import digest128
from text.words import count_words

BLOCK = 512
Int64s = npt.NDArray[np.int64]


class SimilarPairs(NamedTuple):
    """Pairs left < right of rows and their exact Jaccard similarity."""

    left: Int64s
    right: Int64s
    jaccard: npt.NDArray[np.float64]


class Fit(NamedTuple):
    """How a kept set fits the truth at a threshold.

    `removed` documents, of which `alike` have a kept document at or above the threshold; `pairs` at or above
    it, of which `parted` lost at least one side.
    """

    removed: int
    alike: int
    pairs: int
    parted: int

    @property
    def precision(self) -> float:
        """Share of the removed documents that a kept one stands in for; 1 if none was removed."""
        return self.alike / self.removed if self.removed else 1.0

    @property
    def recall(self) -> float:
        """Share of the similar pairs of which not both were kept; 1 if there is none."""
        return self.parted / self.pairs if self.pairs else 1.0


def similar_pairs(texts: pa.Array, least: float) -> SimilarPairs:
    """All pairs of texts with a Jaccard similarity of `least` > 0 and more, by brute force."""
    sets = shingle_sets(shingles(texts, MinHashConfig()))
    _, columns = np.unique(sets.hashes, return_inverse=True)
    ones = np.ones(len(columns), dtype=np.int32)
    matrix = sparse.csr_matrix((ones, columns, sets.offsets))
    # A shingle of one document alone is in no intersection.
    shared = matrix[:, np.flatnonzero(np.bincount(columns) > 1)]
    other = shared.T.tocsr()
    sizes = np.diff(sets.offsets)
    parts = []
    for start in range(0, len(texts), BLOCK):
        common = (shared[start : start + BLOCK] @ other).tocoo()
        left, right = common.row.astype(np.int64) + start, common.col.astype(np.int64)
        jaccard = common.data / (sizes[left] + sizes[right] - common.data)
        found = (left < right) & (jaccard >= least)
        parts.append((left[found], right[found], jaccard[found]))
    return SimilarPairs(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def fit(kept: npt.NDArray[np.bool_], pairs: SimilarPairs, threshold: float) -> Fit:
    """Whether what was removed had a like, and whether what is alike was parted."""
    true = pairs.jaccard >= threshold
    left, right = pairs.left[true], pairs.right[true]
    stands_in = np.zeros(len(kept), dtype=bool)
    stands_in[left[kept[right]]] = True
    stands_in[right[kept[left]]] = True
    parted = ~(kept[left] & kept[right])
    return Fit(int((~kept).sum()), int((~kept & stands_in).sum()), len(left), int(parted.sum()))


def parted_by_similarity(
    kept: npt.NDArray[np.bool_], pairs: SimilarPairs, edges: Sequence[float]
) -> list[tuple[int, int]]:
    """For each bin [edges[i], edges[i + 1]): pairs, and those of which not both were kept."""
    parted = ~(kept[pairs.left] & kept[pairs.right])
    number = np.searchsorted(edges, pairs.jaccard, side="right") - 1
    return [(int((number == i).sum()), int(parted[number == i].sum())) for i in range(len(edges) - 1)]


def edited(text: str, target: float, foreign: Sequence[str], seed: int) -> str:
    """`text` with so many single words replaced by words of `foreign` that the similarity nears `target`.

    A replaced word takes five 5-grams with it: with n of them and k words, J is (n - 5k) / (n + 5k). Which
    words is drawn, so that neighbours share 5-grams and J scatters around the target; a text of n words keeps
    white space of one blank.
    """
    draw = np.random.default_rng(seed)
    words = text.split()
    n = len(words) - 4
    k = round(n * (1 - target) / (5 * (1 + target)))
    for place in draw.choice(len(words), max(k, 1), replace=False):
        words[place] = foreign[int(draw.integers(len(foreign)))]
    return " ".join(words)


def constructed(texts: Sequence[str], targets: Sequence[float], seed: int = 0) -> list[str]:
    """Each text, and after all of them one edited copy of each, the targets in turn.

    White space is one blank everywhere: tools whose words depend on it see the edits alone.
    """
    texts = [" ".join(text.split()) for text in texts]
    foreign = sorted({word for text in texts for word in text.split() if word.isalnum()})
    copies = [edited(text, targets[i % len(targets)], foreign, seed + i) for i, text in enumerate(texts)]
    return [*texts, *copies]


def spaced(text: str) -> bool:
    """Whether a text is mostly ASCII and long enough to edit: what tools that split at blanks can read."""
    size = len(text)
    return 600 <= size <= 20_000 and sum(map(str.isascii, text)) >= 0.95 * size


def write_documents(texts: Sequence[str], path: Path) -> list[str]:
    """A shard of DOCUMENTS; returns the ids, which are those of the texts' numbers."""
    n = len(texts)
    column = pa.array(texts, pa.string())
    ids = digest128(pa.array([str(i) for i in range(n)]))
    columns: dict[str, object] = dict.fromkeys(DOCUMENTS.schema.names, [""] * n)
    columns |= {"doc_id": ids, "source": ["a"] * n, "text": column, "n_words": count_words(column)}
    columns |= {"n_bytes": [len(text.encode()) for text in texts]}
    columns["fetched_at"] = pa.nulls(n, DOCUMENTS.schema.field("fetched_at").type)
    table = pa.table([columns[name] for name in DOCUMENTS.schema.names], schema=DOCUMENTS.schema)
    pq.write_table(table, path, compression="zstd", row_group_size=1024)
    return list(ids.to_pylist())


def real_texts(folder: Path) -> tuple[list[str], list[str]]:
    """Texts and addresses of a version folder of the dataset documents, each exact text once."""
    tables = [pq.read_table(path, columns=["text", "url"]) for path in sorted(folder.glob("*.parquet"))]
    urls: dict[str, str] = {}
    for table in tables:
        for text, url in zip(table["text"].to_pylist(), table["url"].to_pylist(), strict=True):
            urls.setdefault(text, url)
    return list(urls), list(urls.values())


def articles(data: Path) -> tuple[list[str], list[tuple[int, int]]]:
    """The 1,000 articles with planted plagiarism, and the rows of the planted pairs."""
    with gzip.open(data / "eval/minhash_articles_1000.train.gz", "rt", encoding="utf-8") as lines:
        rows = [line.rstrip("\n").split(" ", 1) for line in lines if line.strip()]
    number = {name: i for i, (name, _) in enumerate(rows)}
    with gzip.open(data / "eval/minhash_articles_1000.truth.gz", "rt", encoding="utf-8") as lines:
        truth = [line.split() for line in lines if line.strip()]
    return [text for _, text in rows], [(number[a], number[b]) for a, b in truth]


def judged_pairs(data: Path) -> list[tuple[str, str, float]]:
    """Pairs of web texts that people judged: 0 unlike, 1 to 3 near-duplicates; the unclear are left out."""
    with gzip.open(data / "eval/near_dup_pairs.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [
        (row["text_a"], row["text_b"], float(row["label"])) for row in rows if row["label"] not in (None, 0.5)
    ]
