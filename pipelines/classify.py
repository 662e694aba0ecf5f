"""The quality classifier on datasets: its training sample and its fit."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field

from pipelines.engine import storage
from pipelines.engine.dataset import iter_shard, read_shard
from pipelines.schemas import DOCUMENTS
from quality import language
from quality.classifiers.base import FitConfig, ModelError
from quality.classifiers.examples import Examples
from quality.classifiers.fasttext_training import FastTextConfig
from quality.classifiers.kinds import Choice
from quality.classifiers.languages import QualityModel, fit_model
from quality.classifiers.report import report
from quality.domains import site_of
from text.hashing import uniform

CRAWL_ROLE = "crawl"
WEBTEXT_ROLE = "webtext"


class ClassifierConfig(BaseModel):
    """What the classifier is trained on, and how."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_positive: int = Field(
        default=20_000, description="most documents of curated sources, spread evenly over their roles", ge=1
    )
    max_negative: int = Field(default=20_000, description="most documents of the crawl, unfiltered", ge=1)
    max_characters: int = Field(
        default=50_000,
        description="characters read of each document, from its start; bounds the memory",
        ge=1,
    )
    seed: int = Field(default=1, description="seed of the draw of the sample", ge=0)
    kind: Choice = Field(
        default="logistic_regression",
        description="logistic_regression: the paper's; fasttext: DCLM's; best: the one with the higher ROC AUC on "
        "the same held-out sites",
    )
    fit: FitConfig = Field(default=FitConfig(), description="how the classifier is fitted and evaluated")
    fasttext: FastTextConfig = Field(default=FastTextConfig(), description="how fastText is trained")
    per_language: list[str] = Field(
        default=[],
        description="lid.176 codes of the languages that get a classifier of their own; empty: one for all",
    )
    min_language_examples: int = Field(
        default=200,
        description="fewest examples of each class, held-out ones aside, for a language's own classifier",
        ge=1,
    )
    report_documents: int = Field(
        default=5,
        description="held-out documents of each class that the report shows with the highest and the lowest scores "
        "and nearest to 0.5",
        ge=0,
        le=100,
    )


class Fitted(NamedTuple):
    """A model and its report (quality.classifiers.report)."""

    model: QualityModel
    report: dict[str, Any]


def fit_classifier(
    documents: str, shards: Sequence[str], roles: Mapping[str, str], config: ClassifierConfig
) -> Fitted:
    """Fit on a sample of the documents dataset in the folder `documents`; see `training_sample`."""
    positive, negative = training_sample(documents, shards, roles, config)
    model, split = fit_model(
        positive,
        negative,
        config.kind,
        config.fit,
        config.fasttext,
        config.per_language,
        config.min_language_examples,
    )
    webtext = [source for source, role in roles.items() if role == WEBTEXT_ROLE]
    told = report(model, positive, negative, split, config.fit.pareto_alpha, config.report_documents, webtext)
    return Fitted(model, told)


def training_sample(
    documents: str, shards: Sequence[str], roles: Mapping[str, str], config: ClassifierConfig
) -> tuple[Examples, Examples]:
    """Curated and crawled documents to train on, the same ones however the dataset is cut into shards.

    `roles` gives each source's role; the role crawl is the negative class, every other a positive one.
    Documents with the smallest draws are taken, those without words left out. Memory: the ids of two
    samples, one row group of texts, and the sample. ValueError where a class has no documents or a source
    no role.
    """
    chosen = _choose(documents, shards, roles, config)
    crawled = pc.equal(chosen["role"], CRAWL_ROLE)
    if not pc.any(crawled).as_py() or pc.all(crawled).as_py():
        raise ValueError(
            f"{documents}: the quality classifier needs documents with words from the crawl and from curated "
            f"sources, found roles {sorted(chosen['role'].unique().to_pylist())}; add the missing kind"
        )
    texts, languages = _read_texts(documents, shards, chosen, config)
    sites = pa.array([site_of(url) for url in chosen["url"].to_pylist()], pa.string())
    classes = []
    for mask in (pc.invert(crawled), crawled):
        mask = mask.combine_chunks()
        sources, urls = (chosen[name].combine_chunks().filter(mask) for name in ("source", "url"))
        own = None if languages is None else languages.filter(mask)
        classes.append(Examples(texts.filter(mask), sites.filter(mask), sources, own, urls))
    return classes[0], classes[1]


def load_model(folder: str) -> QualityModel:
    """Read a quality model from a local or remote folder; ModelError where there is none."""

    def read(name: str) -> bytes:
        path = storage.join(folder, *name.split("/"))
        if not storage.exists(path):
            raise ModelError(f"{path}: no such file; run the asset that fits the classifier first")
        return storage.read_bytes(path)

    return QualityModel.read(read, folder)


