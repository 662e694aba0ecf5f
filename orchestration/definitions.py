"""The code location: assets, jobs, one process and one Spark session a run."""

import dagster as dg

from orchestration import (
    assets_alignment,
    assets_corpus,
    assets_ingest,
    assets_mixture,
    assets_quality,
    assets_rlhf,
    assets_rounds,
    assets_training,
)
from orchestration.assets_rlhf import GROUP as RLHF
from orchestration.assets_rounds import ROUNDS
from orchestration.resources import mill_resource
from orchestration.training_asset import GROUP as TRAINING
from orchestration.training_resource import training_resource

CORPUS = dg.load_assets_from_modules([assets_ingest, assets_quality, assets_corpus, assets_mixture])
INSTRUCTIONS = dg.load_assets_from_modules([assets_rlhf])
JUDGING = dg.load_assets_from_modules([assets_rounds])
MODELS = dg.load_assets_from_modules([assets_training, assets_alignment])
ASSETS = [*CORPUS, *INSTRUCTIONS, *JUDGING, *MODELS]

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

sample_round = dg.define_asset_job(
    "sample_round",
    selection=dg.AssetSelection.assets("round_prompts", "round_samples", "round_tasks"),
    partitions_def=ROUNDS,
    description="A round's first half, by its number: answers of the policy, as tasks for labelers.",
)

judge_round = dg.define_asset_job(
    "judge_round",
    selection=dg.AssetSelection.assets("round_judgements"),
    partitions_def=ROUNDS,
    description="A round's second half: what labelers or the automatic judge said.",
)

pretrain_gpt = dg.define_asset_job(
    "pretrain_gpt",
    selection=dg.AssetSelection.assets("chat_tokenizer", "base_model", "base_evaluation"),
    description="What of train_gpt needs no instructions, with the chat tokenizer: packed sequences in, a GPT out.",
)

train_gpt = dg.define_asset_job(
    "train_gpt",
    # The chat tokenizer is build_rlhf's: made here under other settings, it would outdate the datasets made with it.
    selection=dg.AssetSelection.groups(TRAINING) - dg.AssetSelection.assets("chat_tokenizer"),
    description="Packed sequences in, a trained GPT out, each training a process of its own. A re-run resumes.",
)

defs = dg.Definitions(
    assets=ASSETS,
    jobs=[build_corpus, build_rlhf, sample_round, judge_round, pretrain_gpt, train_gpt],
    resources={"mill": mill_resource, "training": training_resource},
    # One process a run: the default executor would start a JVM for every step.
    executor=dg.in_process_executor,
)
