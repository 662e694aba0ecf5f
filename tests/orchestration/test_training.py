"""A training is an asset whose work is a process: it succeeds with figures, fails with its last words, resumes."""

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from orchestration import training_resource
from orchestration.config import ConfigError
from pipelines.build.training import TrainingError
from pipelines.engine.dataset import current
from tests.orchestration.commands import REPOSITORY
from tests.orchestration.training_world import (
    failure,
    kill_trainer,
    publish_input,
    run_toy,
    wait_for,
    work_folder,
)


def materialized(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    (event,) = result.get_asset_materialization_events()
    return {name: value.value for name, value in event.materialization.metadata.items()}


def test_success_publishes_the_folder_with_figures_curves_samples_and_lineage(tmp_path: Path) -> None:
    made_from = publish_input(tmp_path)
    with dg.DagsterInstance.ephemeral() as instance:
        result = run_toy(tmp_path, instance, steps=4, pause=0.2)
        assert result.success
        told = [entry.message for entry in instance.all_logs(result.run_id)]
    version = current(str(tmp_path), "toy")
    assert version.manifest["inputs"] == {"toy_data": made_from.version}
    assert version.manifest["config"]["config"] == {"steps": 4, "rate": 0.5}
    files = {path.name for path in Path(version.folder).iterdir()}
    assert files == {
        "_manifest.json", "config.json", "curves.svg", "metrics.jsonl", "process.log", "samples.jsonl", "summary.json"
    }  # fmt: skip
    metadata = materialized(result)
    assert metadata["loss"] == pytest.approx(9 / 4**4)
    assert metadata["note"] == "a word"
    assert metadata["path"] == version.folder
    assert metadata["curves"].startswith("![curves of toy](data:image/svg+xml;base64,")
    assert "| 4 | three \\| 3 |" in metadata["samples"]
    assert "| toy_data | " + made_from.version in metadata["inputs"]
    # Progress comes while the process runs, and no line twice.
    steps = [line for line in told if line.startswith("step ")]
    assert steps[-1] == f"step 4, loss {9 / 4**4:.4g}"
    assert len(set(steps)) == len(steps) >= 2


def test_what_is_finished_is_not_done_again_but_a_changed_config_or_input_is(tmp_path: Path) -> None:
    publish_input(tmp_path)
    first = materialized(run_toy(tmp_path))
    before = (Path(first["path"]) / "process.log").stat()
    assert materialized(run_toy(tmp_path, pause=0.01))["path"] == first["path"]
    after = (Path(first["path"]) / "process.log").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert materialized(run_toy(tmp_path, rate=0.25))["path"] != first["path"]
    publish_input(tmp_path, "4 5 6")
    assert materialized(run_toy(tmp_path))["path"] != first["path"]


def test_a_crash_fails_the_asset_with_the_last_lines_and_a_rerun_resumes(tmp_path: Path) -> None:
    publish_input(tmp_path)
    result = run_toy(tmp_path, steps=4, fail_at=3)
    assert not result.success
    description, metadata = failure(result)
    assert description.startswith("toy: the training process failed with status 1; run the asset again")
    assert description.endswith("\nNonFiniteError: 'loss' is nan")
    assert metadata["exit_status"] == 1
    assert not (tmp_path / "toy").exists()
    # The second sitting's last words are its own.
    description, _ = failure(run_toy(tmp_path, steps=4, fail_at=4))
    assert description.count("training on") == 1
    again = run_toy(tmp_path, steps=4)
    assert materialized(again)["resumed_at"] == 3
    assert not list((tmp_path / "_training" / "toy").glob("v-*/"))


def test_kill_9_of_the_process_fails_the_asset_and_a_rerun_resumes(tmp_path: Path) -> None:
    publish_input(tmp_path)
    killer = threading.Thread(target=kill_trainer, args=(tmp_path, "toy", 2))
    killer.start()
    result = run_toy(tmp_path, steps=6, pause=0.3)
    killer.join()
    assert "was killed by signal 9" in failure(result)[0]
    resumed = materialized(run_toy(tmp_path, steps=6))
    assert resumed["resumed_at"] >= 2
    assert resumed["loss"] == pytest.approx(9 / 4**6)


def run_apart(root: Path) -> subprocess.Popen[bytes]:
    """A run in a process of its own, whose training has done a step."""
    code = (
        f"from tests.orchestration.training_world import run_toy; run_toy({str(root)!r}, steps=60, pause=0.2)"
    )
    run = subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY, stderr=subprocess.DEVNULL)
    wait_for(work_folder(root) / "metrics.jsonl", '"step": 1')
    return run


@pytest.mark.slow
def test_a_training_whose_run_is_killed_stops_by_itself_and_is_resumed(tmp_path: Path) -> None:
    publish_input(tmp_path)
    run = run_apart(tmp_path)
    run.kill()
    run.wait()
    log = wait_for(work_folder(tmp_path) / "process.log", "stopped after step")
    assert "the run that started this training is gone" in log
    assert materialized(run_toy(tmp_path, steps=60))["resumed_at"] >= 1


@pytest.mark.slow
def test_an_interrupted_run_stops_its_training_first(tmp_path: Path) -> None:
    publish_input(tmp_path)
    run = run_apart(tmp_path)
    run.send_signal(signal.SIGINT)
    run.wait(30)
    folder = work_folder(tmp_path)
    assert "stopped after step" in (folder / "process.log").read_text()
    with pytest.raises(ProcessLookupError):
        os.kill(int((folder.parent / f"{folder.name}.lock").read_text()), 0)


@pytest.mark.parametrize(
    ("root", "config", "error", "message"),
    [
        ("", {"steps": 0}, ConfigError, r"^ops\.toy\.config: steps must be at least 1, got 0$"),
        ("", {}, ConfigError, r"^toy reads the dataset 'toy_data', .*/toy_data/CURRENT\.json"),
        (
            "s3://bucket/data",
            {},
            TrainingError,
            r"^resources\.mill\.config\.root: .* is s3://bucket/data\. Copy",
        ),
    ],
    ids=["a value out of range", "a dataset that is not there", "an object store"],
)
def test_preflight_fails_before_any_step(
    root: str, config: dict[str, Any], error: type[Exception], message: str, tmp_path: Path
) -> None:
    with pytest.raises(dg.DagsterResourceFunctionError) as raised:
        run_toy(root or tmp_path, raise_on_error=True, **config)
    cause = raised.value.__cause__
    assert isinstance(cause, error)
    assert re.search(message, str(cause))
    assert not list(tmp_path.iterdir())


def test_without_torch_the_run_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish_input(tmp_path)
    monkeypatch.setattr(training_resource, "MODULES", ("torch", "no_such_library"))
    with pytest.raises(dg.DagsterResourceFunctionError) as raised:
        run_toy(tmp_path, raise_on_error=True)
    assert "no_such_library cannot be imported by this Python: install the extra 'train'" in str(
        raised.value.__cause__
    )
