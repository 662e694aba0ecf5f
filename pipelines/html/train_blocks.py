"""Trains the weights of the block classifier on pages with gold main texts, and says how good they are.

    python -m pipelines.html.train_blocks FOLDER [--folds 5] [--out FILE]

FOLDER holds gold sets (`pipelines.html.gold_pages`). With `--folds` the pages are split by site into so many
parts, each is judged by a model that saw no page of its sites, in any set, and the scores are printed. With
`--out` a model of all pages is written there; without either nothing but the size of the data is printed.
After a change of the shipped weights, raise the version of the stages that extract.

The second trees learn from what the first ones say of pages that they were not trained on, and the first from
name weights that were not trained on their pages: inner splits, by site too.
"""

import argparse
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingClassifier

from pipelines.html.block_context import block_context
from pipelines.html.block_features import Features, block_features
from pipelines.html.block_model import BlockModel, dumps, judge, ready
from pipelines.html.block_stats import UNITS, block_stats
from pipelines.html.blocks import Blocks, read_blocks
from pipelines.html.gold_labels import bag_f1, shares, snippet_labels, snippets_found
from pipelines.html.gold_pages import GoldPage, gold_pages
from pipelines.html.main_text import text_of
from pipelines.html.name_weights import (
    NameWeights,
    known_names,
    name_scores,
    name_table,
    train_name_weights,
)
from pipelines.html.trees import Trees, probabilities, trees_of

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TrainConfig:
    """How the models are trained; chosen by cross-validation on the gold sets."""

    rounds: int = 120  # trees of each ensemble
    leaves: int = 20  # of each tree, at most
    rate: float = 0.12  # learning rate of the trees
    inner: int = 3  # inner splits
    min_sites: int = 4  # sites that a name must occur on to get a weight
    name_importance: float = 5.0  # what a page counts when names are weighed
    snippets: float = 0.35  # what a page counts of which only snippets are known, others: 1
    floor: float = 15.0  # units added to each block's length to give its importance
    sampled_units: float = 100.0  # blocks shorter than this are drawn, in proportion to their length


class Example(NamedTuple):
    """A page ready to be learned from: `labels` float32[n] in 0..1, `importance` float64[n], 0 where unknown."""

    gold: GoldPage
    page: Blocks
    labels: Floats
    importance: Doubles


class Outcome(NamedTuple):
    """How a page was judged: (F1, precision, recall) where its text is known, else snippets found and not."""

    gold: GoldPage
    f1: tuple[float, float, float] | None
    snippets: tuple[int, int, int, int] | None


def example(gold: GoldPage, config: TrainConfig) -> Example:
    """A gold page as an example; one that is too long to be aligned counts nothing in training."""
    page = read_blocks(gold.html)
    labels = (
        snippet_labels(page, gold.wanted, gold.unwanted) if gold.text is None else shares(page, gold.text)
    )
    if labels is None:
        labels = np.full(len(page.blocks), np.nan, np.float32)
    importance = (block_stats(page).figures[:, UNITS] + np.float64(config.floor)) * ~np.isnan(labels)
    importance *= (config.snippets if gold.text is None else 1.0) / max(importance.sum(), 1e-9)
    return Example(gold, page, np.nan_to_num(labels), importance)


def split_of(site: str, parts: int, purpose: str) -> int:
    """Which of so many parts a site falls into."""
    return int.from_bytes(hashlib.sha256(f"{purpose}:{site}".encode()).digest()[:8], "little") % parts


def fit(examples: Sequence[Example], config: TrainConfig) -> BlockModel:
    """A model of all three steps, from the examples that count at all."""
    examples = [item for item in examples if item.importance.any()]
    parts = [split_of(item.gold.site, config.inner, "inner") for item in examples]
    features: list[Features] = [None] * len(examples)  # type: ignore[list-item]
    guesses: list[Doubles] = [None] * len(examples)  # type: ignore[list-item]
    for part in range(config.inner):
        seen, held = _divided(parts, part)
        table = name_table(_names([examples[i] for i in seen], config))
        for i in held:
            features[i] = block_features(examples[i].page, name_scores(examples[i].page, table))
    for part in range(config.inner):
        seen, held = _divided(parts, part)
        trees = _trees([examples[i] for i in seen], [features[i].matrix for i in seen], config)
        for i in held:
            guesses[i] = probabilities(trees, features[i].matrix)
    wide = [
        np.hstack([found.matrix, block_context(guess, found, item.page.nodes)])
        for found, guess, item in zip(features, guesses, examples, strict=True)
    ]
    return BlockModel(
        _names(examples, config),
        _trees(examples, [found.matrix for found in features], config),
        _trees(examples, wide, config),
    )


