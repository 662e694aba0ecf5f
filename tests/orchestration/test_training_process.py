"""The entry of a training's process: exit statuses, the lock on its folder, and what is read of its metrics."""

import subprocess
import sys
from pathlib import Path

import pytest

from orchestration.training_process import (
    BUSY,
    FolderBusyError,
    Progress,
    exclusive,
    last_line,
    run_module,
    told,
)
from tests.orchestration.commands import REPOSITORY


@pytest.mark.parametrize(
    ("end", "status"),
    [
        ("", 0),
        ("sys.exit()", 0),
        ("sys.exit(2)", 2),
        ("sys.exit('in words')", 1),
    ],
    ids=["falls off the end", "exits", "exits with a status", "exits in words"],
)
def test_the_status_is_that_of_the_command(
    end: str, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "some_command.py").write_text(f"import sys\nassert sys.argv[1:] == ['--out', 'x']\n{end}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["before"])
    assert run_module("some_command", ["--out", "x"]) == status


def test_a_folder_has_one_process_at_a_time(tmp_path: Path) -> None:
    out = tmp_path / "run"
    out.mkdir()
    with exclusive(out), pytest.raises(FolderBusyError, match=r"process \d+ trains in this folder"):
        exclusive(out, patience=0.0).__enter__()
    with exclusive(out, patience=0.0):
        pass


def test_a_folder_that_another_run_has_finished_is_not_begun_again(tmp_path: Path) -> None:
    with pytest.raises(FolderBusyError, match="has finished this training meanwhile"):
        exclusive(tmp_path / "gone").__enter__()


def test_the_process_runs_without_dagster_and_refuses_a_finished_folder(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text('{"data": "some/folder", "steps": 2}')
    command = [sys.executable, "-m", "orchestration.training_process", "tests.orchestration.toy_training"]

    def run(out: Path) -> subprocess.CompletedProcess[str]:
        arguments = [*command, str(config), "--out", str(out)]
        return subprocess.run(arguments, cwd=REPOSITORY, capture_output=True, text=True, check=False)

    (tmp_path / "out").mkdir()
    done = run(tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "summary.json").exists()
    assert run(tmp_path / "gone").returncode == BUSY


WHOLE = '{"step": 1, "loss": 2.5}\n'


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", None),
        ('{"step": 1, "lo', None),
        (WHOLE, {"step": 1, "loss": 2.5}),
        (WHOLE + '{"step": 2, "lo', {"step": 1, "loss": 2.5}),
        ('{"step": 0, "text": "' + "x" * 70_000 + '"}\n' + WHOLE, {"step": 1, "loss": 2.5}),
        (WHOLE * 5000, {"step": 1, "loss": 2.5}),
    ],
    ids=["empty", "a cut line", "a line", "a line and a cut one", "behind a long line", "a long file"],
)
def test_the_last_whole_line_is_read(content: str, expected: dict[str, float] | None, tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    assert last_line(path) is None
    path.write_text(content)
    assert last_line(path) == expected


def test_a_line_longer_than_what_is_read_gives_none(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 0, "text": "' + "x" * 70_000 + '"}\n')
    assert last_line(path) is None


def test_progress_tells_each_line_once(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    progress = Progress(path, ["loss", "tokens_per_second", "note"])
    assert progress.line() is None
    path.write_text('{"step": 1500, "tokens": 5, "loss": 2.51234}\n')
    assert progress.line() == "step 1,500, loss 2.512"
    assert progress.line() is None


def test_only_what_a_line_has_is_told() -> None:
    assert told({"step": 2, "loss": None, "seconds": 1.0, "note": "x"}, ["loss", "note", "seconds"]) == (
        "step 2, note x, seconds 1"
    )
