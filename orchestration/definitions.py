"""The code location: assets, four jobs, one process and one Spark session a run."""

import dagster as dg

from orchestration import (
    assets_alignment,
    assets_corpus,
    assets_ingest,
    assets_mixture,
    assets_quality,
    assets_rlhf,
    assets_training,
)
from orchestration.assets_rlhf import GROUP as RLHF
from orchestration.resources import mill_resource
from orchestration.training_asset import GROUP as TRAINING
from orchestration.training_resource import training_resource

CORPUS = dg.load_assets_from_modules([assets_ingest, assets_quality, assets_corpus, assets_mixture])
INSTRUCTIONS = dg.load_assets_from_modules([assets_rlhf])
MODELS = dg.load_assets_from_modules([assets_training, assets_alignment])

build_corpus = dg.define_asset_job(
    "build_corpus",
    selection=dg.AssetSelection.groups("ingest", "quality", "dedup", "corpus", "mixture"),
    description="Crawl and curated files in, packed pretraining sequences out. Select some assets to run a part.",
)

build_rlhf = dg.define_asset_job(
    "build_rlhf",
    selection=dg.AssetSelection.groups(RLHF) | dg.AssetSelection.assets("chat_tokenizer"),
    description="Demonstrations, judgements and prompts in, the datasets of SFT, reward model and PPO out.",
)

pretrain_gpt = dg.define_asset_job(
    "pretrain_gpt",
    selection=dg.AssetSelection.assets("chat_tokenizer", "base_model", "base_evaluation"),
    description="The part of train_gpt that needs no instructions: packed sequences in, a pretrained GPT out.",
)

train_gpt = dg.define_asset_job(
    "train_gpt",
    selection=dg.AssetSelection.groups(TRAINING),
    description="Packed sequences in, a trained GPT out, each training a process of its own. A re-run resumes.",
)

defs = dg.Definitions(
    assets=[*CORPUS, *INSTRUCTIONS, *MODELS],
    jobs=[build_corpus, build_rlhf, pretrain_gpt, train_gpt],
    resources={"mill": mill_resource, "training": training_resource},
    # One process a run: the default executor would start a JVM for every step.
    executor=dg.in_process_executor,
)
