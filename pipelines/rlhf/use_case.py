"""A prompt's use case of InstructGPT's ten, told from its words and its look.

One logistic regression a category on hashed words, pairs of neighbouring words, and once more the first words, which
hold the order ("Summarize the following"), beside the marks of `pipelines.rlhf.use_case_marks`. Fitted on labelled
prompts that are handed in; the likeliest category is the answer, none where it is less probable than the config asks.
Accuracy is measured by cross-validation over groups of prompts that begin alike, by language.
"""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field
from scipy import sparse

from pipelines.engine import storage
from pipelines.rlhf import use_case_marks
from pipelines.rlhf.prefix_groups import prefixes
from pipelines.rlhf.use_case_labels import USE_CASES, canonical
from text.buffers import Texts, as_texts
from text.hashing import fmix64, uniform
from text.ngrams import ngrams
from text.words import segment

Floats = npt.NDArray[np.float64]

FORMAT = "gristmill use-case classifier"
FORMAT_VERSION = 2
WEIGHTS_FILE, CARD_FILE = "use_case.safetensors", "use_case.json"
BUCKET_BITS = 18
FIRST_WORDS = 4
MARK_SCALE = 0.1  # a row of words is of length 1
SURE = (0.5, 0.8, 0.9)
_BATCH = 1 << 16
_PAIR_SALT, _FIRST_SALT = np.uint64(0x51ED270B), np.uint64(0x2F0B4C47)
_MAX_ITERATIONS = 1000


class UseCaseConfig(BaseModel):
    """How the classifier is fitted and measured."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    inverse_regularization: float = Field(
        default=10.0, description="scikit-learn's C: inverse strength of the L2 penalty", gt=0
    )
    folds: int = Field(default=5, description="parts of the cross-validation", ge=2, le=20)
    seed: int = Field(default=0, description="seed of the draw of the folds")
    min_probability: float = Field(
        default=0.0,
        description="a prompt whose likeliest use case is less probable has none, 0..1; the card says what accuracy "
        "the surest have",
        ge=0,
        le=1,
    )


class UseCaseClassifier:
    """Ten linear models over the same features; make it with `fit` or `load`."""

    def __init__(self, weights: Floats, intercepts: Floats, card: dict[str, Any]) -> None:
        self._weights = weights  # [categories, buckets]
        self._intercepts = intercepts
        self.card = card

    def scores(self, texts: Texts) -> Floats:
        """Probability of each category, float64[n, 10] in the order of USE_CASES; a row's sum is 1."""
        whole = as_texts(texts)
        parts = [whole.slice(start, _BATCH) for start in range(0, len(whole), _BATCH)]
        found = [_probabilities(features(part) @ self._weights.T + self._intercepts) for part in parts]
        return np.concatenate([np.empty((0, len(USE_CASES))), *found])

    def predict(self, texts: Texts) -> pa.StringArray:
        """The likeliest category of each text, the first in the order of USE_CASES where two are equal.

        Null where it is less probable than the min_probability that the classifier was fitted with.
        """
        scores = self.scores(texts)
        likeliest = scores.argmax(axis=1)
        unsure = scores.max(axis=1, initial=0) < self.card["fit"]["min_probability"]
        return pa.array(USE_CASES, pa.string()).take(pa.array(likeliest, mask=unsure))

    def save(self, folder: str) -> None:
        """Write the weights of the buckets in use (safetensors) and the card (JSON)."""
        from safetensors.numpy import save

        used = np.flatnonzero(np.any(self._weights != 0, axis=0))
        tensors = {
            "buckets": used.astype(np.int64),
            "weights": np.ascontiguousarray(self._weights[:, used]),
            "intercepts": self._intercepts,
        }
        storage.write_bytes(storage.join(folder, WEIGHTS_FILE), save(tensors))
        card = json.dumps(self.card, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        storage.write_bytes(storage.join(folder, CARD_FILE), card.encode())


def load(folder: str | Path) -> UseCaseClassifier:
    """What `save` wrote; ValueError where it is absent or of another form or version."""
    from safetensors.numpy import load as load_tensors

    path = storage.join(str(folder), CARD_FILE)
    if not storage.exists(path):
        raise ValueError(f"{path}: no such file; fit the use-case classifier and save it there first")
    card = json.loads(storage.read_bytes(path))
    expected = _form()
    found = {key: card.get(key) for key in expected}
    if found != expected:
        raise ValueError(f"{path}: expected {expected}, found {found}; fit the classifier again")
    tensors = load_tensors(storage.read_bytes(storage.join(str(folder), WEIGHTS_FILE)))
    weights = np.zeros((len(USE_CASES), _columns()))
    weights[:, tensors["buckets"]] = tensors["weights"]
    return UseCaseClassifier(weights, tensors["intercepts"], card)


def _form() -> dict[str, Any]:
    """What a saved classifier must agree on with this code."""
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "use_cases": list(USE_CASES),
        "marks": use_case_marks.names(),
    }


