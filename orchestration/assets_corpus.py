"""Assets from judged documents to the corpus: one of each cluster, benchmarks cut out, every drop explained."""

from orchestration.asset import mill_asset
from pipelines.build.cleaning import CorpusConfig, build_corpus, build_decisions
from pipelines.build.passages import PassagesConfig, build_passages
from pipelines.build.selecting import DuplicatesConfig, build_duplicates, build_selected

duplicates = mill_asset(
    "duplicates",
    build_duplicates,
    group="dedup",
    description="Exact and verified near-duplicates among the selected documents, each with its survivor; "
    "with `index` against earlier snapshots too.",
    deps=["documents", "signals", "sketches", "selection"],
    config=DuplicatesConfig,
    checks=["survivors_stay"],
    kinds=["parquet", "pyspark"],
)

selected = mill_asset(
    "selected",
    build_selected,
    group="dedup",
    description="The documents that passed the selection and are no duplicates, row for row with documents.",
    deps=["signals", "selection", "duplicates"],
    checks=["aligned_with_selection", "something_is_kept"],
    kinds=["parquet", "pyspark"],
)

passages = mill_asset(
    "passages",
    build_passages,
    group="dedup",
    description="Passages that stand elsewhere too (boilerplate, lines, spans, substrings), to be cut; off by "
    "default. The dataset 'passages_cut' beside it lists every span.",
    deps=["documents", "selected"],
    config=PassagesConfig,
    checks=["aligned_with_documents"],
    kinds=["parquet", "pyspark"],
)

corpus = mill_asset(
    "corpus",
    build_corpus,
    group="corpus",
    description="Selected documents with the benchmarks' n-grams cut out (GPT-3 app. C); "
    "the dataset 'contamination' beside it lists every hit. Personal data is replaced where the config says so "
    "('personal_data' lists it).",
    deps=["documents", "selected", "passages"],
    config=CorpusConfig,
    checks=["not_empty", "aligned_with_documents"],
    kinds=["parquet", "pyspark"],
)

decisions = mill_asset(
    "decisions",
    build_decisions,
    group="corpus",
    description="One row a document: kept or dropped, the reason, the figure behind it and the evidence.",
    deps=["selection", "duplicates", "corpus"],
    checks=["aligned_with_selection", "one_reason_each"],
    kinds=["parquet", "pyspark"],
)