def _divided(parts: Sequence[int], part: int) -> tuple[list[int], list[int]]:
    """Indices outside and inside a part."""
    seen = [i for i, own in enumerate(parts) if own != part]
    return seen, [i for i, own in enumerate(parts) if own == part]


def _names(examples: Sequence[Example], config: TrainConfig) -> NameWeights:
    pages = [item.page for item in examples]
    return train_name_weights(
        pages,
        [item.labels for item in examples],
        [item.importance * config.name_importance for item in examples],
        known_names(pages, [item.gold.site for item in examples], config.min_sites),
    )


def _trees(examples: Sequence[Example], matrices: Sequence[Floats], config: TrainConfig) -> Trees:
    """Boosted trees; a label between 0 and 1 counts as both in its proportions."""
    matrix = np.vstack(matrices)
    labels = np.concatenate([item.labels for item in examples]).astype(np.float64)
    weights = np.concatenate([item.importance for item in examples])
    chance = np.minimum(1.0, (np.expm1(matrix[:, 0]) + 6) / config.sampled_units)
    rows = np.flatnonzero((weights > 0) & (np.random.default_rng(0).random(len(weights)) < chance))
    weights = weights[rows] / chance[rows]
    weights, labels = weights / weights.mean(), labels[rows]
    yes, no = np.flatnonzero(labels > 0), np.flatnonzero(labels < 1)
    model = HistGradientBoostingClassifier(
        max_iter=config.rounds,
        learning_rate=config.rate,
        max_leaf_nodes=config.leaves,
        min_samples_leaf=40,
        l2_regularization=5.0,
        max_features=0.3,
        max_bins=127,
        early_stopping=False,
        random_state=0,
    )
    model.fit(
        matrix[rows][np.concatenate([yes, no])],
        np.repeat([1, 0], [len(yes), len(no)]),
        sample_weight=np.concatenate([(weights * labels)[yes], (weights * (1 - labels))[no]]),
    )
    return trees_of(model)


def cross_validate(examples: Sequence[Example], folds: int, config: TrainConfig) -> list[Outcome]:
    """Every page judged by a model of the pages of other sites."""
    parts = [split_of(item.gold.site, folds, "fold") for item in examples]
    outcomes = []
    for part in range(folds):
        seen, held = _divided(parts, part)
        model = ready(fit([examples[i] for i in seen], config))
        outcomes += [
            outcome(
                examples[i].gold, text_of(examples[i].page, judge(examples[i].page, model).chosen).decode()
            )
            for i in held
        ]
    return outcomes


def outcome(gold: GoldPage, text: str) -> Outcome:
    """How well `text` renders the page's main text."""
    if gold.text is None:
        return Outcome(gold, None, snippets_found(text, gold.wanted, gold.unwanted))
    return Outcome(gold, bag_f1(text, gold.text), None)


def table(outcomes: Iterable[Outcome]) -> list[tuple[str, int, float, float, float]]:
    """(set or page type, pages, F1, precision, recall): means over pages; snippets are pooled over a set."""
    groups: dict[str, list[Outcome]] = {}
    for item in outcomes:
        for name in {item.gold.collection, f"{item.gold.collection} {item.gold.kind}".strip()}:
            groups.setdefault(name, []).append(item)
    rows: list[tuple[str, int, float, float, float]] = []
    for name, group in sorted(groups.items()):
        known = [item.f1 for item in group if item.f1 is not None]
        if known:
            rows.append((name, len(known), *np.mean(known, axis=0).tolist()))
            continue
        hit, missed, false, _ = np.sum([item.snippets or (0, 0, 0, 0) for item in group], axis=0).tolist()
        precision, recall = hit / max(1, hit + false), hit / max(1, hit + missed)
        rows.append((name, len(group), 2 * hit / max(1, 2 * hit + missed + false), precision, recall))
    return rows


def main(arguments: list[str] | None = None) -> None:
    """Command line, as the module says."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.html.train_blocks")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--folds", type=int, default=0)
    parser.add_argument("--out", type=Path)
    given: Any = parser.parse_args(arguments)
    config = TrainConfig()
    examples = [example(gold, config) for gold in gold_pages(given.folder)]
    print(f"{len(examples)} pages, {sum(len(item.page.blocks) for item in examples)} blocks")
    if given.folds:
        for name, pages, *figures in table(cross_validate(examples, given.folds, config)):
            print(f"{name:28s} {pages:5d}  " + "  ".join(f"{figure:.3f}" for figure in figures))
    if given.out:
        given.out.write_bytes(dumps(fit(examples, config)))


if __name__ == "__main__":
    main()
