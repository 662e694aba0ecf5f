"""documents → signals, row for row: everything that is measured of a text, for decisions that read no text.

The columns depend on the run config: `signals_schema`. Each is a number with a version in its name, made by the
module of `quality` that is named in its meaning; a threshold is nowhere in here (`pipelines.select`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import ClassVar, Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from pipelines.classify import load_model
from pipelines.engine.dataset import iter_shard
from pipelines.engine.runner import RECORDS, ShardOutput, Stage, StageError, Task
from pipelines.list_files import digest_files
from pipelines.perplexity import load_models
from pipelines.schemas import DOCUMENTS, SIGNALS, DatasetSchema
from quality import catalogue, language, machine_written, perplexity, pii, toxicity
from quality.classifiers.languages import QualityModel
from quality.classifiers.logistic_regression import QualityClassifier
from quality.perplexity import PerplexityModels
from quality.signals import compute
from quality.word_lists import SIGNALS as WORD_LIST_SIGNALS
from quality.word_lists import WordListConfig, WordLists

Family = Literal["gopher", "gopher_datatrove", "c4", "c4_datatrove", "fineweb"]
LISTED_WORD = "listed_word"
TOXICITY = "toxicity"
SECOND_LANGUAGE = ("second_language", "second_language_share")


class ToxicityMeasure(BaseModel):
    """Which scorer gives the signal toxicity."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scorer: Literal["off", "listed_words", "classifier", "python"] = Field(
        default="off", description="share of listed words, a trained classifier, or a scorer of the user's"
    )
    word_lists: list[str] = Field(default=[], description="word lists of the scorer 'listed_words'")
    model: str | None = Field(default=None, description="local folder of the model of 'classifier'")
    function: str | None = Field(default=None, description="module:name that makes the scorer of 'python'")

    def of_quality(self) -> toxicity.ToxicityConfig:
        """The scorer's own config."""
        lists = WordListConfig(files=self.word_lists)
        return toxicity.ToxicityConfig(
            scorer=self.scorer, word_lists=lists, model=self.model, function=self.function
        )


class SignalsConfig(BaseModel):
    """What is measured of every document besides its language and quality score."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    families: list[Family] = Field(
        default=["gopher", "c4", "fineweb"],
        description="whose page measures are kept; the *_datatrove ones are the same by datatrove's reading",
    )
    second_language: bool = Field(
        default=False, description="whether to look for a second language in windows of each text"
    )
    personal_data: list[pii.Kind] = Field(
        default=[], description="kinds of personal data that are counted; empty: not looked for"
    )
    word_lists: list[str] = Field(
        default=[], description="files of listed words (LDNOOBW's form); empty: not looked for"
    )
    allowed_words: list[str] = Field(default=[], description="entries of the word lists that do not count")
    toxicity: ToxicityMeasure = Field(default=ToxicityMeasure(), description="the signal toxicity")
    machine_written: str | None = Field(
        default=None, description="local folder of a trained detector of machine-written text; null: none"
    )
    perplexity: bool = Field(
        default=False,
        description="whether perplexity is measured, by the models of the asset perplexity_model",
    )

    def of_word_lists(self) -> WordListConfig:
        """The word lists' own config."""
        return WordListConfig(files=self.word_lists, allowed=self.allowed_words)


def signals_schema(config: SignalsConfig) -> DatasetSchema:
    """The signals dataset of a run: the columns of schemas.SIGNALS, then what `config` measures."""
    columns = list(SIGNALS.schema)
    if config.second_language:
        columns += [
            _field(SECOND_LANGUAGE[0], pa.string(), "lid.176 code of the second language, null: none"),
            _field(SECOND_LANGUAGE[1], pa.float32(), "its share of the bytes of known language, 0..1"),
        ]
    columns += [
        _field(signal.name, pa.float64(), f"{signal.formula} ({signal.unit}; {signal.source})")
        for signal in catalogue.SIGNALS
        if signal.name in measured_names(config)
    ]
    if config.personal_data:
        columns += [
            _field(name, pa.int32(), "finds of this kind of personal data (quality.pii)")
            for name in personal_data_names(config.personal_data)
        ]
    if config.word_lists:
        columns += [
            _field(WORD_LIST_SIGNALS[0], pa.int32(), "listed words and phrases in the text"),
            _field(WORD_LIST_SIGNALS[1], pa.float32(), "their share of the words, 0..1"),
            _field(LISTED_WORD, pa.string(), "the first of them, null: none"),
        ]
    if config.toxicity.scorer != "off":
        columns.append(
            _field(TOXICITY, pa.float32(), f"toxicity by '{config.toxicity.scorer}', more is worse")
        )
    if config.machine_written is not None:
        columns.append(_field(machine_written.SIGNAL, pa.float32(), "P(a machine wrote it), 0..1"))
    if config.perplexity:
        columns += [
            _field(
                perplexity.SIGNALS[0],
                pa.float32(),
                "10^(-mean log10 p) by its language's model, null: no model or word",
            ),
            _field(perplexity.SIGNALS[1], pa.string(), "head, middle or tail of the crawl in its language"),
        ]
    return DatasetSchema(SIGNALS.name, SIGNALS.version, pa.schema(columns))


def measured_names(config: SignalsConfig) -> frozenset[str]:
    """Names of the page measures that `config` keeps."""
    return frozenset(s.name for s in catalogue.SIGNALS if _family(s.name) in config.families)


def personal_data_names(kinds: Sequence[str]) -> list[str]:
    """Names of the columns that count these kinds of personal data."""
    return [name for kind, name in zip(pii.KINDS, pii.signal_names(), strict=True) if kind in kinds]


