"""corpus → tokenizer → tokens → mixture_plan → pretraining, and the diversity of what was kept."""

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field

from pipelines.build.built import Built, Check, aligned, not_empty
from pipelines.engine import storage
from pipelines.engine.artifact import build_artifact, build_table
from pipelines.engine.dataset import DatasetVersion, current, iter_shard, read_dataset
from pipelines.engine.lineage import current_inputs
from pipelines.engine.mill import Mill
from pipelines.engine.runner import run_stage, shard_tasks
from pipelines.ids import payload_digest
from pipelines.mixing import mixture, tokenizer
from pipelines.mixing.buckets import BucketStage, PackConfig, bucket_sizes
from pipelines.mixing.dataset_card import CardFacts, write_card
from pipelines.mixing.diversity import DIVERSITY, TALLY, DiversityStage, summarise
from pipelines.mixing.mixture import MixtureConfig
from pipelines.mixing.pack import PackStage, plan_packing
from pipelines.mixing.sample import TEXT_SAMPLE, Sampler, SampleStage
from pipelines.mixing.tokenize import TokenizeConfig, TokenizeStage
from pipelines.mixing.tokenizer import TokenizerConfig
from pipelines.schemas import CORPUS, MIXTURE_PLAN, TOKENS, pretraining_schema

TOKENIZER = "tokenizer"
_CODE_VERSION = 1
_DIVERSITY_CODE_VERSION = 2


class TokenizerBuildConfig(BaseModel):
    """The tokenizer, and the weights by which its training sample is drawn."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tokenizer: TokenizerConfig = Field(TokenizerConfig(), description="vocabulary and sample")
    weights: MixtureConfig = Field(MixtureConfig(), description="shares of the sources in the sample")


class DiversityConfig(BaseModel):
    """How the diversity of the corpus is measured."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sample_bytes: int = Field(
        1_000_000, description="bytes of text by source behind the n-gram figures", ge=1
    )
    seed: int = Field(0, description="seed of the sample", ge=0)


def build_diversity(mill: Mill, config: DiversityConfig) -> Built:
    """Domains, languages, formats and distinct n-grams of the corpus by source."""
    corpus, documents = current_inputs(mill.root, "corpus", "documents").values()
    tallied = run_stage(
        mill.spark,
        mill.root,
        DiversityStage(corpus.folder, documents.folder),
        shard_tasks(corpus),
        [corpus, documents],
    )["diversity_tally"]
    budgets = dict.fromkeys(sorted(_roles(mill)), config.sample_bytes)
    sampled = _sample(mill, corpus, budgets, config.seed, "diversity")

    def make() -> tuple[dict[str, pa.Table], dict[str, Any]]:
        tallies = (table for shard in tallied.shards for table in iter_shard(tallied.folder, shard, TALLY))
        return {"shard-00000": summarise(tallies, sampled)}, {}

    key = {"config": config.model_dump(mode="json"), "code": _DIVERSITY_CODE_VERSION}
    version = build_table(mill.root, DIVERSITY, key, make, {"corpus": corpus, "diversity_tally": tallied})
    return Built((version, tallied), DIVERSITY, (not_empty(version),))


def build_tokenizer(mill: Mill, config: TokenizerBuildConfig) -> Built:
    """Train the tokenizer on a sample of the mixture, or take the one that the config names."""
    corpus = current_inputs(mill.root, "corpus", "documents")["corpus"]

    def make(folder: Path) -> dict[str, Any]:
        if config.tokenizer.tokenizer_path is not None:
            made = tokenizer.load(config.tokenizer.tokenizer_path)
        else:
            budgets = tokenizer.sample_budgets(_source_bytes(mill, corpus), config.weights, config.tokenizer)
            made = tokenizer.train(
                _sample(mill, corpus, budgets, config.tokenizer.seed, "tokenizer sample"), config.tokenizer
            )
        tokenizer.save(made, str(folder))
        special = tokenizer.special_ids(made)
        return {"vocab_size": made.get_vocab_size(), **special._asdict()}

    key: dict[str, Any] = {"config": config.model_dump(mode="json"), "code": _CODE_VERSION}
    if config.tokenizer.tokenizer_path is not None:
        key["file"] = tokenizer.file_digest(config.tokenizer.tokenizer_path)
    version = build_artifact(mill.root, TOKENIZER, key, make, {"corpus": corpus})
    return Built((version,), metadata=dict(version.manifest["details"]))


def build_tokens(mill: Mill, config: TokenizeConfig) -> Built:
    """Encode every piece of the corpus once."""
    corpus, trained = current_inputs(mill.root, "corpus", TOKENIZER).values()
    path = storage.join(trained.folder, tokenizer.FILE)
    stage = TokenizeStage(corpus.folder, path, payload_digest(storage.read_bytes(path)), config)
    version = run_stage(mill.spark, mill.root, stage, shard_tasks(corpus), [corpus, trained])["tokens"]
    return Built((version,), TOKENS, (aligned(version, corpus), not_empty(version)))


