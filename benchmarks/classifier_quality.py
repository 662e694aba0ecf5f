"""How good and how fast logistic regression and fastText are, trained on the same documents of a finished run.

    python -m benchmarks.classifier_quality DATA_ROOT [--data ../shared/data] [--epochs 5]

Both kinds are fitted on one sample of DATA_ROOT's documents (curated sources against crawl, the same held-out
sites), then asked what they were not trained for: human labels.

    held out          curated against crawled documents on sites that neither has seen
    HPLT              web text in 22 languages, natural against mostly boilerplate or word lists
    Turku documents   web pages, at least half of the lines running text against the others
    Turku lines       single lines, running text against boilerplate or noise

ROC AUC, 0.5 being chance; a label set with fewer than 10 texts of a class is left out. Speed is MB (10^6 bytes
of UTF-8) a CPU second on the curated texts that benchmarks.classifier reads, best of three; fastText's own is
its predict() on lines that are cut into words beforehand, which is not in its time.
"""

import argparse
import gzip
import json
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from sklearn.metrics import roc_auc_score

from benchmarks.classifier import best_of, real_texts
from pipelines.classify import ClassifierConfig, training_sample
from pipelines.engine.dataset import current
from quality.classifiers.base import Classifier
from quality.classifiers.examples import split_examples
from quality.classifiers.fasttext_classifier import BINARY_FILE, FastTextClassifier
from quality.classifiers.fasttext_training import FastTextConfig
from quality.classifiers.fasttext_words import lines
from quality.classifiers.kinds import KINDS, fit

FEWEST = 10
MEGABYTES = 8
FIGURES = ("roc_auc", "average_precision", "brier")


class Labelled(NamedTuple):
    """Texts and whether a person called each good."""

    name: str
    texts: list[str]
    good: list[bool]


def label_sets(data: Path) -> Iterator[Labelled]:
    """The sets of human labels below DATA/eval."""
    with gzip.open(data / "eval" / "hplt_web_text_labels.jsonl.gz", "rt") as stream:
        rows = [json.loads(line) for line in stream]
    by_language = {"all languages": rows}
    for language in ("eng_Latn", "zho_Hans"):
        by_language[language] = [row for row in rows if row["lang"] == language]
    for language, own in by_language.items():
        yield Labelled(f"HPLT, {language}", [r["text"] for r in own], [r["unnatural"] < 0.5 for r in own])
    for language in ("en", "de", "es", "fi"):
        documents = []
        for part in ("train", "dev"):
            path = data / "eval" / "turku_line_quality" / f"{language}_{part}.json.gz"
            documents += json.loads(gzip.decompress(path.read_bytes()))
        shares = [np.mean([label == "1" for label in row["labels"]]) for row in documents]
        texts = ["\n".join(row["text"]) for row in documents]
        yield Labelled(f"Turku documents, {language}", texts, [bool(share >= 0.5) for share in shares])
        pairs = [pair for row in documents for pair in zip(row["text"], row["labels"], strict=True)]
        yield Labelled(
            f"Turku lines, {language}", [t for t, _ in pairs], [label == "1" for _, label in pairs]
        )


def auc(model: Classifier, labelled: Labelled) -> float | None:
    """ROC AUC of the labels; None where a class has fewer than FEWEST texts."""
    if min(sum(labelled.good), len(labelled.good) - sum(labelled.good)) < FEWEST:
        return None
    return float(roc_auc_score(labelled.good, model.score(pa.array(labelled.texts, pa.large_string()))))


def speeds(models: dict[str, Classifier], texts: list[str]) -> dict[str, float]:
    """MB a CPU second by way of scoring."""
    size = sum(len(text.encode()) for text in texts)
    copies = max(1, MEGABYTES * 1_000_000 // size)
    array, total = pa.array(texts * copies, pa.large_string()), copies * size / 1e6
    found = {kind: total / best_of(3, lambda m=model: m.score(array)) for kind, model in models.items()}
    own = fasttext_itself(models["fasttext"])
    ready = [line for line in lines(array).to_pylist() if line]
    found["fastText's own"] = total / best_of(3, lambda: own.predict(ready, k=2))
    return found


def fasttext_itself(model: Classifier) -> Any:
    """The model as the library fasttext loads it."""
    import fasttext

    with TemporaryDirectory() as folder:
        path = Path(folder) / BINARY_FILE
        path.write_bytes(model.to_files()[BINARY_FILE])
        return fasttext.load_model(str(path))


def largest_difference(model: Classifier, texts: list[str]) -> float:
    """Between our scores of the texts and those of the library fasttext."""
    own, worst = fasttext_itself(model), 0.0
    for line, score in zip(lines(texts).to_pylist(), model.score(texts).tolist(), strict=True):
        labels, shares = own.predict(line, k=2)
        worst = max(worst, abs(dict(zip(labels, shares, strict=True))["__label__curated"] - 1e-5 - score))
    return worst


def main() -> None:
    """Fit both kinds, print a table of figures and one line of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("root", metavar="DATA_ROOT")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--epochs", type=int, default=FastTextConfig().epochs)
    parser.add_argument("--buckets", type=int, default=FastTextConfig().buckets)
    arguments = parser.parse_args()
    documents = current(arguments.root, "documents")
    config = ClassifierConfig()
    sample = training_sample(
        documents.folder, documents.shards, documents.manifest["details"]["roles"], config
    )
    split = split_examples(*sample, config.fit.held_out_share, config.fit.seed)
    fasttext = FastTextConfig(epochs=arguments.epochs, buckets=arguments.buckets, keep_binary=True)
    models, told = {}, {}
    for kind in KINDS:
        started = time.process_time()
        models[kind] = fit(*sample, kind, config.fit, fasttext, split)
        held_out = models[kind].card["held_out"]
        told[kind] = {"seconds to fit and evaluate": time.process_time() - started}
        told[kind] |= {f"held out, {name}": held_out[name] for name in FIGURES}
    print(f"rows fitted: {[models[kind].card['rows'][c]['fitted'] for c in ('positive', 'negative')]}")
    print(f"rows held out: {[int(mask.sum()) for mask in split[:2]]}")
    for labelled in label_sets(arguments.data):
        name = f"{labelled.name} ({sum(labelled.good)} of {len(labelled.good)} good)"
        for kind, model in models.items():
            told[kind][name] = auc(model, labelled)
    for language in ("English", "Chinese"):
        texts = list(real_texts(arguments.data, chinese=language == "Chinese"))
        for kind, rate in speeds(models, texts).items():
            told.setdefault(kind, {})[f"{language}, MB/s"] = rate
    assert isinstance(models["fasttext"], FastTextClassifier)
    texts = list(real_texts(arguments.data, chinese=True))[:300]
    told["fasttext"]["largest difference to fastText's own"] = largest_difference(models["fasttext"], texts)
    for name in {name: None for figures in told.values() for name in figures}:
        cells = [told[kind].get(name) for kind in told]
        print(f"{name:48}", *[f"{cell:>14.4g}" if cell is not None else f"{'-':>14}" for cell in cells])
    print(f"{'':48}", *[f"{kind[:14]:>14}" for kind in told])
    print(json.dumps(told))


if __name__ == "__main__":
    main()
