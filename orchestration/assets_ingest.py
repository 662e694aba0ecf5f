"""Assets that find the input files and read them to documents."""

from orchestration.asset import mill_asset
from pipelines.build.ingest import (
    CrawlInputsConfig,
    CuratedConfig,
    DocumentsConfig,
    build_crawl,
    build_curated,
    build_documents,
)

crawl = mill_asset(
    "crawl",
    build_crawl,
    group="ingest",
    description="The crawl's WARC and WET files; without any in the config, the embedded demo is crawled.",
    config=CrawlInputsConfig,
    kinds=["warc"],
)

curated = mill_asset(
    "curated",
    build_curated,
    group="ingest",
    description="The curated sources' files: WebText-like, books, Wikipedia and others.",
    deps=["crawl"],
    config=CuratedConfig,
    kinds=["text"],
)

documents = mill_asset(
    "documents",
    build_documents,
    group="ingest",
    description="One row a document: extracted text of crawled pages and the curated texts.",
    deps=["crawl", "curated"],
    config=DocumentsConfig,
    checks=["not_empty", "every_source_has_documents"],
    kinds=["parquet", "pyspark"],
)