def fit(examples: pa.Table, config: UseCaseConfig) -> UseCaseClassifier:
    """Fit on a table of `text`, `label` (a source's or one of USE_CASES) and `language`, with an optional `group`.

    Rows without a declared label are left out. The card holds the cross-validated figures of `cross_validate`.
    ValueError where fewer than two categories are left. The order of rows does not matter.
    """
    rows = _labelled(examples)
    matrix, target = features(rows["text"]), _targets(rows)
    weights, intercepts = _fit(matrix, target, config)
    counts = {name: int((target == number).sum()) for number, name in enumerate(USE_CASES)}
    card = {
        **_form(),
        "fit": config.model_dump(mode="json"),
        "examples": counts,
        "cross_validation": cross_validate(examples, config),
    }
    return UseCaseClassifier(weights, intercepts, card)


def cross_validate(examples: pa.Table, config: UseCaseConfig) -> dict[str, Any]:
    """Figures on prompts that the fit has not seen, by language ("all" for all together).

    Each has `n`, `accuracy`, `majority` (what the commonest category alone would reach), `macro_recall` over the
    categories that occur, `recall`, `precision` and `examples` by category, and under `surest`, for shares of the
    prompts, the accuracy on the most probable ones with the probability that they begin at. Prompts that begin alike,
    and rows of one `group`, are never on both sides.
    """
    rows = _labelled(examples)
    target = _targets(rows)
    fold = (uniform(_groups(rows), config.seed, "use case folds") * config.folds).astype(np.int64)
    matrix = features(rows["text"])
    scores = np.full((len(target), len(USE_CASES)), 1 / len(USE_CASES))
    for number in range(config.folds):
        held = fold == number
        if held.any() and len(np.unique(target[~held])) > 1:
            weights, intercepts = _fit(matrix[~held], target[~held], config)
            scores[held] = _probabilities(np.asarray(matrix[held] @ weights.T + intercepts))
    languages = np.asarray(pc.fill_null(rows["language"], "und").to_numpy(zero_copy_only=False))
    figures = {"all": _figures(target, scores)}
    for language in np.unique(languages).tolist():
        figures[language] = _figures(target[languages == language], scores[languages == language])
    return figures


def _probabilities(logits: Floats) -> Floats:
    """Softmax of each row."""
    odds = np.exp(np.asarray(logits) - np.max(logits, axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def use_cases(
    labels: pa.Array | pa.ChunkedArray, texts: pa.Array, classifier: UseCaseClassifier | None
) -> pa.StringArray:
    """The category of each prompt: what its source says, else what the classifier does; null without either."""
    known = canonical(labels)
    unknown = np.flatnonzero(np.asarray(pc.is_null(known)))
    if classifier is None or not len(unknown):
        return known
    predicted = classifier.predict(texts.take(pa.array(unknown)))
    return pc.replace_with_mask(known, pc.is_null(known), predicted)


def features(texts: Texts) -> sparse.csr_matrix:
    """float64 CSR of shape (n, 2^18 + marks): log1p of words' counts, rows of unit length; then the scaled marks.

    The words of a text without words are zeros.
    """
    words = segment(as_texts(texts))
    counts = np.diff(words.offsets)
    row = np.repeat(np.arange(len(counts)), counts)
    first = np.arange(len(row)) - words.offsets[:-1][row] < FIRST_WORDS
    pairs = ngrams(words, 2)
    pair_row = np.repeat(np.arange(len(counts)), np.diff(pairs.offsets))
    hashes = np.concatenate(
        [words.hashes, fmix64(pairs.hashes ^ _PAIR_SALT), fmix64(words.hashes[first] ^ _FIRST_SALT)]
    )
    rows = np.concatenate([row, pair_row, row[first]])
    buckets = (hashes >> np.uint64(64 - BUCKET_BITS)).astype(np.int64)
    matrix = sparse.csr_matrix(
        (np.ones(len(rows)), (rows, buckets)), shape=(len(counts), 1 << BUCKET_BITS), dtype=np.float64
    )
    matrix.sum_duplicates()
    matrix.data = np.log1p(matrix.data)
    norms = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).reshape(-1))
    matrix.data /= np.repeat(norms, np.diff(matrix.indptr))
    seen = use_case_marks.marks(as_texts(texts)) * MARK_SCALE
    return sparse.hstack([matrix, sparse.csr_matrix(seen)], format="csr")


