"""How an asset of this project is declared: config model, contracts as blocking checks, the mill."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import dagster as dg
from pydantic import BaseModel

from orchestration.metadata import finish
from orchestration.resources import configured, op_config
from pipelines.build.built import Built
from pipelines.engine.mill import Mill

CODE_VERSION = "1"
Build = Callable[..., Built]


def mill_asset(
    name: str,
    build: Build,
    *,
    group: str,
    description: str,
    deps: Sequence[str] = (),
    config: type[BaseModel] | None = None,
    checks: Sequence[str] = (),
    kinds: Sequence[str] = ("parquet",),
    after: Callable[[Mill], object] | None = None,
) -> dg.AssetsDefinition:
    """The asset `name`: `build(mill[, config])` makes it, its `checks` must hold before it is published.

    `after` runs once the new version is published.
    """
    schema = configured(name, config) if config is not None else None

    @dg.asset(
        name=name,
        group_name=group,
        description=description,
        deps=list(deps),
        kinds=set(kinds),
        config_schema=schema,
        code_version=CODE_VERSION,
        required_resource_keys={"mill"},
        check_specs=[dg.AssetCheckSpec(check, asset=name, blocking=True) for check in checks],
    )
    def made(context: dg.AssetExecutionContext) -> Iterator[Any]:
        mill: Mill = context.resources.mill
        built = build(mill, op_config(context, config)) if config is not None else build(mill)
        yield from finish(mill.root, built)
        if after is not None:
            after(mill)

    return made
