"""Files of instructions → the raw datasets."""

from collections import Counter
from functools import partial
from typing import Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipelines.build.built import Built, Check
from pipelines.engine.artifact import build_table
from pipelines.engine.dataset import DatasetVersion, read_dataset
from pipelines.engine.mill import Mill
from pipelines.engine.runner import run_stage
from pipelines.rlhf.read_stage import RlhfReadStage, read_tasks
from pipelines.rlhf.schemas import (
    RAW_DEMONSTRATIONS,
    RAW_JUDGEMENTS,
    RAW_PROMPTS,
    READ_DECISIONS,
)
from pipelines.rlhf.source_config import RlhfSourceConfig
from pipelines.schemas import DatasetSchema

RAW = (RAW_DEMONSTRATIONS, RAW_JUDGEMENTS, RAW_PROMPTS)

SHARD = "shard-00000"
SOURCES_KEY = "ops.instructions.config.sources"


class InstructionsConfig(BaseModel):
    """The sources of demonstrations, judgements and prompts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sources: list[RlhfSourceConfig] = Field(
        default=[], description="the sources, one entry each; none: code pairs and rounds alone"
    )
    max_dead_share: float = Field(
        default=0.05,
        description="share of the rows that may be dead letters before the run fails, 0..1",
        ge=0,
        le=1,
    )

    @model_validator(mode="after")
    def _names_differ(self) -> "InstructionsConfig":
        names = [source.name for source in self.sources]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"sources: the name '{repeated[0]}' is used twice; every source needs its own")
        return self


def build_instructions(mill: Mill, config: InstructionsConfig) -> Built:
    """Read the sources' files to raw demonstrations, judgements and prompts."""
    if not config.sources:
        return _nothing_read(mill)
    details = {"sources": [source.model_dump(mode="json") for source in config.sources]}
    made = run_stage(
        mill.spark,
        mill.root,
        RlhfReadStage(),
        read_tasks(config.sources),
        max_dead_share=config.max_dead_share,
        details=details,
    )
    versions = tuple(made[schema.name] for schema in (*RAW, READ_DECISIONS))
    main = versions[0]
    rows: list[list[Any]] = [[version.name, version.rows] for version in versions]
    rows += [["dead letters", main.manifest["dead_letters"]]]
    every = _every_source(versions, config.sources)
    header: list[Any] = ["dataset", "rows"]
    tables = {"read": [header, *rows], "by_source": _by_source(versions[:3])}
    return Built(versions, RAW_DEMONSTRATIONS, (every,), tables=tables)


def _nothing_read(mill: Mill) -> Built:
    """Raw datasets without rows, for a run that has code pairs or rounds alone."""
    versions = tuple(
        build_table(mill.root, schema, {"sources": []}, partial(_empty, schema))
        for schema in (*RAW, READ_DECISIONS)
    )
    return Built(versions, RAW_DEMONSTRATIONS, (_every_source(versions, []),))


def _empty(schema: DatasetSchema) -> tuple[dict[str, pa.Table], dict[str, Any]]:
    return {SHARD: schema.schema.empty_table()}, {}


def _by_source(versions: tuple[DatasetVersion, ...]) -> list[list[Any]]:
    """Header and rows: records of each raw dataset by source."""
    counts = [
        Counter(read_dataset(version, schema, ["source"])["source"].to_pylist())
        for version, schema in zip(versions, RAW, strict=True)
    ]
    sources = sorted(set().union(*counts))
    return [["source", *(schema.name for schema in RAW)], *([s, *(c[s] for c in counts)] for s in sources)]


def _every_source(versions: tuple[DatasetVersion, ...], sources: list[RlhfSourceConfig]) -> Check:
    """A source that gives nothing is mostly one whose layout or `gives` is wrong."""
    found: set[str] = set()
    for version, schema in zip(versions, (*RAW, READ_DECISIONS), strict=True):
        found.update(read_dataset(version, schema, ["source"])["source"].unique().to_pylist())
    silent = sorted({source.name for source in sources} - found)
    detail = f"{len(found)} sources have records"
    if silent:
        detail = (
            f"no records from {', '.join(silent)}; see the dead letters and the source's layout and gives"
        )
    return Check("every_source_has_records", not silent, detail)
