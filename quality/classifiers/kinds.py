"""The kinds of quality classifier: fitted by name or by which is better, loaded by what the card says."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from quality.classifiers.base import (
    CARD_FILE,
    Classifier,
    FitConfig,
    ModelError,
    kind_of,
    read_card,
    read_files,
)
from quality.classifiers.examples import Examples, Split, split_examples
from quality.classifiers.fasttext_classifier import FastTextClassifier
from quality.classifiers.fasttext_training import FastTextConfig
from quality.classifiers.logistic_regression import QualityClassifier

Choice = Literal["logistic_regression", "fasttext", "best"]
KINDS: dict[str, type[Classifier]] = {kind.kind: kind for kind in (QualityClassifier, FastTextClassifier)}


def fit(
    positive: Examples,
    negative: Examples,
    choice: Choice = "logistic_regression",
    config: FitConfig | None = None,
    fasttext: FastTextConfig | None = None,
    split: Split | None = None,
) -> Classifier:
    """A fitted classifier; `best` fits one of each kind on one split and keeps that of the higher held-out ROC AUC.

    Of equals, and where nothing is held out, it keeps logistic regression, the paper's. The card's `chosen`
    holds the held-out figures of all that were compared; being chosen on them, the winner's are a little
    too good. ValueError where a class is empty.
    """
    chosen = config or FitConfig()
    if choice == "logistic_regression":
        return QualityClassifier(chosen).fit(positive, negative, split)
    if choice == "fasttext":
        return FastTextClassifier(chosen, fasttext).fit(positive, negative, split)
    split = split or split_examples(positive, negative, chosen.held_out_share, chosen.seed)
    plain = QualityClassifier(chosen).fit(positive, negative, split)
    if split.note is not None:
        plain.note(chosen={"by": None, "note": f"nothing to compare on: {split.note}", "candidates": {}})
        return plain
    candidates = [plain, FastTextClassifier(chosen, fasttext).fit(positive, negative, split)]
    # max() keeps the first of equals.
    best = max(candidates, key=lambda model: model.card["held_out"]["roc_auc"])
    figures: dict[str, Any] = {model.kind: model.card["held_out"] for model in candidates}
    best.note(chosen={"by": "held-out roc_auc", "note": None, "candidates": figures})
    return best


def load(folder: str | Path) -> Classifier:
    """The model in a local folder, of whatever kind; ModelError where there is none that can be used."""
    files = read_files(folder)
    return _class_of(files, str(folder)).load(folder)


def from_files(files: Mapping[str, bytes], where: str) -> Classifier:
    """A model from the files of its folder by name; `where` names it in a ModelError."""
    return _class_of(files, where).from_files(files, where)


def _class_of(files: Mapping[str, bytes], where: str) -> type[Classifier]:
    kind = kind_of(read_card(files[CARD_FILE], f"{where}/{CARD_FILE}"))
    if kind not in KINDS:
        raise ModelError(f"{where}/{CARD_FILE}: 'kind' is '{kind}', known are {sorted(KINDS)}")
    return KINDS[kind]
