"""The one resource of the assets: data root, lazy Spark session, and a check of the whole run config up front."""

from collections.abc import Iterator
from typing import Any, TypeVar

import dagster as dg
from pydantic import BaseModel, ConfigDict, Field

from orchestration.config import core, dagster_schema
from orchestration.refusal import told_last
from pipelines.build.chat_tokenizer import CHAT_TOKENIZER
from pipelines.build.preflight import (
    SPARK,
    preflight,
    require_corpus_tokenizer,
    require_perplexity_model,
)
from pipelines.build.scoring import PERPLEXITY_MODEL
from pipelines.engine.mill import Mill, data_root
from pipelines.engine.spark import LazySession, SparkConfig

M = TypeVar("M", bound=BaseModel)

CONFIGS: dict[str, type[BaseModel]] = {}


class MillConfig(BaseModel):
    """Where the datasets stand and where Spark runs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    root: str = Field("", description="data root, local or s3://; empty: GRISTMILL_DATA, else ./data")
    spark: SparkConfig = Field(SparkConfig(), description="the Spark session of the run")


def configured(name: str, model: type[BaseModel]) -> dict[str, dg.Field]:
    """Dagster schema of the asset `name`, whose config the mill also checks before the run's first step."""
    CONFIGS[name] = model
    return dagster_schema(model)


def op_config(context: dg.AssetExecutionContext, model: type[M]) -> M:
    """The config of the step that runs, as its model."""
    name = context.op_execution_context.op.name
    return core(model, context.op_execution_context.op_config, f"ops.{name}.config")


@dg.resource(config_schema=dagster_schema(MillConfig), description=MillConfig.__doc__)
def mill_resource(context: dg.InitResourceContext) -> Iterator[Mill]:
    """A Mill; every value of the run config is checked here, before any step has run."""
    with told_last():
        config = _checked(context)
    session = LazySession(config.spark)
    try:
        yield Mill(data_root(config.root), session)
    finally:
        session.stop()


def _checked(context: dg.InitResourceContext) -> MillConfig:
    config = core(MillConfig, context.resource_config, "resources.mill.config")
    run_config: dict[str, Any] = dict(context.run.run_config) if context.run else {}
    given = run_config.get("ops") or {}
    models = {
        name: core(model, (given.get(name) or {}).get("config") or {}, f"ops.{name}.config")
        for name, model in CONFIGS.items()
    }
    preflight({**models, SPARK: config.spark})
    root = data_root(config.root)
    if _makes(context, CHAT_TOKENIZER, of_job="build_rlhf"):
        require_corpus_tokenizer(models, root)
    if _makes(context, PERPLEXITY_MODEL, of_job="build_corpus"):
        require_perplexity_model(models)
    return config


def _makes(context: dg.InitResourceContext, step: str, of_job: str) -> bool:
    """Whether this run has the step; a run that names no steps has all of its job's."""
    if context.run is None:
        return False
    steps = context.run.step_keys_to_execute
    return step in steps if steps else context.run.job_name == of_job
