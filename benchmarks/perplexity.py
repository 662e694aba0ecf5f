"""Speed of the n-gram model on one core, beside KenLM on the same words, and how well perplexity tells texts apart.

    python -m benchmarks.perplexity [--data ../shared/data] [--order 3] [--lmplz BINARY --peer PYTHON] [--root DATA]

Speed: texts of DATA/curated, English and Chinese apart, in pieces of 4,000 characters; five of six are trained
on, the sixth is scored, repeated to 20 MB. MB are those of UTF-8, seconds those of the CPU, the best of three runs
after a warm one. With `lmplz` of KenLM and a PYTHON that can import kenlm the same words (a piece a line, parted by
blanks) make KenLM's model, and the largest difference of a piece's log10 probability is told; its time is that of
`score` alone, ours counts the segmentation too.

Separation (with --root, a data root with documents and signals): models are fitted on 85 % of the curated
documents. Held-out curated documents are set beside crawled ones, all of 50 words or more, and beside themselves with
their words (in Chinese: characters) in random order: the share of pairs in which the second is more perplexing.
"""

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sklearn.metrics import roc_auc_score

from benchmarks.classifier import best_of, real_texts
from pipelines.engine.dataset import current, read_dataset
from pipelines.perplexity import PerplexityConfig, fit_models
from pipelines.schemas import DOCUMENTS, SIGNALS
from quality.language_models.ngram_model import NgramConfig, NgramModel
from text.buffers import text_buffer
from text.words import segment

MEGABYTES = 20
HELD_OUT = 0.15
MIN_WORDS = 50


def as_lines(texts: Sequence[str]) -> Iterator[str]:
    """The words of each text, folded, with blanks between them: what KenLM reads as one sentence."""
    array = pa.array(texts, pa.large_string())
    data, words = text_buffer(array), segment(array)
    raw = data.data.tobytes()
    for row, origin in enumerate(data.offsets[:-1].tolist()):
        places = range(int(words.offsets[row]), int(words.offsets[row + 1]))
        yield " ".join(
            raw[origin + words.starts[i] : origin + words.ends[i]].decode().lower() for i in places
        )


