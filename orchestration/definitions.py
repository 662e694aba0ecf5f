"""The code location: assets, the job `build_corpus`, the mill resource, one process and one Spark session a run."""

import dagster as dg

from orchestration import assets_corpus, assets_ingest, assets_mixture, assets_quality
from orchestration.resources import mill_resource

ASSETS = dg.load_assets_from_modules([assets_ingest, assets_quality, assets_corpus, assets_mixture])

build_corpus = dg.define_asset_job(
    "build_corpus",
    selection=dg.AssetSelection.all(),
    description="Crawl and curated files in, packed pretraining sequences out. Select some assets to run a part.",
)

defs = dg.Definitions(
    assets=ASSETS,
    jobs=[build_corpus],
    resources={"mill": mill_resource},
    # One process a run: the default executor would start a JVM for every step.
    executor=dg.in_process_executor,
)
