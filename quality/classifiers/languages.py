"""One quality model of several classifiers: a general one, and one for each language that has enough examples."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash
from numpy.typing import NDArray

from quality.classifiers import kinds as classifier_kinds
from quality.classifiers.base import CARD_FILE, WEIGHTS_FILE, Classifier, FitConfig, ModelError, read_card
from quality.classifiers.examples import Examples, Split, split_examples
from quality.classifiers.fasttext_training import FastTextConfig
from quality.classifiers.kinds import Choice
from text.buffers import Texts, as_texts

LANGUAGES_FOLDER = "languages"
_FILES = (WEIGHTS_FILE, CARD_FILE)


class QualityModel:
    """P(curated) of a text by the classifier of its language, else by the general one.

    `card` is the general classifier's, with `languages` beside: by code the digest of the language's own
    classifier, or None and a note why there is none.
    """

    def __init__(self, general: Classifier, by_language: Mapping[str, Classifier] | None = None) -> None:
        self.general = general
        self.by_language = dict(sorted((by_language or {}).items()))

    @property
    def card(self) -> dict[str, Any]:
        """The general classifier's card."""
        return self.general.card

    @property
    def digest(self) -> str:
        """128-bit xxh3 of all weights; without languages the general classifier's own digest."""
        if not self.by_language:
            return self.general.digest
        told = {code: model.digest for code, model in self.by_language.items()}
        return xxhash.xxh3_128_hexdigest(json.dumps([self.general.digest, told], sort_keys=True).encode())

    def score(self, texts: Texts, languages: pa.Array | pa.ChunkedArray | None = None) -> NDArray[np.float64]:
        """P(curated) of each text, float64 in 0..1; `languages` are lid.176 codes, row for row.

        ValueError where the model asks for languages and none are given.
        """
        if not self.by_language:
            return self.general.score(texts)
        if languages is None:
            raise ValueError(
                f"languages: not given, the model has one classifier each for {[*self.by_language]}"
            )
        array = as_texts(texts)
        scores = np.empty(len(array))
        rest = np.ones(len(array), np.bool_)
        for code, model in self.by_language.items():
            own = np.asarray(pc.fill_null(pc.equal(languages, code), False))
            if own.any():
                scores[own] = model.score(array.filter(pa.array(own)))
                rest &= ~own
        if rest.all():
            return self.general.score(array)
        scores[rest] = self.general.score(array.filter(pa.array(rest)))
        return scores

    def score_examples(self, examples: Examples) -> NDArray[np.float64]:
        """P(curated) of each example by what is known of its language."""
        return self.score(examples.texts, examples.languages)

    def to_files(self) -> dict[str, bytes]:
        """The files of the model by their paths: the general classifier's, and below `languages` the others'."""
        files = self.general.to_files()
        for code, model in self.by_language.items():
            files |= {f"{LANGUAGES_FOLDER}/{code}/{name}": data for name, data in model.to_files().items()}
        return files

    def save(self, folder: str | Path) -> None:
        """Write the files below a local `folder`, made where absent."""
        for name, data in self.to_files().items():
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    @classmethod
    def read(cls, read_file: Callable[[str], bytes], where: str) -> "QualityModel":
        """The model whose files `read_file` gives by path; `where` names it in a ModelError.

        ModelError where a language's classifier is not the one that the general card names.
        """
        files = {name: read_file(name) for name in _FILES}
        card = read_card(files[CARD_FILE], f"{where}/{CARD_FILE}")
        general = classifier_kinds.from_files(files, where)
        by_language = {}
        for code, told in card.get("languages", {}).items():
            if told["digest"] is None:
                continue
            folder = f"{LANGUAGES_FOLDER}/{code}"
            own = classifier_kinds.from_files(
                {name: read_file(f"{folder}/{name}") for name in _FILES}, f"{where}/{folder}"
            )
            if own.digest != told["digest"]:
                raise ModelError(
                    f"{where}/{folder}: this classifier's digest is {own.digest}, {CARD_FILE} names "
                    f"{told['digest']}; fit the model again"
                )
            by_language[code] = own
        return cls(general, by_language)


def fit_model(
    positive: Examples,
    negative: Examples,
    choice: Choice = "logistic_regression",
    config: FitConfig | None = None,
    fasttext: FastTextConfig | None = None,
    languages: Sequence[str] = (),
    min_examples: int = 200,
) -> tuple[QualityModel, Split]:
    """A model fitted on the examples, with a classifier of its own for each of `languages`; and what was held out.

    The split is drawn once, so that no classifier has seen what is held out from any. A language whose
    examples left to fit on are fewer than `min_examples` in a class has no classifier: the card says so.
    ValueError where a class is empty.
    """
    chosen = config or FitConfig()
    split = split_examples(positive, negative, chosen.held_out_share, chosen.seed)
    general = classifier_kinds.fit(positive, negative, choice, chosen, fasttext, split)
    by_language: dict[str, Classifier] = {}
    told: dict[str, Any] = {}
    for code in sorted(set(languages)):
        masks = positive.of_language(code), negative.of_language(code)
        own_split = split.select(*masks)
        fitted = [int((~mask).sum()) for mask in (own_split.positive, own_split.negative)]
        told[code] = {"positive": fitted[0], "negative": fitted[1], "digest": None, "note": None}
        if min(fitted) < min_examples:
            told[code]["note"] = (
                f"scored by the general classifier: {fitted[0]} positive and {fitted[1]} negative examples to fit "
                f"on, {min_examples} of each are asked for"
            )
            continue
        own = positive.select(masks[0]), negative.select(masks[1])
        by_language[code] = classifier_kinds.fit(*own, choice, chosen, fasttext, own_split)
        told[code]["digest"] = by_language[code].digest
    if languages:
        general.note(languages=told)
    return QualityModel(general, by_language), split
