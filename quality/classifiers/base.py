"""What every quality classifier has in common: how it is split, evaluated, described and stored.

A saved model is a JSON card beside tensors in safetensors' form: nothing in it is executed when it is read. The card
says what the model is and what it could do on rows that it had not seen, and holds a digest of the tensors.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from quality.classifiers.evaluation import evaluate
from quality.classifiers.examples import Examples, Split, split_examples
from quality.pareto import GPT3_ALPHA
from text.buffers import Texts, as_texts

FORMAT = "gristmill quality classifier"
FORMAT_VERSION = 1
WEIGHTS_FILE = "weights.safetensors"
CARD_FILE = "classifier.json"

Kind = Literal["logistic_regression", "fasttext"]
Tensors = dict[str, NDArray[Any]]


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


class Classifier(ABC):
    """P(curated) of a text; `fit` or `load` first.

    `card` says what the model is: kind, features, rows by class and source, how the classes are balanced, the
    words that weigh most, held-out figures (None with a note where there were too few rows).
    """

    kind: ClassVar[Kind]

    def __init__(self, config: FitConfig | None = None) -> None:
        self.config = config or FitConfig()
        self._card: dict[str, Any] = {}

    @property
    def card(self) -> dict[str, Any]:
        """The model's metadata, JSON values only."""
        self._require_fitted()
        return self._card

    @property
    def digest(self) -> str:
        """128-bit xxh3 of the weights: equal models have equal digests."""
        return str(self.card["weights_digest"])

    def fit(self, positive: Examples | Texts, negative: Examples | Texts, split: Split | None = None) -> Self:
        """Fit on curated (`positive`) and crawled (`negative`) texts; returns self.

        The classes weigh the same, whatever their sizes; the order of the rows does not matter. `split` says
        what is held out, else it is drawn by the config. ValueError where a class is empty.
        """
        curated, crawled = Examples.of(positive), Examples.of(negative)
        for name, examples in (("positive (curated)", curated), ("negative (crawl)", crawled)):
            if not len(examples):
                raise ValueError(f"no {name} texts to fit on: add a source of that kind")
        parts = split or split_examples(curated, crawled, self.config.held_out_share, self.config.seed)
        learned = self._fit(curated.take(~parts.positive), crawled.take(~parts.negative))
        figures = None
        if parts.note is None:
            scores = self.score(curated.take(parts.positive)), self.score(crawled.take(parts.negative))
            figures = evaluate(*scores, self.config.pareto_alpha)
        self._card = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "kind": self.kind,
            "features": self.feature_scheme(),
            "fit": self.config.model_dump(mode="json"),
            "rows": parts.counts(curated, crawled),
            **learned,
            "held_out": figures,
            "held_out_note": parts.note,
            "weights_digest": xxhash.xxh3_128_hexdigest(self._tensor_bytes()),
        }
        return self

    def score(self, texts: Texts) -> NDArray[np.float64]:
        """P(curated) of each text, float64 in 0..1."""
        self._require_fitted()
        array = as_texts(texts)
        chunks = array.chunks if isinstance(array, pa.ChunkedArray) else [array]
        parts = [self._score_chunk(chunk) for chunk in chunks]
        return np.concatenate(parts) if parts else np.empty(0)

    def note(self, **told: Any) -> None:
        """Add JSON values to the card; the digest does not change."""
        self._card = self.card | told

    def save(self, folder: str | Path) -> None:
        """Write weights (safetensors) and card (JSON) into a local `folder`, made where absent."""
        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        for name, data in self.to_files().items():
            (path / name).write_bytes(data)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read what `save` wrote; ModelError where it is absent, damaged or of an unknown version."""
        return cls.from_files(read_files(folder), str(folder))

    def to_files(self) -> dict[str, bytes]:
        """The files of a saved model by name, for storage of any kind."""
        card = json.dumps(self.card, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        return {WEIGHTS_FILE: self._tensor_bytes(), CARD_FILE: card.encode()}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes], where: str) -> Self:
        """A model from what `to_files` gave; `where` names it in a ModelError."""
        card = read_card(files[CARD_FILE], f"{where}/{CARD_FILE}")
        cls._check_card(card, f"{where}/{CARD_FILE}")
        if xxhash.xxh3_128_hexdigest(files[WEIGHTS_FILE]) != card["weights_digest"]:
            raise ModelError(
                f"{where}/{WEIGHTS_FILE}: not the weights that {CARD_FILE} describes; "
                "fit the classifier again"
            )
        model = cls._of_card(card)
        model._take_tensors(read_tensors(files[WEIGHTS_FILE], f"{where}/{WEIGHTS_FILE}"), where)
        model._card = card
        return model

    @classmethod
    @abstractmethod
    def feature_scheme(cls) -> dict[str, Any]:
        """What the features are: a model of other features is another model."""

    @abstractmethod
    def _fit(self, positive: pa.ChunkedArray, negative: pa.ChunkedArray) -> dict[str, Any]:
        """Fit on these rows; what the card says of it."""

    @abstractmethod
    def _score_chunk(self, texts: pa.Array) -> NDArray[np.float64]:
        """P(curated) of the texts of one chunk."""

    @abstractmethod
    def _is_fitted(self) -> bool: ...

    @abstractmethod
    def _tensors(self) -> Tensors: ...

    @abstractmethod
    def _take_tensors(self, tensors: Tensors, where: str) -> None:
        """Become the model of these tensors; ModelError where they are not those of such a model."""

    @classmethod
    def _of_card(cls, card: dict[str, Any]) -> Self:
        return cls(FitConfig(**card["fit"]))

    @classmethod
    def _check_card(cls, card: dict[str, Any], where: str) -> None:
        """ModelError unless this class can score by the model that the card describes."""
        if kind_of(card) != cls.kind:
            raise ModelError(f"{where}: 'kind' is '{kind_of(card)}', expected '{cls.kind}'")
        for key, known in (("format_version", FORMAT_VERSION), ("features", cls.feature_scheme())):
            if card.get(key) != known:
                raise ModelError(
                    f"{where}: '{key}' is {card.get(key)}, known is only {known}; fit the classifier again"
                )
        missing = [key for key in ("fit", "rows", "held_out", "weights_digest") if key not in card]
        if missing:
            raise ModelError(f"{where}: lacks {missing}; fit the classifier again")

    def _require_fitted(self) -> None:
        if not self._is_fitted():
            raise not_fitted()

    def _tensor_bytes(self) -> bytes:
        from safetensors.numpy import save

        self._require_fitted()
        return bytes(save(self._tensors()))


def not_fitted() -> ModelError:
    """What is raised where a model is asked before it has weights."""
    return ModelError("this classifier has no weights yet; call fit or load first")


def kind_of(card: Mapping[str, Any]) -> str:
    """The kind of model that a card describes; cards from before there were kinds are of logistic regression."""
    return str(card.get("kind", "logistic_regression"))


def read_files(folder: str | Path) -> dict[str, bytes]:
    """The files of a saved model in a local folder; ModelError names the one that is absent."""
    files = {}
    for name in (WEIGHTS_FILE, CARD_FILE):
        path = Path(folder) / name
        if not path.is_file():
            raise ModelError(f"{path}: no such file; fit the classifier and save it there first")
        files[name] = path.read_bytes()
    return files


def read_card(data: bytes, where: str) -> dict[str, Any]:
    """A card from its JSON; ModelError where it is none."""
    try:
        card = json.loads(data)
    except ValueError as error:
        raise ModelError(f"{where}: not JSON ({error}); fit the classifier again") from None
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise ModelError(f"{where}: not the card of a {FORMAT}")
    return card


def read_tensors(data: bytes, where: str) -> Tensors:
    """Tensors from safetensors' form; ModelError where they are damaged or not finite."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        tensors: Tensors = load(data)
    except SafetensorError as error:
        raise ModelError(f"{where}: not a safetensors file ({error}); fit the classifier again") from None
    if not all(np.isfinite(tensor).all() for tensor in tensors.values()):
        raise ModelError(f"{where}: weights are not finite; fit the classifier again")
    return tensors