@dataclass(frozen=True)
class SignalsStage(Stage):
    """documents → signals; `documents` and `model` are folders.

    The digests (of the quality and the language model, of the lists and models in `config`) make the stage's
    fingerprint change with what it reads.
    """

    name: ClassVar[str] = "signals"
    version: ClassVar[int] = 2
    libraries: ClassVar[tuple[str, ...]] = ("fasttext-community",)

    documents: str
    model: str
    model_digest: str
    language_digest: str
    config: SignalsConfig
    measures_digest: str
    perplexity_models: str = ""
    perplexity_digest: str = ""

    @classmethod
    def of(
        cls, documents: str, model: str, config: SignalsConfig | None = None, perplexity_models: str = ""
    ) -> "SignalsStage":
        """The stage for a documents and a model folder, with the digests of all models and lists as they are now.

        `perplexity_models` is the folder of the language models; it is read only where `config` asks for perplexity.
        """
        chosen = config or SignalsConfig()
        digests = load_model(model).digest, language.model_digest()
        stage = cls(documents, model, *digests, chosen, measures_digest(chosen))
        if not chosen.perplexity:
            return stage
        fitted = load_models(perplexity_models).digest
        return replace(stage, perplexity_models=perplexity_models, perplexity_digest=fitted)

    @property
    def outputs(self) -> tuple[DatasetSchema, ...]:
        """The signals dataset."""
        return (signals_schema(self.config),)

    def process(self, task: Task, out: ShardOutput) -> None:
        """Measure the texts of one shard, row group by row group."""
        classifier, measures = _classifier(self), _measures(self.config.model_dump_json())
        for documents in iter_shard(self.documents, task.name, DOCUMENTS, ["doc_id", "text"]):
            texts = documents["text"]
            found = language.identify(texts)
            columns = {
                "doc_id": documents["doc_id"],
                "language": found["language"],
                "language_score": found["language_score"],
                "quality_score": pa.array(classifier.score(texts, found["language"])),
            }
            columns |= measures.of(texts, found["language"])
            if self.config.perplexity:
                models = _perplexity_models(self.perplexity_models, self.perplexity_digest)
                told = models.signals(texts, found["language"])
                columns |= {name: told[name] for name in told.schema.names}
            out.write(SIGNALS.name, pa.table(columns))
            out.count(RECORDS, documents.num_rows)


def measures_digest(config: SignalsConfig) -> str:
    """What the measures of `config` read besides the texts, in one string; empty where that is nothing."""
    told = []
    if config.word_lists or config.toxicity.word_lists:
        told.append(digest_files([*config.word_lists, *config.toxicity.word_lists]))
    scorer = toxicity.load_scorer(config.toxicity.of_quality())
    if scorer is not None:
        told.append(f"{scorer.name} {scorer.version}")
    if config.machine_written is not None:
        told.append(QualityClassifier.load(config.machine_written).digest)
    return "; ".join(told)


class Measures:
    """The lists and models that `config` names, loaded once, and the columns that they give."""

    def __init__(self, config: SignalsConfig) -> None:
        """Load them; the errors of their own modules name what is absent."""
        self._config = config
        self._names = measured_names(config)
        self._lists = WordLists(config.of_word_lists()) if config.word_lists else None
        self._scorer = toxicity.load_scorer(config.toxicity.of_quality())
        self._detector = None
        if config.machine_written is not None:
            self._detector = QualityClassifier.load(config.machine_written)

    def of(self, texts: pa.ChunkedArray, languages: pa.Array) -> dict[str, pa.Array]:
        """The measured columns of some texts and their languages, by name."""
        batches = []
        if self._config.second_language:
            batches.append(language.mixed(texts, languages))
        if self._names:
            found = compute(texts, languages)
            batches.append(found.select([name for name in found.schema.names if name in self._names]))
        if self._config.personal_data:
            counts = pii.counts(pii.find(texts, self._config.personal_data), len(texts))
            batches.append(counts.select(personal_data_names(self._config.personal_data)))
        if self._lists is not None:
            batches.append(self._lists.signals(texts, languages.to_pylist()))
        if self._scorer is not None:
            batches.append(toxicity.signals(self._scorer, texts))
        if self._detector is not None:
            batches.append(machine_written.signals(self._detector, texts))
        return {name: batch[name] for batch in batches for name in batch.schema.names}


@lru_cache(maxsize=2)
def _measures(config: str) -> Measures:
    """Loaded once a worker process; `config` is JSON."""
    return Measures(SignalsConfig.model_validate_json(config))


@lru_cache(maxsize=1)
def _perplexity_models(folder: str, planned: str) -> PerplexityModels:
    """The language models, loaded once a process and checked to be those of the plan."""
    models = load_models(folder)
    if models.digest != planned:
        raise StageError(
            f"{folder}: these models' digest is {models.digest}, planned was {planned}; run it again"
        )
    return models


def _classifier(stage: SignalsStage) -> QualityModel:
    return _planned(stage.model, stage.model_digest, stage.language_digest)


@lru_cache(maxsize=1)
def _planned(model: str, model_digest: str, language_digest: str) -> QualityModel:
    """The classifier, loaded once a process; it and the language model are checked to be those of the plan."""
    classifier = load_model(model)
    for name, planned, found in (
        (model, model_digest, classifier.digest),
        (language.model_path(), language_digest, language.model_digest()),
    ):
        if planned != found:
            raise StageError(f"{name}: this model's digest is {found}, planned was {planned}; run it again")
    return classifier


def _family(name: str) -> str:
    if name == "text_lines_v1":
        return "fineweb"
    first, second = name.split("_")[:2]
    return f"{first}_{second}" if second == "datatrove" else first


def _field(name: str, kind: pa.DataType, meaning: str) -> pa.Field:
    return pa.field(name, kind, True, {"meaning": meaning})
