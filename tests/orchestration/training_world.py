"""An asset over the toy command, an input for it, and runs of it."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import dagster as dg

from orchestration.resources import mill_resource
from orchestration.training_asset import training_asset
from orchestration.training_resource import training_resource
from orchestration.training_spec import Training
from pipelines.engine.artifact import build_artifact
from pipelines.engine.dataset import DatasetVersion, publish
from tests.orchestration.toy_training import ToyConfig

TOY = Training(
    name="toy",
    module="tests.orchestration.toy_training",
    config=ToyConfig,
    description="A line, followed.",
    inputs=("toy_data",),
    fill=lambda inputs, values: {"data": inputs["toy_data"].folder},
    stand_in={"data": "toy_data"},
    neutral=("fail_at", "pause"),
    figures=("loss", "note", "resumed_at"),
    curves={"loss": ("loss",)},
)
toy = training_asset(TOY)


def publish_input(root: Path, text: str = "1 2 3") -> DatasetVersion:
    """A published version of the toy's input."""

    def make(folder: Path) -> dict[str, Any]:
        (folder / "data.txt").write_text(text)
        return {}

    version = build_artifact(str(root), "toy_data", {"text": text}, make)
    publish(str(root), version)
    return version


def run_toy(
    root: Path | str, instance: dg.DagsterInstance | None = None, raise_on_error: bool = False, **config: Any
) -> dg.ExecuteInProcessResult:
    """Materialise the toy under this config."""
    run_config = {
        "ops": {"toy": {"config": config}},
        "resources": {
            "mill": {"config": {"root": str(root)}},
            "training": {"config": {"progress_seconds": 0.1}},
        },
    }
    return dg.materialize(
        [toy],
        resources={"mill": mill_resource, "training": training_resource},
        run_config=run_config,
        instance=instance,
        raise_on_error=raise_on_error,
    )


def failure(result: dg.ExecuteInProcessResult) -> tuple[str, dict[str, Any]]:
    """Description and metadata of the failure that a step gave up with."""
    (event,) = [event for event in result.all_events if event.is_step_failure]
    told = event.step_failure_data.user_failure_data
    assert told is not None, event.step_failure_data.error
    return str(told.description), {name: value.value for name, value in told.metadata.items()}


def work_folder(root: Path, name: str = "toy", seconds: float = 120.0) -> Path:
    """The one folder in which the asset's training is under way, as soon as there is one."""
    deadline = time.monotonic() + seconds
    while not (found := [path for path in (root / "_training" / name).glob("v-*") if path.is_dir()]):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{root}: {name} never began")
        time.sleep(0.05)
    (folder,) = found
    return folder


def wait_for(path: Path, text: str, seconds: float = 120.0) -> str:
    """The content of a file that another process writes, once it holds `text`."""
    deadline = time.monotonic() + seconds
    while not (path.exists() and text in path.read_text()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{path} never held {text!r}")
        time.sleep(0.05)
    return path.read_text()


def kill_trainer(root: Path, name: str, step: int, number: int = signal.SIGKILL) -> None:
    """Kill the training's process after a step, by the id that its lock holds."""
    folder = work_folder(root, name)
    wait_for(folder / "metrics.jsonl", f'"step": {step}')
    os.kill(int((folder.parent / f"{folder.name}.lock").read_text()), number)
