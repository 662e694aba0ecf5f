"""The quality classifier of GPT-3 (app. A): logistic regression, curated text against unfiltered crawl."""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from quality import features
from quality.evaluation import evaluate
from quality.examples import Examples, held_out
from quality.pareto import GPT3_ALPHA
from text.buffers import Texts, as_texts
from text.hashing import hash64
from text.words import segment

FORMAT = "gristmill quality classifier"
FORMAT_VERSION = 1
WEIGHTS_FILE = "weights.safetensors"
CARD_FILE = "classifier.json"
MIN_HELD_OUT = 10
_MAX_ITERATIONS = 1000


class ModelError(ValueError):
    """A saved classifier is absent, damaged or of another version."""


class FitConfig(BaseModel):
    """How the classifier is fitted and evaluated."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    held_out_share: float = Field(
        default=0.1,
        description="share of the examples kept from the fit to evaluate it, 0..1; 0 fits on all",
        ge=0,
        lt=1,
    )
    inverse_regularization: float = Field(
        default=10.0, description="scikit-learn's C: inverse strength of the L2 penalty", gt=0
    )
    pareto_alpha: float = Field(
        default=GPT3_ALPHA, description="alpha of the Pareto keep whose keep rates are reported", gt=0
    )
    seed: int = Field(default=1, description="seed of the held-out draw", ge=0)


class QualityClassifier:
    """P(curated) of a text: logistic regression on hashed word features, scored at memory speed.

    `fit` or `load` first. `card` says what the model is: feature scheme, scikit-learn's version, rows by
    class and source, held-out figures (None with a note where there were too few rows).
    """

    def __init__(self, config: FitConfig | None = None) -> None:
        self.config = config or FitConfig()
        self._weights: NDArray[np.float64] | None = None
        self._intercept = 0.0
        self._card: dict[str, Any] = {}

    @property
    def card(self) -> dict[str, Any]:
        """The model's metadata, JSON values only."""
        self._fitted()
        return self._card

    @property
    def digest(self) -> str:
        """128-bit xxh3 of the weights: equal models have equal digests."""
        return str(self.card["weights_digest"])

    def fit(self, positive: Examples | Texts, negative: Examples | Texts) -> "QualityClassifier":
        """Fit on curated (`positive`) and crawled (`negative`) texts; returns self.

        The classes weigh the same, whatever their sizes; the order of the rows does not matter. ValueError
        where a class is empty.
        """
        curated, crawled = Examples.of(positive), Examples.of(negative)
        for name, examples in (("positive (curated)", curated), ("negative (crawl)", crawled)):
            if not len(examples):
                raise ValueError(f"no {name} texts to fit on: add a source of that kind")
        masks, note = self._split(curated, crawled)
        model = _fit(curated.take(~masks[0]), crawled.take(~masks[1]), self.config)
        self._weights = np.ascontiguousarray(model.coef_[0], dtype=np.float64)
        self._intercept = float(model.intercept_[0])
        figures = None
        if note is None:
            scores = self.score(curated.take(masks[0])), self.score(crawled.take(masks[1]))
            figures = evaluate(*scores, self.config.pareto_alpha)
        self._card = _card(self.config, model, (curated, crawled), masks)
        self._card |= {"held_out": figures, "held_out_note": note}
        self._card["weights_digest"] = xxhash.xxh3_128_hexdigest(self._tensor_bytes())
        return self

    def score(self, texts: Texts) -> NDArray[np.float64]:
        """P(curated) of each text, float64 in 0..1; equals predict_proba on the same features within 1e-9."""
        weights = self._fitted()
        array = as_texts(texts)
        chunks = array.chunks if isinstance(array, pa.ChunkedArray) else [array]
        parts = [features.linear_scores(segment(chunk), weights, self._intercept) for chunk in chunks]
        return np.concatenate(parts) if parts else np.empty(0)

    def save(self, folder: str | Path) -> None:
        """Write weights (safetensors) and card (JSON) into a local `folder`, made where absent."""
        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        for name, data in self.to_files().items():
            (path / name).write_bytes(data)

    @classmethod
    def load(cls, folder: str | Path) -> "QualityClassifier":
        """Read what `save` wrote; ModelError where it is absent, damaged or of an unknown version."""
        files = {}
        for name in (WEIGHTS_FILE, CARD_FILE):
            path = Path(folder) / name
            if not path.is_file():
                raise ModelError(f"{path}: no such file; fit the classifier and save it there first")
            files[name] = path.read_bytes()
        return cls.from_files(files, str(folder))

    def to_files(self) -> dict[str, bytes]:
        """The files of a saved model by name, for storage of any kind."""
        card = json.dumps(self.card, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        return {WEIGHTS_FILE: self._tensor_bytes(), CARD_FILE: card.encode()}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes], where: str) -> "QualityClassifier":
        """A model from what `to_files` gave; `where` names it in a ModelError."""
        card = _checked_card(files[CARD_FILE], f"{where}/{CARD_FILE}")
        if xxhash.xxh3_128_hexdigest(files[WEIGHTS_FILE]) != card["weights_digest"]:
            raise ModelError(
                f"{where}/{WEIGHTS_FILE}: not the weights that {CARD_FILE} describes; "
                "fit the classifier again"
            )
        model = cls(FitConfig(**card["fit"]))
        model._weights, model._intercept = _tensors(files[WEIGHTS_FILE], f"{where}/{WEIGHTS_FILE}")
        model._card = card
        return model

    def _fitted(self) -> NDArray[np.float64]:
        if self._weights is None:
            raise ModelError("this classifier has no weights yet; call fit or load first")
        return self._weights

    def _tensor_bytes(self) -> bytes:
        from safetensors.numpy import save

        return bytes(save({"weights": self._fitted(), "intercept": np.array([self._intercept])}))

    def _split(
        self, positive: Examples, negative: Examples
    ) -> tuple[tuple[NDArray[np.bool_], NDArray[np.bool_]], str | None]:
        """Held-out rows of each class, or none and the reason why."""
        masks = held_out(positive, negative, self.config.held_out_share, self.config.seed)
        held = [int(mask.sum()) for mask in masks]
        left = [int((~mask).sum()) for mask in masks]
        if min(held) >= MIN_HELD_OUT and min(left) > 0:
            return masks, None
        note = (
            f"not evaluated, fitted on all rows: a held-out share of {self.config.held_out_share:g} gives "
            f"{held[0]} positive and {held[1]} negative rows, at least {MIN_HELD_OUT} of each are needed"
        )
        return (np.zeros(len(positive), np.bool_), np.zeros(len(negative), np.bool_)), note


