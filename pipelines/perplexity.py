"""Language models of the curated sources, one a language, and where they cut the crawl of that language."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pipelines.engine import storage
from pipelines.perplexity_sample import CRAWL_ROLE, Sample, draw
from quality import language
from quality.language_models.ngram_model import NgramConfig, NgramModel, NgramModelError
from quality.perplexity import CARD_FILE, PerplexityModels, checked_card, cuts_of, model_files
from text.hashing import uniform

MODEL_KEY = "ops.perplexity_model.config"


class PerplexityConfig(BaseModel):
    """Whether n-gram models are fitted for the signal perplexity, and on what."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Literal["off", "fit"] = Field(
        default="off", description="off: nothing is read; fit: one model for each language of curated text"
    )
    roles: list[str] = Field(
        default=[],
        description="roles of the sources to train on (CCNet: wikipedia); empty: all but the crawl",
    )
    max_words: int = Field(
        default=10_000_000,
        description="most words that are read of a source, and trained on of a language; 100 bytes each",
        ge=1,
    )
    min_words: int = Field(
        default=200_000, description="words of curated text below which a language gets no model", ge=1
    )
    max_characters: int = Field(
        default=1_000_000, description="characters read of each document, from its start", ge=1
    )
    max_crawl_documents: int = Field(
        default=20_000, description="documents of each crawl that are measured for the cuts", ge=1
    )
    min_crawl_documents: int = Field(
        default=100,
        description="documents of the crawl below which a language gets no head, middle and tail",
        ge=1,
    )
    held_out_share: float = Field(
        default=0.05,
        description="share of the curated documents kept from the fit to tell their perplexity",
        ge=0,
        lt=1,
    )
    seed: int = Field(default=1, description="seed of the draws", ge=0)
    ngrams: NgramConfig = Field(default=NgramConfig(), description="the models")

    def held_out(self, doc_ids: pa.Array | pa.ChunkedArray) -> NDArray[np.bool_]:
        """Which curated documents are kept from the fit."""
        return uniform(doc_ids, self.seed, "perplexity held out") < self.held_out_share


def fit_models(
    documents: str, shards: Sequence[str], roles: Mapping[str, str], config: PerplexityConfig
) -> PerplexityModels:
    """Fit on a draw of the documents dataset in the folder `documents`; `roles` gives each source's role.

    The same models come out however the dataset is cut into shards. ValueError where a role is no source's, or
    where no language has enough curated words.
    """
    wanted = config.roles or sorted({role for role in roles.values() if role != CRAWL_ROLE})
    unknown = sorted(set(wanted) - set(roles.values()) | ({CRAWL_ROLE} & set(wanted)))
    if unknown or not wanted:
        raise ValueError(
            f"{MODEL_KEY}.roles: no curated source has the roles {unknown or '(none)'}; "
            f"the sources have {sorted(set(roles.values()))}"
        )
    budgets = {source: config.max_words for source, role in roles.items() if role in wanted}
    curated = draw(documents, shards, budgets, "words", config.max_characters, config.seed)
    budgets = {s: config.max_crawl_documents for s, role in roles.items() if role == CRAWL_ROLE}
    crawled = draw(documents, shards, budgets, "documents", config.max_characters, config.seed)
    return _fit(curated, crawled, config)


def model_rows(languages: Mapping[str, Mapping[str, Any]]) -> list[list[Any]]:
    """Header and rows of the languages of a card: what each model is, its held-out perplexity and its cuts."""
    rows: list[list[Any]] = [
        [
            "language",
            "words",
            "n-grams",
            "held-out perplexity",
            "unknown words",
            "crawl",
            "head below",
            "tail from",
        ]
    ]
    for name, told in languages.items():
        held_out, cuts = told["held_out"], told["cuts"]
        rows.append(
            [
                name,
                told["model"]["words"],
                sum(told["model"]["ngrams"]),
                f"{held_out['perplexity']:.1f}" if held_out else "-",
                f"{held_out['unknown_share']:.2%}" if held_out else "-",
                told["crawl_documents"],
                *([f"{cut:.1f}" for cut in cuts] if cuts else ["-", "-"]),
            ]
        )
    return rows


