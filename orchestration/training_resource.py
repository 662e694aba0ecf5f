"""The resource of the training assets: how processes are watched, and a check of the whole run before its first step.

A training may be the last of a chain that takes days, so what would stop it then stops the run now: a value out of
range, a file or a dataset that is not there, a data root that no training can read, a missing torch.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import dagster as dg
from pydantic import BaseModel, ConfigDict, Field

from orchestration.config import ConfigError, core, dagster_schema
from orchestration.refusal import told_last
from orchestration.training_spec import Training
from pipelines.build.chat_tokenizer import CHAT_TOKENIZER, CHAT_TOKENIZER_KEY, ChatTokenizerConfig
from pipelines.build.training import TrainingError, require_local
from pipelines.engine import storage
from pipelines.engine.dataset import POINTER, current, dataset_folder, open_version
from pipelines.engine.lineage import current_inputs
from pipelines.engine.mill import Mill

TRAININGS: dict[str, Training] = {}
MODULES = ("torch", "transformers")
INSTRUCTIONS = ("sft", "comparisons", "prompts")  # what build_rlhf makes with the chat tokenizer


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
    with told_last():
        return _checked(context)


def _checked(context: dg.InitResourceContext) -> TrainingConfig:
    config = core(TrainingConfig, context.resource_config, "resources.training.config")
    mill: Mill = context.resources.mill
    run_config: dict[str, Any] = dict(context.run.run_config) if context.run else {}
    ops = run_config.get("ops") or {}
    given = {name: (op or {}).get("config") or {} for name, op in ops.items()}
    made = _made(context)
    trainings = [training for name, training in TRAININGS.items() if name in made]
    for training in trainings:
        training.check(given.get(training.name, {}))
    require_local(mill.root)
    _require_modules()
    if CHAT_TOKENIZER in made and made.isdisjoint(INSTRUCTIONS):
        _require_same_chat_tokenizer(mill.root, given.get(CHAT_TOKENIZER, {}))
    _require_inputs(mill.root, trainings, made)
    _require_fitting(mill.root, trainings, made)
    return config


def _made(context: dg.InitResourceContext) -> set[str]:
    """Names of the steps and of the assets that this run makes; all trainings' where it does not say."""
    if context.run is None:
        return set(TRAININGS)
    assets = {key.to_user_string() for key in context.run.asset_selection or ()}
    return assets | set(context.run.step_keys_to_execute or TRAININGS)


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
            if name not in made and not _stands(root, name):
                pointer = storage.join(dataset_folder(root, name), POINTER)
                raise ConfigError(
                    f"{training.name} reads the dataset '{name}', which has not been made: there is no {pointer}; "
                    "run the job that makes it first"
                )


def _require_fitting(root: str, trainings: list[Training], made: set[str]) -> None:
    """StaleInputError, ConfigError where what stands there and goes into one training does not fit together.

    Each training would refuse it too, but after those before it have taken their days.
    """
    for training in trainings:
        inputs = current_inputs(root, *sorted(_standing(training, made)))
        if inputs.keys() >= set(training.inputs):
            training.require(inputs)


def _standing(training: Training, made: set[str]) -> set[str]:
    """Datasets that the training and those of this run before it read, and that this run does not make."""
    found: set[str] = set()
    for name in training.inputs:
        if name not in made:
            found.add(name)
        elif name in TRAININGS:
            found |= _standing(TRAININGS[name], made)
    return found


def _require_same_chat_tokenizer(root: str, given: Mapping[str, Any]) -> None:
    """ConfigError where the instruction datasets were made with a chat tokenizer of other settings."""
    here = core(ChatTokenizerConfig, dict(given), CHAT_TOKENIZER_KEY).model_dump(mode="json")
    for name in INSTRUCTIONS:
        version = current(root, name).manifest["inputs"].get(CHAT_TOKENIZER) if _stands(root, name) else None
        known = None if version is None else open_version(root, CHAT_TOKENIZER, version)
        there = here if known is None else known.manifest["config"]["config"]
        if there != here:
            raise ConfigError(
                f"{CHAT_TOKENIZER_KEY}: '{name}' was made with a chat tokenizer of the settings {there}, this run "
                f"has {here} and would outdate it: give the same settings, or run build_rlhf with the new ones first"
            )


def _stands(root: str, name: str) -> bool:
    return storage.exists(storage.join(dataset_folder(root, name), POINTER))
