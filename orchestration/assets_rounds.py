"""Assets of a round of judging; its number is the partition."""

from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
from pydantic import BaseModel

from orchestration.asset import CODE_VERSION
from orchestration.metadata import finish
from orchestration.resources import configured, op_config
from pipelines.build.built import Built
from pipelines.build.rlhf_rounds import (
    MOST_ROUNDS,
    RoundJudgementsConfig,
    RoundSamplesConfig,
    build_round_judgements,
    build_round_prompts,
    build_round_samples,
    build_round_tasks,
)
from pipelines.engine.mill import Mill
from pipelines.rlhf.labelling.export import ExportConfig
from pipelines.rlhf.rounds import RoundConfig

GROUP = "rounds"
ROUNDS = dg.StaticPartitionsDefinition([str(number) for number in range(MOST_ROUNDS)])
BuildRound = Callable[..., Built]


def round_asset(
    name: str,
    build: BuildRound,
    config: type[BaseModel],
    checks: list[str],
    deps: list[str],
    description: str,
) -> dg.AssetsDefinition:
    """The asset `name` of a round: `build(mill, number, config)` makes it."""

    @dg.asset(
        name=name,
        group_name=GROUP,
        description=description,
        deps=deps,
        partitions_def=ROUNDS,
        kinds={"parquet"},
        config_schema=configured(name, config),
        code_version=CODE_VERSION,
        required_resource_keys={"mill"},
        check_specs=[dg.AssetCheckSpec(check, asset=name, blocking=True) for check in checks],
    )
    def made(context: dg.AssetExecutionContext) -> Iterator[Any]:
        mill: Mill = context.resources.mill
        yield from finish(mill.root, build(mill, int(context.partition_key), op_config(context, config)))

    return made


round_prompts = round_asset(
    "round_prompts",
    build_round_prompts,
    RoundConfig,
    ["not_empty"],
    ["prompts"],
    "Prompts of train that no other round has.",
)

round_samples = round_asset(
    "round_samples",
    build_round_samples,
    RoundSamplesConfig,
    ["not_empty"],
    ["round_prompts"],
    "K answers of a policy to each prompt, and the round's lineage: checkpoint, digest, sampling, prompts.",
)

round_tasks = round_asset(
    "round_tasks",
    build_round_tasks,
    ExportConfig,
    ["not_empty"],
    ["round_samples"],
    "Label Studio projects with the answers in a drawn order under opaque ids.",
)

round_judgements = round_asset(
    "round_judgements",
    build_round_judgements,
    RoundJudgementsConfig,
    ["not_empty", "annotations_usable"],
    ["round_tasks"],
    "What labelers or the automatic judge said; ops.cleaned_instructions.config.rounds takes it in.",
)
