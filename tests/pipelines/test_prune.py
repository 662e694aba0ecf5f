"""Pruning leaves what a pointer names, and what it does not know."""

from pathlib import Path

import pytest

from pipelines.engine import storage
from pipelines.engine.artifact import build_artifact
from pipelines.engine.dataset import current, publish
from pipelines.prune import main, unread_versions


def test_only_versions_that_no_pointer_names_go(tmp_path: Path) -> None:
    root = str(tmp_path)
    made = [build_artifact(root, "model", {"seed": seed}, lambda _: {}) for seed in range(3)]
    publish(root, made[1])
    (tmp_path / "model" / "notes").mkdir()
    (tmp_path / "demo" / "v-1").mkdir(parents=True)
    unread = unread_versions(root)
    assert unread == sorted(version.folder for version in (made[0], made[2]))
    for folder in unread:
        storage.delete_folder(folder)
    assert current(root, "model").folder == made[1].folder
    assert unread_versions(root) == []


def test_the_command_lists_and_removes_only_when_told_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [build_artifact(str(tmp_path), "model", {"seed": seed}, lambda _: {}) for seed in range(2)]
    publish(str(tmp_path), made[1])
    for option, left in ((["--root", str(tmp_path)], True), (["--root", str(tmp_path), "--delete"], False)):
        monkeypatch.setattr("sys.argv", ["prune", *option])
        assert main() == 0
        assert capsys.readouterr().out == f"{made[0].folder}\n"
        assert Path(made[0].folder).exists() == left