def build_mixture_plan(mill: Mill, config: MixtureConfig) -> Built:
    """How often each source is drawn, beside GPT-3's Table 2.2."""
    tokens = current_inputs(mill.root, "tokens", "documents")["tokens"]
    roles = _roles(mill)

    def make() -> tuple[dict[str, pa.Table], dict[str, Any]]:
        plan = mixture.plan(mixture.counted_stats(tokens.counts, roles), config)
        return {"shard-00000": plan}, {"shortfall_tokens": mixture.shortfall(plan, config)}

    key = {"config": config.model_dump(mode="json"), "roles": roles, "code": _CODE_VERSION}
    version = build_table(mill.root, MIXTURE_PLAN, key, make, {"tokens": tokens})
    drawn = pc.sum(read_dataset(version, MIXTURE_PLAN)["drawn_tokens"]).as_py() or 0
    some = Check("something_is_drawn", drawn > 0, f"{drawn} tokens are drawn")
    return Built(
        (version,),
        MIXTURE_PLAN,
        (some,),
        {"shortfall_tokens": version.manifest["details"]["shortfall_tokens"]},
    )


def build_pretraining(mill: Mill, config: PackConfig) -> Built:
    """Draw, shuffle and pack the tokens into full sequences."""
    inputs = current_inputs(mill.root, "tokens", "mixture_plan", TOKENIZER)
    tokens, planned = inputs["tokens"], inputs["mixture_plan"]
    end_of_text = inputs[TOKENIZER].manifest["details"]["end_of_text"]
    plan = read_dataset(planned, MIXTURE_PLAN)
    epochs = dict(zip(plan["source"].to_pylist(), plan["epochs"].to_pylist(), strict=True))
    upstream = [tokens, planned]
    drawing = BucketStage(tokens.folder, epochs, config)
    drawn = run_stage(mill.spark, mill.root, drawing, shard_tasks(tokens), upstream)["bucketed_tokens"]
    packing = plan_packing(bucket_sizes(drawn.folder, drawn.shards), sorted(epochs), config)
    stage = PackStage(drawn.folder, drawn.shards, end_of_text, config)
    details = {"context": config.context, "tokens": packing.tokens, "lost_tokens": packing.lost}
    version = run_stage(mill.spark, mill.root, stage, packing.tasks, [drawn, planned], details=details)[
        "pretraining"
    ]
    length = config.context + 1
    expected = sum((packing.tokens[stream] - packing.lost[stream]) // length for stream in packing.tokens)
    whole = Check("no_token_lost", version.rows == expected, f"{version.rows} sequences, {expected} expected")
    checks = (not_empty(version), whole)
    return Built((version, drawn), pretraining_schema(config.context), checks, {"lost_tokens": packing.lost})


def write_pretraining_card(mill: Mill) -> str:
    """Write the dataset card of the published packed dataset; the path of it."""
    version = current(mill.root, "pretraining")
    details = version.manifest["details"]
    documents = current(mill.root, "documents").manifest["details"]
    facts = CardFacts(
        context=details["context"],
        mixture_plan=read_dataset(current(mill.root, "mixture_plan"), MIXTURE_PLAN),
        lost_tokens=details["lost_tokens"],
        provenance=[
            f"{name} ({role}): {', '.join(documents['inputs'][name])}"
            for name, role in documents["roles"].items()
        ],
        licences=[f"{name}: see its files" for name in documents["roles"]],
        made_by=f"Made by Gristmill, commit {version.manifest['code_commit']}.",
    )
    return write_card(mill.root, version, facts)


def _roles(mill: Mill) -> dict[str, str]:
    return dict(current(mill.root, "documents").manifest["details"]["roles"])


def _source_bytes(mill: Mill, corpus: DatasetVersion) -> pa.Table:
    """SOURCE_STATS of the corpus with bytes for tokens, added up row group by row group."""
    documents: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for shard in corpus.shards:
        for part in iter_shard(corpus.folder, shard, CORPUS, ["source", "n_bytes"]):
            grouped = part.group_by("source").aggregate([("n_bytes", "sum"), ("n_bytes", "count")])
            for row in grouped.to_pylist():
                documents[row["source"]] += row["n_bytes_count"]
                sizes[row["source"]] += row["n_bytes_sum"]
    rows = [
        {"source": source, "role": role, "documents": documents[source], "tokens": sizes[source]}
        for source, role in sorted(_roles(mill).items())
    ]
    return pa.Table.from_pylist(rows, schema=mixture.SOURCE_STATS)


def _sample(mill: Mill, corpus: DatasetVersion, budgets: dict[str, int], seed: int, purpose: str) -> pa.Table:
    """The sample of the whole corpus out of the shards' samples."""
    stage = SampleStage(corpus.folder, budgets, seed, purpose)
    version = run_stage(mill.spark, mill.root, stage, shard_tasks(corpus), [corpus])["text_sample"]
    sampler = Sampler(budgets, seed, purpose)
    for shard in version.shards:
        for rows in iter_shard(version.folder, shard, TEXT_SAMPLE):
            sampler.add(rows)
    return sampler.table()
