"""What a run config must find before the first step, though only a later step would miss it."""

from collections.abc import Collection, Mapping, Sequence
from typing import TypeVar

from pydantic import BaseModel

from pipelines.build.chat_tokenizer import CHAT_TOKENIZER, ChatTokenizerConfig
from pipelines.build.cleaning import CorpusConfig
from pipelines.build.ingest import CrawlInputsConfig, CuratedConfig
from pipelines.build.mixing import TokenizerBuildConfig
from pipelines.build.preflight_duplicates import check_duplicates
from pipelines.build.preflight_languages import check_languages
from pipelines.build.preflight_rlhf import (
    check_chat_tokenizer,
    check_code_pairs,
    check_corpus_tokenizer,
    check_instructions,
    check_quotas,
)
from pipelines.build.preflight_selection import check_alpha, check_perplexity, check_selection, check_signals
from pipelines.build.rlhf_datasets import BENCHMARKS_KEY, InstructionDatasetsConfig
from pipelines.build.rlhf_reading import InstructionsConfig
from pipelines.build.scoring import PERPLEXITY_MODEL
from pipelines.build.selecting import DuplicatesConfig
from pipelines.classify import ClassifierConfig
from pipelines.decontamination.benchmarks import BenchmarkConfig, BenchmarkError, benchmark_files
from pipelines.engine.spark import SparkConfig, SparkSettingError, user_settings
from pipelines.mixing import tokenizer
from pipelines.mixing.mixture import MixtureConfig
from pipelines.mixing.tokenizer import PATH_KEY, TokenizerError
from pipelines.perplexity import PerplexityConfig
from pipelines.rlhf.code_pairs import CodePairsConfig
from pipelines.selection_config import SelectionConfig
from pipelines.signals import SignalsConfig

M = TypeVar("M", bound=BaseModel)

SPARK = "spark"


class PreflightError(ValueError):
    """The run would fail at a later step; the message begins with the config key."""


def preflight(configs: Mapping[str, BaseModel]) -> None:
    """Check the files that `configs` name and what must fit together; PreflightError for the first thing amiss.

    `configs` holds the validated models by asset name, and the Spark settings under `SPARK`. A model that is
    missing is not checked.
    """
    if spark := _of(configs, SPARK, SparkConfig):
        _check_settings(spark.conf)
    if corpus := _of(configs, "corpus", CorpusConfig):
        _check_benchmarks(corpus.benchmarks)
    signals = _of(configs, "signals", SignalsConfig)
    selection = _of(configs, "selection", SelectionConfig)
    if signals is not None:
        _refuse(check_signals(signals))
    if selection is not None:
        _refuse(check_selection(selection, signals))
    classifier = _of(configs, "quality_model", ClassifierConfig)
    if selection is not None and classifier is not None:
        _refuse(check_alpha(selection, classifier))
    _refuse(check_languages(selection, classifier))
    _check_rlhf(configs)
    known = _sources(configs)
    duplicates = _of(configs, "duplicates", DuplicatesConfig)
    if duplicates is not None and known is not None:
        _refuse(check_duplicates(duplicates, known))
    if build := _of(configs, "tokenizer", TokenizerBuildConfig):
        _check_tokenizer(build.tokenizer.tokenizer_path)
        _check_weights(build.weights, known, "ops.tokenizer.config.weights")
    if mixture := _of(configs, "mixture_plan", MixtureConfig):
        _check_weights(mixture, known, "ops.mixture_plan.config")


def _check_rlhf(configs: Mapping[str, BaseModel]) -> None:
    if instructions := _of(configs, "instructions", InstructionsConfig):
        _refuse(check_instructions(instructions))
    if code := _of(configs, "code_pairs", CodePairsConfig):
        _refuse(check_code_pairs(code))
    if chat := _of(configs, CHAT_TOKENIZER, ChatTokenizerConfig):
        _refuse(check_chat_tokenizer(chat))
    if datasets := _of(configs, "instruction_datasets", InstructionDatasetsConfig):
        _refuse(check_quotas(datasets))
        _check_benchmarks(datasets.benchmarks, BENCHMARKS_KEY)


def require_corpus_tokenizer(configs: Mapping[str, BaseModel], root: str) -> None:
    """PreflightError where the chat tokenizer is to be made of a corpus's and the data root has none."""
    if chat := _of(configs, CHAT_TOKENIZER, ChatTokenizerConfig):
        _refuse(check_corpus_tokenizer(chat, root))


def require_perplexity_model(configs: Mapping[str, BaseModel]) -> None:
    """PreflightError where a run that makes the language models leaves them out, but measures by them."""
    signals, models = _of(configs, "signals", SignalsConfig), _of(configs, PERPLEXITY_MODEL, PerplexityConfig)
    if signals is not None and models is not None:
        _refuse(check_perplexity(signals, models))


def _refuse(amiss: str | None) -> None:
    if amiss is not None:
        raise PreflightError(amiss)


def _of(configs: Mapping[str, BaseModel], name: str, model: type[M]) -> M | None:
    found = configs.get(name)
    return found if isinstance(found, model) else None


def _sources(configs: Mapping[str, BaseModel]) -> dict[str, str] | None:
    """Names of all sources with their roles; None where the config leaves them to the demo or to an earlier run."""
    crawl, curated = _of(configs, "crawl", CrawlInputsConfig), _of(configs, "curated", CuratedConfig)
    if crawl is None or curated is None or not curated.sources or not (crawl.files or crawl.common_crawl):
        return None
    return {crawl.name: "crawl", **{source.name: source.role for source in curated.sources}}


def _check_settings(lines: Sequence[str]) -> None:
    try:
        user_settings(lines)
    except SparkSettingError as error:
        raise PreflightError(str(error)) from error


def _check_benchmarks(
    benchmarks: Sequence[BenchmarkConfig], prefix: str = "ops.corpus.config.benchmarks"
) -> None:
    names = [benchmark.name for benchmark in benchmarks]
    for number, benchmark in enumerate(benchmarks):
        key = f"{prefix}.{number}"
        if benchmark.name in names[:number]:
            raise PreflightError(
                f"{key}.name: '{benchmark.name}' is taken; every benchmark needs its own name"
            )
        try:
            benchmark_files(benchmark)
        except (BenchmarkError, OSError) as error:
            raise PreflightError(f"{key}.files: {error}") from error


def _check_tokenizer(path: str | None) -> None:
    if path is None:
        return
    try:
        tokenizer.load(path)
    except (TokenizerError, OSError) as error:
        told = str(error).removeprefix(f"{PATH_KEY}: ")
        raise PreflightError(f"{PATH_KEY}: {told}") from error


def _check_weights(config: MixtureConfig, known: Collection[str] | None, key: str) -> None:
    for number, entry in enumerate(config.sources):
        if known is not None and entry.source not in known:
            raise PreflightError(
                f"{key}.sources.{number}.source: no source is named '{entry.source}'; "
                f"the sources of this config are {sorted(known)}"
            )
