"""Toxicity as one more number a document: any scorer of the user's, with two built in.

A scorer has a `name`, a `version` and `score(texts)`, larger being worse. `listed_words` gives the share of a text's
words that stand in the user's word lists; `classifier` is logistic regression on hashed words, trained by `fit` on
the user's labelled texts (the same model as the quality classifier, toxic texts being the positive class). No
list, label or model comes with this project: what counts as toxic is the user's to say.
"""

import importlib
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from quality.classifiers.examples import Examples
from quality.classifiers.logistic_regression import FitConfig, QualityClassifier
from quality.word_lists import SIGNALS, WordListConfig, WordLists
from text.buffers import Texts

REASON = "toxicity"


class ToxicityConfig(BaseModel):
    """Which scorer runs and the score from which a document goes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scorer: Literal["off", "listed_words", "classifier", "python"] = Field(
        default="off",
        description="off; share of listed words; a trained classifier; a function of the user's",
    )
    word_lists: WordListConfig = Field(default=WordListConfig(), description="lists of scorer 'listed_words'")
    model: str | None = Field(
        default=None, description="local folder of the trained model of scorer 'classifier'"
    )
    function: str | None = Field(
        default=None,
        description="module:name of a call without arguments that returns the scorer of 'python'",
    )
    max_score: float = Field(default=0.5, description="largest score of a document that stays", ge=0)


@runtime_checkable
class ToxicityScorer(Protocol):
    """What scores texts; `name` and `version` go into the signal's name and the stage's fingerprint."""

    @property
    def name(self) -> str:
        """Short name, a Python identifier."""

    @property
    def version(self) -> str:
        """Changes whenever the scores may."""

    def score(self, texts: Texts) -> NDArray[np.float64]:
        """One number a text, larger is worse; the same text has the same score in any company."""


class ListedWordDensity:
    """Share of a text's words at which a listed word or phrase begins, 0..1; every list in every language."""

    name = "listed_words"
    version = "1"

    def __init__(self, lists: WordLists) -> None:
        self._lists = lists

    def score(self, texts: Texts) -> NDArray[np.float64]:
        """Matches / words of each text, float64; 0 for a text without words."""
        return np.asarray(self._lists.signals(texts)[SIGNALS[1]], np.float64)


class ClassifierScorer:
    """P(toxic) by a trained classifier, 0..1; the version is the digest of its weights."""

    name = "classifier"

    def __init__(self, model: QualityClassifier) -> None:
        self._model = model
        self.version = model.digest

    def score(self, texts: Texts) -> NDArray[np.float64]:
        """P(toxic) of each text, float64."""
        return self._model.score(texts)


def fit(
    toxic: Examples | Texts, clean: Examples | Texts, config: FitConfig | None = None
) -> QualityClassifier:
    """A classifier of toxic texts (positive) against clean ones; its card holds the held-out figures."""
    return QualityClassifier(config).fit(toxic, clean)


def load_scorer(config: ToxicityConfig) -> ToxicityScorer | None:
    """The scorer that the config names, None for 'off'; ValueError where its key is missing, TypeError where a
    function gives no scorer."""
    if config.scorer == "off":
        return None
    if config.scorer == "listed_words":
        if not config.word_lists.files:
            raise ValueError("word_lists.files: empty; the scorer 'listed_words' needs one list at least")
        return ListedWordDensity(WordLists(config.word_lists))
    if config.scorer == "classifier":
        if config.model is None:
            raise ValueError("model: not set; the scorer 'classifier' needs the folder of a trained model")
        return ClassifierScorer(QualityClassifier.load(config.model))
    return _from_function(config.function)


def signals(scorer: ToxicityScorer, texts: Texts) -> pa.RecordBatch:
    """Column toxicity (float32) of the texts; ValueError where the scorer does not give one finite number a text."""
    scores = np.asarray(scorer.score(texts), np.float64)
    if scores.shape != (len(texts),) or not np.isfinite(scores).all():
        raise ValueError(
            f"scorer '{scorer.name}' gave an array of shape {scores.shape} for {len(texts)} texts; "
            "expected one finite number a text"
        )
    return pa.record_batch([pa.array(scores.astype(np.float32))], names=["toxicity"])


def _from_function(path: str | None) -> ToxicityScorer:
    module, _, name = (path or "").partition(":")
    if not module or not name:
        raise ValueError(f"function: '{path}', expected module:name for the scorer 'python'")
    made = getattr(importlib.import_module(module), name)()
    if not isinstance(made, ToxicityScorer):
        raise TypeError(
            f"function: {path} gave a {type(made).__name__}; a scorer has name, version and score(texts)"
        )
    return made
