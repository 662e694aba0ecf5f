"""Assets from the corpus to what a training run reads, and the report."""

from orchestration.asset import mill_asset
from pipelines.build.mixing import (
    DiversityConfig,
    TokenizerBuildConfig,
    build_diversity,
    build_mixture_plan,
    build_pretraining,
    build_tokenizer,
    build_tokens,
    write_pretraining_card,
)
from pipelines.build.reporting import build_report
from pipelines.mixing.buckets import PackConfig
from pipelines.mixing.mixture import MixtureConfig
from pipelines.mixing.tokenize import TokenizeConfig

diversity = mill_asset(
    "diversity",
    build_diversity,
    group="mixture",
    description="Domains, languages, formats and distinct n-grams of the corpus by source.",
    deps=["corpus", "documents"],
    config=DiversityConfig,
    checks=["not_empty"],
    kinds=["parquet", "pyspark"],
)

tokenizer = mill_asset(
    "tokenizer",
    build_tokenizer,
    group="mixture",
    description="Byte-level BPE trained on a sample of the mixture, or the one that the config names.",
    deps=["corpus"],
    config=TokenizerBuildConfig,
    kinds=["huggingface"],
)

tokens = mill_asset(
    "tokens",
    build_tokens,
    group="mixture",
    description="Every piece of the corpus encoded once, with its split.",
    deps=["corpus", "tokenizer"],
    config=TokenizeConfig,
    checks=["aligned_with_corpus", "not_empty"],
    kinds=["parquet", "pyspark"],
)

mixture_plan = mill_asset(
    "mixture_plan",
    build_mixture_plan,
    group="mixture",
    description="Weight and epochs of each source beside GPT-3's Table 2.2.",
    deps=["tokens"],
    config=MixtureConfig,
    checks=["something_is_drawn"],
)

pretraining = mill_asset(
    "pretraining",
    build_pretraining,
    group="mixture",
    description="Full sequences of context + 1 tokens in globally shuffled order; load_dataset reads the folder.",
    deps=["tokens", "mixture_plan", "tokenizer"],
    config=PackConfig,
    checks=["not_empty", "no_token_lost"],
    kinds=["parquet", "pyspark", "huggingface"],
    after=write_pretraining_card,
)

report = mill_asset(
    "report",
    build_report,
    group="mixture",
    description="What was kept and dropped and why, with samples to read.",
    deps=["decisions", "pretraining", "mixture_plan", "diversity", "quality_model"],
    kinds=["markdown"],
)
