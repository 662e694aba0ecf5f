"""The quality classifier of GPT-3 (app. A): logistic regression, curated text against unfiltered crawl."""

import warnings
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from quality.classifiers import features
from quality.classifiers.base import (
    CARD_FILE,
    WEIGHTS_FILE,
    Classifier,
    FitConfig,
    Kind,
    ModelError,
    Tensors,
    not_fitted,
)
from quality.classifiers.words import top_buckets
from text.hashing import hash64
from text.words import segment

__all__ = ["CARD_FILE", "WEIGHTS_FILE", "FitConfig", "ModelError", "QualityClassifier"]

_MAX_ITERATIONS = 1000


class QualityClassifier(Classifier):
    """P(curated) of a text: logistic regression on hashed word features, scored at memory speed.

    Its scores equal predict_proba on the same features within 1e-9. The classes are balanced by
    class_weight: the loss of a class counts the same, whatever its size.
    """

    kind: ClassVar[Kind] = "logistic_regression"

    def __init__(self, config: FitConfig | None = None) -> None:
        super().__init__(config)
        self._weights: NDArray[np.float64] | None = None
        self._intercept = 0.0

    @classmethod
    def feature_scheme(cls) -> dict[str, Any]:
        """Scheme, version and buckets of quality.classifiers.features."""
        return {"scheme": features.SCHEME, "version": features.SCHEME_VERSION, "buckets": features.BUCKETS}

    def _fit(self, positive: pa.ChunkedArray, negative: pa.ChunkedArray) -> dict[str, Any]:
        import sklearn

        blocks = [_rows(texts) for texts in (positive, negative)]
        model = _solve(blocks, self.config)
        self._weights = np.ascontiguousarray(model.coef_[0], dtype=np.float64)
        self._intercept = float(model.intercept_[0])
        in_documents = np.bincount(
            np.concatenate([block.indices for block in blocks]), minlength=features.BUCKETS
        ).astype(np.int64)
        sizes = len(positive), len(negative)
        return {
            "scikit_learn": sklearn.__version__,
            "solver": "liblinear, class_weight balanced",
            "iterations": int(model.n_iter_[0]),
            "balance": {
                "method": "class_weight",
                "positive_weight": sum(sizes) / (2 * sizes[0]),
                "negative_weight": sum(sizes) / (2 * sizes[1]),
            },
            "top_words": top_buckets(self._weights, in_documents, [*positive.chunks, *negative.chunks]),
        }

    def _score_chunk(self, texts: pa.Array) -> NDArray[np.float64]:
        return features.linear_scores(segment(texts), self._known_weights(), self._intercept)

    def _is_fitted(self) -> bool:
        return self._weights is not None

    def _known_weights(self) -> NDArray[np.float64]:
        if self._weights is None:
            raise not_fitted()
        return self._weights

    def _tensors(self) -> Tensors:
        return {"weights": self._known_weights(), "intercept": np.array([self._intercept])}

    def _take_tensors(self, tensors: Tensors, where: str) -> None:
        expected = {"weights": (features.BUCKETS,), "intercept": (1,)}
        found = {name: tensor.shape for name, tensor in tensors.items()}
        if found != expected or any(tensor.dtype != np.float64 for tensor in tensors.values()):
            raise ModelError(
                f"{where}/{WEIGHTS_FILE}: expected float64 {expected}, found {found}; fit the classifier again"
            )
        self._weights, self._intercept = tensors["weights"], float(tensors["intercept"][0])


def _rows(texts: pa.ChunkedArray) -> Any:
    """Feature rows sorted by content, as sums depend on their order."""
    from scipy import sparse

    rows = sparse.vstack([features.csr(chunk) for chunk in texts.chunks], format="csr")
    order = np.argsort(np.concatenate([hash64(chunk) for chunk in texts.chunks]), kind="stable")
    return rows[order]


def _solve(blocks: list[Any], config: FitConfig) -> Any:
    """scikit-learn's fitted model of a positive and a negative block of rows."""
    from scipy import sparse
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    labels = np.repeat([1, 0], [block.shape[0] for block in blocks])
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
