"""Speed of the quality classifier on one core, against scikit-learn on its own path and on ours.

    python -m benchmarks.classifier [--megabytes 24] [--data ../shared/data]

Texts are those of DATA/curated (JSON lines, and text files in pieces of 4,000 characters), English and
Chinese apart, repeated up to the size asked for; weights are random, since speed does not depend on them.
Paths, all from text to P(curated):

    kernel          segment + linear_scores
    own CSR         segment + CSR matrix + scikit-learn's predict_proba
    scikit-learn    HashingVectorizer (2^18 buckets, the same words) + log1p + L2 norm + predict_proba

Best of three runs after a warm one, in MB (10^6 bytes of UTF-8) a CPU second; scikit-learn sees a part of the
texts. The largest difference to predict_proba on our own matrix is printed.
"""

import argparse
import gzip
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize

from quality.classifiers import features
from text.words import segment

PIECE_CHARACTERS = 4000
PEER_MEGABYTES = 2
# A Han character is a word of its own, as in text.words.
WORD = r"(?u)[\u3400-\u9fff]|[^\W\u3400-\u9fff]+"


def real_texts(data: Path, chinese: bool) -> Iterator[str]:
    """Every text of the curated JSON lines, and the text files in pieces."""
    for path in sorted(data.glob("curated/**/*.gz")):
        if chinese != any(mark in str(path) for mark in ("zh_", "_zh")):
            continue
        raw = gzip.decompress(path.read_bytes()).decode("utf-8", "replace")
        if ".jsonl" in path.name:
            yield from (json.loads(line)["text"] for line in filter(None, raw.split("\n")))
        else:
            yield from (
                raw[start : start + PIECE_CHARACTERS] for start in range(0, len(raw), PIECE_CHARACTERS)
            )


def best_of(runs: int, work: Callable[[], Any]) -> float:
    """CPU seconds of the fastest of `runs` runs, after one that compiles."""
    work()
    seconds = []
    for _ in range(runs):
        started = time.process_time()
        work()
        seconds.append(time.process_time() - started)
    return min(seconds)


def peer(model: LogisticRegression) -> Callable[[list[str]], Any]:
    """scikit-learn's own pipeline from strings to probabilities, with the same features in kind."""
    vectorizer = HashingVectorizer(
        n_features=features.BUCKETS, alternate_sign=False, norm=None, token_pattern=WORD
    )

    def score(texts: list[str]) -> Any:
        return model.predict_proba(normalize(vectorizer.transform(texts).log1p()))[:, 1]

    return score


def measure(once: list[str], megabytes: int) -> dict[str, float]:
    """MB a second by path, and the largest difference of the scores."""
    size = sum(len(text.encode()) for text in once)
    copies = max(1, megabytes * 1_000_000 // size)
    texts = pa.array(once * copies, pa.large_string())
    total = copies * size / 1e6
    weights = np.random.default_rng(0).normal(size=features.BUCKETS)
    model = LogisticRegression(solver="liblinear")
    model.classes_, model.coef_, model.intercept_ = np.array([0, 1]), weights[None], np.zeros(1)
    part = once[:: max(1, size // (PEER_MEGABYTES * 1_000_000))]
    part_total = sum(len(text.encode()) for text in part) / 1e6
    words = segment(texts)
    theirs = model.predict_proba(features.csr(texts))[:, 1]
    return {
        "kernel": total / best_of(3, lambda: features.linear_scores(segment(texts), weights, 0.0)),
        "segment alone": total / best_of(3, lambda: segment(texts)),
        "own CSR": total / best_of(3, lambda: model.predict_proba(features.csr(texts))),
        "scikit-learn": part_total / best_of(3, lambda: peer(model)(part)),
        "difference": float(np.abs(features.linear_scores(words, weights, 0.0) - theirs).max()),
    }


def main() -> None:
    """Measure and print one table a language and one line of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--megabytes", type=int, default=24)
    arguments = parser.parse_args()
    figures = {}
    for language in ("English", "Chinese"):
        texts = list(real_texts(arguments.data, chinese=language == "Chinese"))
        figures[language] = measure(texts, arguments.megabytes)
        print(f"{language}: largest difference to predict_proba {figures[language]['difference']:.1e}")
        for name in ("kernel", "segment alone", "own CSR", "scikit-learn"):
            rate = figures[language][name]
            print(f"  {name:14} {rate:8.1f} MB/s   kernel/this {figures[language]['kernel'] / rate:6.1f}")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
