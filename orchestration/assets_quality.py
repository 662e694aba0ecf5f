"""Assets that measure documents and judge each by itself."""

from orchestration.asset import mill_asset
from pipelines.build.scoring import (
    SketchesConfig,
    build_perplexity_model,
    build_quality_model,
    build_signals,
    build_sketches,
)
from pipelines.build.selecting import build_selection
from pipelines.classify import ClassifierConfig
from pipelines.perplexity import PerplexityConfig
from pipelines.selection_config import SelectionConfig
from pipelines.signals import SignalsConfig

quality_model = mill_asset(
    "quality_model",
    build_quality_model,
    group="quality",
    description="Curated sources against the unfiltered crawl: logistic regression on hashed words (GPT-3 app. A), "
    "fastText, or the better of both; by choice one classifier a language. With a report on held-out documents.",
    deps=["documents"],
    config=ClassifierConfig,
    kinds=["scikitlearn"],
)

perplexity_model = mill_asset(
    "perplexity_model",
    build_perplexity_model,
    group="quality",
    description="N-gram language models of the curated sources, one a language, and where they cut the crawl of it "
    "into head, middle and tail (CCNet). Off by default.",
    deps=["documents"],
    config=PerplexityConfig,
    kinds=["numba"],
)

signals = mill_asset(
    "signals",
    build_signals,
    group="quality",
    description="Language, quality score and page measures (Gopher, C4, FineWeb) of every document, row for row; "
    "personal data, listed words, toxicity, machine-written text and perplexity where the config asks for them.",
    deps=["documents", "quality_model", "perplexity_model"],
    config=SignalsConfig,
    checks=["aligned_with_documents"],
    kinds=["parquet", "pyspark"],
)

selection = mill_asset(
    "selection",
    build_selection,
    group="quality",
    description="Every document judged by itself: address, length, language, rule sets, GPT-3's Pareto keep. "
    "Reads no text, so that a threshold can be changed without measuring again.",
    deps=["documents", "signals"],
    config=SelectionConfig,
    checks=["aligned_with_documents"],
    kinds=["parquet", "pyspark"],
)

sketches = mill_asset(
    "sketches",
    build_sketches,
    group="dedup",
    description="Exact hash, MinHash signature and LSH bucket keys of every document, row for row.",
    deps=["documents"],
    config=SketchesConfig,
    checks=["aligned_with_documents"],
    kinds=["parquet", "pyspark"],
)