def load_models(folder: str) -> PerplexityModels:
    """Read models from a local or remote folder; NgramModelError where there are none."""

    def read(name: str) -> bytes:
        path = storage.join(folder, name)
        if not storage.exists(path):
            raise NgramModelError(
                f"{path}: no such file; set {MODEL_KEY}.mode to 'fit' and run the asset perplexity_model"
            )
        return storage.read_bytes(path)

    card = checked_card(read(CARD_FILE), storage.join(folder, CARD_FILE))
    return PerplexityModels.from_files(
        card, {name: read(name) for name in model_files(card).values()}, folder
    )


def _fit(curated: Sample, crawled: Sample, config: PerplexityConfig) -> PerplexityModels:
    spoken, crawl_spoken = (language.identify(sample.texts)["language"] for sample in (curated, crawled))
    held_out = config.held_out(curated.rows["doc_id"])
    sizes = curated.rows["n_words"].to_numpy()
    models: dict[str, NgramModel] = {}
    facts: dict[str, dict[str, Any]] = {}
    words: dict[str, int] = {}
    for name in sorted(set(spoken.to_pylist()) - {language.UNDETERMINED}):
        own = np.asarray(pc.equal(spoken, name))
        chosen = _until(own & ~held_out, sizes, config.max_words)
        words[name] = int(sizes[chosen].sum())
        if words[name] < config.min_words:
            continue
        models[name] = NgramModel.fit(curated.texts.filter(pa.array(chosen)), config.ngrams)
        facts[name] = {
            "sources": _by_source(curated.rows, chosen),
            "held_out": _held_out(models[name], curated.texts.filter(pa.array(own & held_out))),
            **_crawl(models[name], crawled.texts.filter(pc.equal(crawl_spoken, name)), config),
        }
    if not models:
        found = ", ".join(f"{name} {n:,}" for name, n in sorted(words.items(), key=lambda item: -item[1])[:5])
        raise ValueError(
            f"{MODEL_KEY}: no language has {config.min_words:,} words of curated text (found: {found or 'none'}); "
            "add curated sources or lower min_words"
        )
    return PerplexityModels(models, facts)


def _until(mask: NDArray[np.bool_], sizes: NDArray[np.int64], limit: int) -> NDArray[np.bool_]:
    """The first rows of `mask` before which fewer than `limit` words stand."""
    kept = np.where(mask, sizes, 0)
    return mask & (np.cumsum(kept) - kept < limit)


def _by_source(rows: pa.Table, mask: NDArray[np.bool_]) -> dict[str, dict[str, int]]:
    """Documents and words of each source."""
    counted = (
        rows.filter(pa.array(mask)).group_by("source").aggregate([("doc_id", "count"), ("n_words", "sum")])
    )
    return {
        row["source"]: {"documents": row["doc_id_count"], "words": row["n_words_sum"]}
        for row in counted.sort_by("source").to_pylist()
    }


def _held_out(model: NgramModel, texts: pa.ChunkedArray) -> dict[str, Any] | None:
    """Perplexity of the held-out text as a whole and its share of unknown words; None where there is none."""
    if not len(texts):
        return None
    logs = model.word_logs(texts)
    words = len(logs.words.hashes)
    return {
        "documents": len(texts),
        "words": words,
        "unknown_share": float(logs.unknown.sum() / max(1, words)),
        # In the order of the draw, which no sharding changes: the sum depends on it in its last digit.
        "perplexity": float(10.0 ** -np.mean(logs.logs, dtype=np.float64)),
    }


def _crawl(model: NgramModel, texts: pa.ChunkedArray, config: PerplexityConfig) -> dict[str, Any]:
    """Where the crawl is cut (None where there is too little of it), and its median."""
    perplexities = model.perplexity(texts)
    told: dict[str, Any] = {"crawl_documents": len(perplexities), "cuts": None, "crawl_median": None}
    if len(perplexities) >= config.min_crawl_documents:
        told["cuts"] = list(cuts_of(perplexities))
        told["crawl_median"] = float(np.median(perplexities))
    return told
