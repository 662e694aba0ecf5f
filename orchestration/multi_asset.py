"""How several assets that one build step makes together are declared: none is published unless all checks hold."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg
from pydantic import BaseModel

from orchestration.asset import CODE_VERSION
from orchestration.metadata import check_results, published, require
from orchestration.resources import configured, op_config
from pipelines.build.built import Built
from pipelines.engine.mill import Mill

BuildAll = Callable[..., Mapping[str, Built]]


@dataclass(frozen=True)
class Output:
    """One of the assets: its description, the checks that its Built carries, what stands in the UI as its kinds."""

    name: str
    description: str
    checks: Sequence[str] = ()
    kinds: Sequence[str] = ("parquet", "huggingface")


def mill_multi_asset(
    name: str,
    build: BuildAll,
    outputs: Sequence[Output],
    *,
    group: str,
    deps: Sequence[str],
    config: type[BaseModel],
    after: Callable[[Mill], object] | None = None,
) -> dg.AssetsDefinition:
    """The assets `outputs`, made by the op `name`: `build(mill, config)` gives a Built for each.

    `after` runs once all are published.
    """

    @dg.multi_asset(
        name=name,
        group_name=group,
        config_schema=configured(name, config),
        required_resource_keys={"mill"},
        specs=[
            dg.AssetSpec(
                output.name,
                deps=list(deps),
                description=output.description,
                kinds=set(output.kinds),
                code_version=CODE_VERSION,
            )
            for output in outputs
        ],
        check_specs=[
            dg.AssetCheckSpec(check, asset=output.name, blocking=True)
            for output in outputs
            for check in output.checks
        ],
    )
    def made(context: dg.AssetExecutionContext) -> Iterator[Any]:
        mill: Mill = context.resources.mill
        built = build(mill, op_config(context, config))
        for output in outputs:
            yield from check_results(built[output.name], output.name)
        require([built[output.name] for output in outputs])
        for output in outputs:
            yield published(mill.root, built[output.name], output.name)
        if after is not None:
            after(mill)

    return made