def _choose(
    documents: str, shards: Sequence[str], roles: Mapping[str, str], config: ClassifierConfig
) -> pa.Table:
    """Rows of the sample, ordered by shard and row: role, doc_id, source, url, draw, shard (number), row."""
    limits = {
        role: config.max_negative if role == CRAWL_ROLE else config.max_positive for role in roles.values()
    }
    candidates: pa.Table | None = None
    for number, shard in enumerate(shards):
        fresh = _candidates(documents, shard, number, roles, config.seed)
        merged = fresh if candidates is None else pa.concat_tables([candidates, fresh])
        candidates = _smallest_draws(merged, limits)
    if candidates is None:
        raise ValueError(
            f"{documents}: the documents dataset has no shards to train the quality classifier on"
        )
    available = {row["values"]: row["counts"] for row in pc.value_counts(candidates["role"]).to_pylist()}
    curated = {role: n for role, n in available.items() if role != CRAWL_ROLE}
    chosen = _smallest_draws(
        candidates, {CRAWL_ROLE: config.max_negative} | _quotas(curated, config.max_positive)
    )
    return chosen.sort_by([("shard", "ascending"), ("row", "ascending")])


def _candidates(documents: str, shard: str, number: int, roles: Mapping[str, str], seed: int) -> pa.Table:
    table = read_shard(documents, shard, DOCUMENTS, ["doc_id", "source", "url", "n_words"])
    place = pc.index_in(table["source"], value_set=pa.array(list(roles), pa.string()))
    if place.null_count:
        unknown = table["source"].filter(pc.is_null(place)).unique().to_pylist()
        raise ValueError(f"{documents}/{shard}: sources {unknown} have no role; known are {sorted(roles)}")
    table = pa.table(
        {
            "role": pa.array(list(roles.values()), pa.string()).take(place.combine_chunks()),
            "doc_id": table["doc_id"],
            "source": table["source"],
            "url": table["url"],
            "draw": uniform(table["doc_id"], seed, "classifier sample"),
            "shard": np.full(table.num_rows, number, np.int32),
            "row": np.arange(table.num_rows, dtype=np.int64),
            "n_words": table["n_words"],
        }
    )
    return table.filter(pc.greater(table["n_words"], 0)).drop_columns("n_words")


def _smallest_draws(table: pa.Table, limits: Mapping[str, int]) -> pa.Table:
    """Of each role the `limits[role]` documents with the smallest draws, ties by doc_id; an id once."""
    order = [("draw", "ascending"), ("doc_id", "ascending"), ("shard", "ascending"), ("row", "ascending")]
    parts = []
    for role, limit in sorted(limits.items()):
        ranked = table.filter(pc.equal(table["role"], role)).sort_by(order)
        ids = ranked["doc_id"].combine_chunks()
        fresh = np.ones(len(ids), np.bool_)
        fresh[1:] = np.asarray(pc.not_equal(ids[1:], ids[:-1]))
        parts.append(ranked.filter(pa.array(fresh)).slice(0, limit))
    return pa.concat_tables([table.schema.empty_table(), *parts])


def _quotas(available: Mapping[str, int], total: int) -> dict[str, int]:
    """`total` documents spread over the roles as evenly as what each has allows."""
    quotas: dict[str, int] = {}
    for role, n in sorted(available.items(), key=lambda item: (item[1], item[0])):
        quotas[role] = min(n, (total - sum(quotas.values())) // (len(available) - len(quotas)))
    return quotas


def _read_texts(
    documents: str, shards: Sequence[str], chosen: pa.Table, config: ClassifierConfig
) -> tuple[pa.ChunkedArray, pa.Array | None]:
    """The beginnings of the chosen texts, in the order of `chosen` (by shard and row), and the languages of the whole
    texts where the config asks for classifiers by language.
    """
    numbers, rows = chosen["shard"].to_numpy(), chosen["row"].to_numpy()
    chunks: list[pa.Array] = []
    languages: list[pa.Array] = []
    for number in np.unique(numbers):
        wanted = rows[numbers == number]
        first = 0
        for group in iter_shard(documents, shards[number], DOCUMENTS, ["text"]):
            inside = wanted[(wanted >= first) & (wanted < first + group.num_rows)] - first
            first += group.num_rows
            if len(inside):
                texts = group["text"].take(pa.array(inside))
                chunks += pc.utf8_slice_codeunits(texts, 0, config.max_characters).chunks
                if config.per_language:
                    languages.append(language.identify(texts)["language"])
    named = pa.concat_arrays(languages) if languages else None
    return pa.chunked_array(chunks, pa.string()), named
