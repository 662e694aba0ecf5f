"""The resource of the training assets: how processes are watched, and a check of the whole run before its first step.

A training may be the last of a chain that takes days, so what would stop it then stops the run now: a value out of
range, a file or a dataset that is not there, a data root that no training can read, a missing torch.
"""

from importlib.util import find_spec
from typing import Any

import dagster as dg
from pydantic import BaseModel, ConfigDict, Field

from orchestration.config import ConfigError, core, dagster_schema
from orchestration.training_spec import Training
from pipelines.build.training import TrainingError, require_local
from pipelines.engine import storage
from pipelines.engine.dataset import POINTER, dataset_folder
from pipelines.engine.mill import Mill

TRAININGS: dict[str, Training] = {}
MODULES = ("torch", "transformers")


class TrainingConfig(BaseModel):
    """How training processes are watched."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    progress_seconds: float = Field(10.0, description="seconds between two lines of progress", gt=0)
    stop_seconds: float = Field(
        120.0, description="seconds that a stopped training has to write its checkpoint", gt=0
    )


def registered(training: Training) -> Training:
    """Have the resource check this training's config before a run's first step."""
    TRAININGS[training.name] = training
    return training


@dg.resource(
    config_schema=dagster_schema(TrainingConfig),
    required_resource_keys={"mill"},
    description=TrainingConfig.__doc__,
)
def training_resource(context: dg.InitResourceContext) -> TrainingConfig:
    """The settings; everything that a training of this run needs is checked here."""
    config = core(TrainingConfig, context.resource_config, "resources.training.config")
    mill: Mill = context.resources.mill
    run_config: dict[str, Any] = dict(context.run.run_config) if context.run else {}
    given = run_config.get("ops") or {}
    steps = set((context.run.step_keys_to_execute if context.run else None) or TRAININGS)
    trainings = [training for name, training in TRAININGS.items() if name in steps]
    for training in trainings:
        training.check((given.get(training.name) or {}).get("config") or {})
    require_local(mill.root)
    _require_modules()
    _require_inputs(mill.root, trainings, steps)
    return config


def _require_modules() -> None:
    missing = [name for name in MODULES if find_spec(name) is None]
    if missing:
        raise TrainingError(
            f"{' and '.join(missing)} cannot be imported by this Python: install the extra 'train' "
            "(pip install 'gristmill[train]', or make setup-train)"
        )


def _require_inputs(root: str, trainings: list[Training], made: set[str]) -> None:
    """ConfigError for a dataset that a training reads, which neither stands there nor is made by this run."""
    for training in trainings:
        for name in training.inputs:
            pointer = storage.join(dataset_folder(root, name), POINTER)
            if name not in made and not storage.exists(pointer):
                raise ConfigError(
                    f"{training.name} reads the dataset '{name}', which has not been made: there is no {pointer}; "
                    "run the job that makes it first"
                )