def _fit(positive: pa.ChunkedArray, negative: pa.ChunkedArray, config: FitConfig) -> Any:
    """scikit-learn's fitted model; rows sorted by content in each class, as sums depend on their order."""
    from scipy import sparse
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    blocks = []
    for texts in (positive, negative):
        rows = sparse.vstack([features.csr(chunk) for chunk in texts.chunks], format="csr")
        order = np.argsort(np.concatenate([hash64(chunk) for chunk in texts.chunks]), kind="stable")
        blocks.append(rows[order])
    labels = np.repeat([1, 0], [len(positive), len(negative)])
    # liblinear took 0.5 s where lbfgs on raw counts took 11.5 s and had not converged. C = 10 had a better
    # ROC AUC and Brier score than 1 and 3 on each of three site-wise splits of news, articles and web text
    # against crawl.
    model = LogisticRegression(
        solver="liblinear",
        class_weight="balanced",
        C=config.inverse_regularization,
        max_iter=_MAX_ITERATIONS,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        return model.fit(sparse.vstack(blocks, format="csr"), labels)


def _card(
    config: FitConfig,
    model: Any,
    classes: tuple[Examples, Examples],
    masks: tuple[NDArray[np.bool_], NDArray[np.bool_]],
) -> dict[str, Any]:
    import sklearn

    rows = {}
    for name, examples, mask in zip(("positive", "negative"), classes, masks, strict=True):
        rows[name] = {
            "fitted": int((~mask).sum()),
            "held_out": int(mask.sum()),
            "fitted_by_source": examples.count_by_source(~mask),
            "held_out_by_source": examples.count_by_source(mask),
        }
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "features": _feature_scheme(),
        "scikit_learn": sklearn.__version__,
        "solver": "liblinear, class_weight balanced",
        "iterations": int(model.n_iter_[0]),
        "fit": config.model_dump(mode="json"),
        "rows": rows,
    }


def _feature_scheme() -> dict[str, Any]:
    return {"scheme": features.SCHEME, "version": features.SCHEME_VERSION, "buckets": features.BUCKETS}


def _checked_card(data: bytes, where: str) -> dict[str, Any]:
    try:
        card = json.loads(data)
    except ValueError as error:
        raise ModelError(f"{where}: not JSON ({error}); fit the classifier again") from None
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise ModelError(f"{where}: not the card of a {FORMAT}")
    for key, known in (("format_version", FORMAT_VERSION), ("features", _feature_scheme())):
        if card.get(key) != known:
            raise ModelError(
                f"{where}: '{key}' is {card.get(key)}, known is only {known}; fit the classifier again"
            )
    missing = [key for key in ("fit", "rows", "held_out", "weights_digest") if key not in card]
    if missing:
        raise ModelError(f"{where}: lacks {missing}; fit the classifier again")
    return card


def _tensors(data: bytes, where: str) -> tuple[NDArray[np.float64], float]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        tensors = load(data)
    except SafetensorError as error:
        raise ModelError(f"{where}: not a safetensors file ({error}); fit the classifier again") from None
    expected = {"weights": (features.BUCKETS,), "intercept": (1,)}
    found = {name: tensor.shape for name, tensor in tensors.items()}
    if found != expected or any(tensor.dtype != np.float64 for tensor in tensors.values()):
        raise ModelError(f"{where}: expected float64 {expected}, found {found}; fit the classifier again")
    if not all(np.isfinite(tensor).all() for tensor in tensors.values()):
        raise ModelError(f"{where}: weights are not finite; fit the classifier again")
    return tensors["weights"], float(tensors["intercept"][0])
