"""The quality classifier of DCLM (Li et al. 2024): fastText on words and word bigrams, curated text against crawl."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

from quality.classifiers.base import (
    WEIGHTS_FILE,
    Classifier,
    FitConfig,
    Kind,
    ModelError,
    Tensors,
    not_fitted,
    read_files,
)
from quality.classifiers.fasttext_scores import LINE_END, FastTextScorer, LinearFastText
from quality.classifiers.fasttext_training import FastTextConfig, train
from quality.classifiers.words import MIN_DOCUMENTS, top_words

BINARY_FILE = "fasttext.bin"
SCHEME = "fastText on folded text.words, words and word n-grams"
SCHEME_VERSION = 1
_TYPES = {"words": np.uint8, "word_weights": np.float64, "ngram_weights": np.float64}


class FastTextClassifier(Classifier):
    """P(curated) of a text by fastText; its scores equal fastText's own within single precision.

    What is stored and scored is the linear model that two classes come to (quality.classifiers.fasttext_scores), in
    safetensors' form. With `keep_binary` fastText's own file stands beside it for other programs, which must
    be given the lines of quality.classifiers.fasttext_words.
    """

    kind: ClassVar[Kind] = "fasttext"

    def __init__(self, config: FitConfig | None = None, fasttext: FastTextConfig | None = None) -> None:
        super().__init__(config)
        self.fasttext = fasttext or FastTextConfig()
        self._model: LinearFastText | None = None
        self._scorer: FastTextScorer | None = None
        self._binary: bytes | None = None

    @classmethod
    def feature_scheme(cls) -> dict[str, Any]:
        """Scheme and version; sizes are in the card's `fasttext`."""
        return {"scheme": SCHEME, "version": SCHEME_VERSION}

    def to_files(self) -> dict[str, bytes]:
        """The files of a saved model by name, fastText's own among them where it is kept."""
        files = super().to_files()
        return files if self._binary is None else files | {BINARY_FILE: self._binary}

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read what `save` wrote, and check fastText's own file where it stands there."""
        files = read_files(folder)
        binary = Path(folder) / BINARY_FILE
        if binary.is_file():
            files[BINARY_FILE] = binary.read_bytes()
        return cls.from_files(files, str(folder))

    @classmethod
    def from_files(cls, files: Mapping[str, bytes], where: str) -> Self:
        """A model from what `to_files` gave; fastText's own file is checked where it is given."""
        model = super().from_files(files, where)
        binary = files.get(BINARY_FILE)
        if binary is not None and xxhash.xxh3_128_hexdigest(binary) != model.card["binary_digest"]:
            raise ModelError(f"{where}/{BINARY_FILE}: not the file that the card describes; fit again")
        model._binary = binary
        return model

    def _fit(self, positive: pa.ChunkedArray, negative: pa.ChunkedArray) -> dict[str, Any]:
        trained = train(positive, negative, self.fasttext)
        self._take_model(trained.model)
        self._binary = trained.binary
        common = trained.word_counts >= MIN_DOCUMENTS
        common &= np.array([word != LINE_END for word in trained.model.words], np.bool_)
        named = [word for word, known in zip(trained.model.words, common, strict=True) if known]
        return {
            "fasttext": self.fasttext.model_dump(mode="json"),
            "n_words": len(trained.model.words),
            "balance": {
                "method": "rows of the smaller class repeated",
                "positive_rows": len(positive),
                "negative_rows": len(negative),
                "lines_of_a_class": trained.lines_of_a_class,
            },
            "binary_digest": None if trained.binary is None else xxhash.xxh3_128_hexdigest(trained.binary),
            "top_words": top_words(named, trained.model.word_weights[common]),
        }

    def _score_chunk(self, texts: pa.Array) -> NDArray[np.float64]:
        if self._scorer is None:
            raise not_fitted()
        return self._scorer.score(texts)

    def _is_fitted(self) -> bool:
        return self._model is not None

    def _take_model(self, model: LinearFastText) -> None:
        self._model, self._scorer = model, FastTextScorer(model)

    def _tensors(self) -> Tensors:
        if self._model is None:
            raise not_fitted()
        # Words have no line breaks: they are letters, marks and numbers.
        words = np.frombuffer("\n".join(self._model.words).encode(), np.uint8)
        return {
            "words": words,
            "word_weights": self._model.word_weights,
            "ngram_weights": self._model.ngram_weights,
        }

    def _take_tensors(self, tensors: Tensors, where: str) -> None:
        told = {name: (tensor.dtype, tensor.ndim) for name, tensor in tensors.items()}
        if told != {name: (np.dtype(kind), 1) for name, kind in _TYPES.items()}:
            raise ModelError(f"{where}/{WEIGHTS_FILE}: expected {sorted(_TYPES)}, found {told}; fit again")
        try:
            words = tensors["words"].tobytes().decode().split("\n") if len(tensors["words"]) else []
            if len(words) != len(tensors["word_weights"]):
                raise ValueError(f"{len(words)} words but {len(tensors['word_weights'])} weights of words")
            self._take_model(
                LinearFastText(
                    words, tensors["word_weights"], tensors["ngram_weights"], self.fasttext.word_ngrams
                )
            )
        except ValueError as error:
            raise ModelError(f"{where}/{WEIGHTS_FILE}: {error}; fit the classifier again") from None

    @classmethod
    def _check_card(cls, card: dict[str, Any], where: str) -> None:
        super()._check_card(card, where)
        missing = [key for key in ("fasttext", "binary_digest") if key not in card]
        if missing:
            raise ModelError(f"{where}: lacks {missing}; fit the classifier again")

    @classmethod
    def _of_card(cls, card: dict[str, Any]) -> Self:
        return cls(FitConfig(**card["fit"]), FastTextConfig(**card["fasttext"]))
