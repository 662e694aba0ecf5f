"""Perplexity by language as a signal, with CCNet's head, middle and tail.

CCNet (Wenzek et al. 2020, arXiv 1911.00359; cc_net/perplexity.py) trains one language model a language on Wikipedia,
measures every crawled document by the model of its language, and cuts the crawl of each language at the percentiles
30 and 60: head, middle, tail. Perplexities of two languages, or of two models, cannot be compared.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash
from numpy.typing import NDArray

from quality.language_models.ngram_model import NgramModel, NgramModelError
from text.buffers import Texts, as_texts

SIGNALS = ("perplexity", "perplexity_bucket")
BUCKETS = ("head", "middle", "tail")
PERCENTILES = (30, 60)
CARD_FILE = "perplexity.json"
FORMAT = "gristmill perplexity models"
FORMAT_VERSION = 1


class PerplexityModels:
    """One n-gram model a language, and where the crawl of that language is cut; `card` in JSON values."""

    def __init__(self, models: Mapping[str, NgramModel], facts: Mapping[str, Mapping[str, Any]]) -> None:
        """`facts` hold for each language `cuts` (limits of head and middle, or None) and what else is to be told."""
        self.models = dict(sorted(models.items()))
        self.facts = {language: dict(facts.get(language, {})) for language in self.models}

    @property
    def card(self) -> dict[str, Any]:
        """The models and their facts by language."""
        languages = {
            language: {**self.facts[language], "model": model.card} for language, model in self.models.items()
        }
        return {"format": FORMAT, "format_version": FORMAT_VERSION, "languages": languages}

    @property
    def digest(self) -> str:
        """128-bit xxh3 of all that a signal depends on: the models and the cuts."""
        told = {name: [m.digest, self.facts[name].get("cuts")] for name, m in self.models.items()}
        return xxhash.xxh3_128_hexdigest(json.dumps(told, sort_keys=True).encode())

    def signals(self, texts: Texts, languages: pa.Array | pa.ChunkedArray) -> pa.RecordBatch:
        """Columns perplexity (float32) and perplexity_bucket (head, middle, tail) of each text in its language.

        Both are null where the language has no model or the text no word, the bucket also where the crawl had too few
        documents in that language for cuts.
        """
        array = as_texts(texts)
        figures = np.full(len(array), np.nan)
        buckets: list[str | None] = [None] * len(array)
        for language, model in self.models.items():
            mask = pc.fill_null(pc.equal(languages, language), False)
            rows = np.flatnonzero(np.asarray(mask))
            if not len(rows):
                continue
            figures[rows] = model.perplexity(array if len(rows) == len(array) else array.filter(mask))
            cuts = self.facts[language].get("cuts")
            if cuts is not None:
                for row in rows[~np.isnan(figures[rows])].tolist():
                    buckets[row] = bucket(figures[row], cuts)
        columns = [pa.array(figures.astype(np.float32), from_pandas=True), pa.array(buckets, pa.string())]
        return pa.record_batch(columns, names=list(SIGNALS))

    def save(self, folder: str | Path) -> None:
        """Write the models (safetensors) and the card (JSON) into a local `folder`, made where absent."""
        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        for name, data in self.to_files().items():
            (path / name).write_bytes(data)

    @classmethod
    def load(cls, folder: str | Path) -> "PerplexityModels":
        """Read what `save` wrote; NgramModelError where it is absent, damaged or of another version."""

        def read(name: str) -> bytes:
            path = Path(folder) / name
            if not path.is_file():
                raise NgramModelError(f"{path}: no such file; fit the models and save them there first")
            return path.read_bytes()

        card = checked_card(read(CARD_FILE), f"{folder}/{CARD_FILE}")
        return cls.from_files(card, {name: read(name) for name in model_files(card).values()}, str(folder))

    def to_files(self) -> dict[str, bytes]:
        """The files of the saved models by name, for storage of any kind."""
        card = json.dumps(self.card, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        models = {name: self.models[language].to_bytes() for language, name in model_files(self.card).items()}
        return {CARD_FILE: card.encode(), **models}

    @classmethod
    def from_files(
        cls, card: Mapping[str, Any], files: Mapping[str, bytes], where: str
    ) -> "PerplexityModels":
        """Models from a checked card and the files that `model_files` names; `where` names them in an error."""
        models, facts = {}, {}
        for language, name in model_files(card).items():
            told = dict(card["languages"][language])
            models[language] = NgramModel.from_bytes(files[name], told.pop("model"), f"{where}/{name}")
            facts[language] = told
        return cls(models, facts)


def bucket(perplexity: float, cuts: tuple[float, float] | list[float]) -> str:
    """head below the first cut, middle below the second, else tail (CCNet's get_bucket)."""
    return BUCKETS[int(np.searchsorted(cuts, perplexity, side="right"))]


def cuts_of(perplexities: NDArray[np.float64]) -> tuple[float, float]:
    """The PERCENTILES (linear between ranks) of the perplexities of a language's crawl; NaNs left out."""
    found = np.percentile(perplexities[~np.isnan(perplexities)], PERCENTILES)
    return float(found[0]), float(found[1])


def model_files(card: Mapping[str, Any]) -> dict[str, str]:
    """Name of each language's file."""
    return {language: f"{language}.safetensors" for language in card["languages"]}


def checked_card(data: bytes, where: str) -> dict[str, Any]:
    """A card of this version; NgramModelError tells what else it is."""
    try:
        card = json.loads(data)
    except ValueError as error:
        raise NgramModelError(f"{where}: not JSON ({error}); fit the models again") from None
    if (
        not isinstance(card, dict)
        or card.get("format") != FORMAT
        or card.get("format_version") != FORMAT_VERSION
    ):
        raise NgramModelError(
            f"{where}: not the card of {FORMAT}, version {FORMAT_VERSION}; fit the models again"
        )
    return card