def speed(texts: list[str], order: int, min_count: int) -> dict[str, Any]:
    """Figures of our model, and it with the texts that it was trained on and scores."""
    train = [text for number, text in enumerate(texts) if number % 6]
    asked = texts[::6]
    started = time.process_time()
    model = NgramModel.fit(train, NgramConfig(order=order, min_count=min_count))
    trained = time.process_time() - started
    size = sum(len(text.encode()) for text in asked)
    many = pa.array(asked * max(1, MEGABYTES * 1_000_000 // size), pa.large_string())
    total = size * (len(many) // len(asked)) / 1e6
    return {
        "train": train,
        "asked": asked,
        "logs": model.log10_likelihood(asked),
        "words": model.card["words"],
        "ngrams": model.card["ngrams"],
        "train_seconds": trained,
        "ours": total / best_of(3, lambda: model.perplexity(many)),
        "segment alone": total / best_of(3, lambda: segment(many)),
        "scored_megabytes": size / 1e6,
    }


def kenlm(found: dict[str, Any], order: int, min_count: int, lmplz: str, python: str) -> dict[str, Any]:
    """KenLM's seconds of training, MB a second, and the largest difference of a text's log10 probability."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name in ("train", "asked"):
            # KenLM trains on empty lines too; our model leaves texts without words out.
            lines = [line for line in as_lines(found[name]) if line or name == "asked"]
            (folder / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        prune = ["--prune", *["0"] * (order - 1), str(min_count - 1)] if min_count > 1 else []
        command = [lmplz, "-o", str(order), *prune, "--discount_fallback", "-S", "1G", "-T", temporary]
        started = time.monotonic()
        with (folder / "train").open("rb") as source, (folder / "arpa").open("wb") as target:
            subprocess.run(command, stdin=source, stdout=target, stderr=subprocess.DEVNULL, check=True)
        seconds = time.monotonic() - started
        peer = str(Path(__file__).with_name("peer_kenlm.py"))
        arguments = [str(folder / name) for name in ("arpa", "asked", "told")]
        subprocess.run([python, "-P", peer, *arguments], check=True, stderr=subprocess.DEVNULL)
        told = json.loads((folder / "told").read_text())
    difference = np.abs(np.array(told["scores"]) - found["logs"])
    return {
        "kenlm": found["scored_megabytes"] / told["seconds"],
        "kenlm_train_seconds": seconds,
        "largest_difference": float(difference.max()),
        "largest_relative_difference": float((difference / np.abs(found["logs"])).max()),
    }


def shuffled(texts: Sequence[str], chinese: bool) -> list[str]:
    """The texts with their words (characters) in random order."""
    draws = np.random.default_rng(0)
    glue = "" if chinese else " "
    return [glue.join(draws.permutation(list(text) if chinese else text.split())) for text in texts]


def separation(root: str, order: int, min_count: int) -> dict[str, dict[str, Any]]:
    """Medians and pairs in the right order, by language."""
    documents = current(root, "documents")
    roles: dict[str, str] = documents.manifest["details"]["roles"]
    config = PerplexityConfig(
        mode="fit",
        min_words=100_000,
        held_out_share=HELD_OUT,
        ngrams=NgramConfig(order=order, min_count=min_count),
    )
    models = fit_models(documents.folder, documents.shards, roles, config)
    table = read_dataset(documents, DOCUMENTS, ["doc_id", "source", "text", "n_words"])
    spoken = read_dataset(current(root, "signals"), SIGNALS, ["language"])["language"]
    crawls = pa.array([source for source, role in roles.items() if role == "crawl"], pa.string())
    crawled = np.asarray(pc.is_in(table["source"], value_set=crawls))
    long = table["n_words"].to_numpy() >= MIN_WORDS
    held = config.held_out(table["doc_id"])
    figures: dict[str, dict[str, Any]] = {}
    for language, model in models.models.items():
        own = np.asarray(pc.equal(spoken, language)) & long
        curated, crawl = (table["text"].filter(pa.array(own & mask)) for mask in (held & ~crawled, crawled))
        texts = {"curated": curated, "crawl": crawl}
        texts |= {f"{name}, shuffled": shuffled(t.to_pylist(), language == "zh") for name, t in texts.items()}
        found = {name: model.perplexity(some) for name, some in texts.items()}
        figures[language] = {name: [len(some), float(np.median(some))] for name, some in found.items()}
        for second in ("crawl", "curated, shuffled"):
            labels = np.repeat([0, 1], [len(found["curated"]), len(found[second])])
            figures[language][f"AUC {second}"] = roc_auc_score(
                labels, np.concatenate([found["curated"], found[second]])
            )
        for name in ("curated", "crawl"):
            figures[language][f"{name} below its shuffle"] = float(
                np.mean(found[name] < found[f"{name}, shuffled"])
            )
        figures[language] |= {key: models.facts[language][key] for key in ("held_out", "cuts")}
    return figures


def main() -> None:
    """Measure and print tables and one line of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--order", type=int, default=3)
    parser.add_argument("--min-count", type=int, default=2)
    parser.add_argument("--lmplz", help="KenLM's estimation program")
    parser.add_argument("--peer", help="a Python that can import kenlm")
    parser.add_argument("--root", help="data root with documents and signals")
    arguments = parser.parse_args()
    shape = arguments.order, arguments.min_count
    figures: dict[str, Any] = {}
    for name in ("English", "Chinese"):
        found = speed(list(real_texts(arguments.data, chinese=name == "Chinese")), *shape)
        if arguments.lmplz and arguments.peer:
            found |= kenlm(found, *shape, arguments.lmplz, arguments.peer)
        figures[name] = {key: value for key, value in found.items() if key not in ("train", "asked", "logs")}
        print(name)
        for key, value in figures[name].items():
            print(f"  {key:28} {value:.4g}" if isinstance(value, float) else f"  {key:28} {value}")
    if arguments.root:
        figures["separation"] = separation(arguments.root, *shape)
        for language, told in figures["separation"].items():
            print(language, *(f"  {key:24} {value}" for key, value in told.items()), sep="\n")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