def _columns() -> int:
    return (1 << BUCKET_BITS) + len(use_case_marks.names())


def _labelled(examples: pa.Table) -> pa.Table:
    """Rows whose label is declared, with it as `use_case`, in an order of their content."""
    table = examples.append_column("use_case", canonical(examples["label"]))
    table = table.filter(pc.is_valid(table["use_case"]))
    if len(table["use_case"].unique()) < 2:
        raise ValueError(
            f"labelled examples hold {len(table['use_case'].unique())} use cases, expected at least 2: hand in "
            "prompts with labels that pipelines.rlhf.use_case_labels declares"
        )
    return table.sort_by([("text", "ascending"), ("use_case", "ascending")])


def _targets(rows: pa.Table) -> npt.NDArray[np.int64]:
    return np.asarray(pc.index_in(rows["use_case"], value_set=pa.array(USE_CASES))).astype(np.int64)


def _groups(rows: pa.Table) -> pa.Array:
    """What a row is held out by: its group, else the words that it begins with."""
    keys = prefixes(rows["text"].combine_chunks(), 8).keys
    begins = pa.array(keys).cast(pa.string())
    if "group" not in rows.column_names:
        return begins
    return pc.coalesce(rows["group"].combine_chunks(), begins)


def _fit(
    matrix: sparse.csr_matrix, target: npt.NDArray[np.int64], config: UseCaseConfig
) -> tuple[Floats, Floats]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    # Of a million prompts most buckets are in use, of a thousand few: the rest would only be carried along.
    used = np.unique(matrix.indices)
    matrix = matrix[:, used]
    weights = np.zeros((len(USE_CASES), _columns()))
    # A category without examples is never the likeliest.
    intercepts = np.full(len(USE_CASES), -30.0)
    for number in np.unique(target).tolist():
        model = LogisticRegression(
            solver="liblinear",
            dual=True,  # far fewer examples than features: 20 times as fast as the primal, the same accuracy
            class_weight="balanced",
            C=config.inverse_regularization,
            max_iter=_MAX_ITERATIONS,
            random_state=0,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("error", ConvergenceWarning)
            model.fit(matrix, target == number)
        weights[number, used], intercepts[number] = model.coef_[0], model.intercept_[0]
    return weights, intercepts


def _figures(target: npt.NDArray[np.int64], scores: Floats) -> dict[str, Any]:
    predicted, probability = scores.argmax(axis=1), scores.max(axis=1)
    right = target == predicted
    present = np.unique(target).tolist()
    recall = {USE_CASES[number]: float(right[target == number].mean()) for number in present}
    precision = {
        USE_CASES[number]: float(right[predicted == number].mean()) if (predicted == number).any() else None
        for number in present
    }
    surest = np.argsort(-probability, kind="stable")
    return {
        "n": len(target),
        "accuracy": float(right.mean()),
        "majority": float(np.bincount(target).max() / len(target)),
        "macro_recall": float(np.mean(list(recall.values()))),
        "recall": recall,
        "precision": precision,
        "examples": {USE_CASES[number]: int((target == number).sum()) for number in present},
        "surest": [
            {
                "share": share,
                "accuracy": float(right[surest[:n]].mean()),
                "probability": float(probability[surest[n - 1]]),
            }
            for share in SURE
            if (n := round(share * len(target)))
        ],
    }
