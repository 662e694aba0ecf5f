"""When a finished demo folder may be used again."""

import json
from pathlib import Path

import pytest

from pipelines.demo import environment
from pipelines.demo.config import DemoConfig
from pipelines.demo.environment import distributions, fingerprint, is_made, mark_made


@pytest.fixture
def marker(tmp_path: Path) -> str:
    (tmp_path / "made.txt").write_text("x")
    path = str(tmp_path / "_made.json")
    mark_made(path, [str(tmp_path / "made.txt")], {"pages": 1}, DemoConfig())
    return path


def test_finished(marker: str) -> None:
    assert is_made(marker, DemoConfig())
    assert json.loads(Path(marker).read_text())["facts"] == {"pages": 1}


def test_absent_marker(tmp_path: Path) -> None:
    assert not is_made(str(tmp_path / "_made.json"), DemoConfig())


def test_file_removed(marker: str) -> None:
    Path(marker).with_name("made.txt").unlink()
    assert not is_made(marker, DemoConfig())


def test_other_config(marker: str) -> None:
    assert not is_made(marker, DemoConfig(seed=2))


def test_other_environment(marker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "fingerprint", lambda: "other")
    assert not is_made(marker, DemoConfig())


def test_fingerprint_knows_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint()
    found = distributions()
    found.pop("numpy")
    fingerprint.cache_clear()
    monkeypatch.setattr(environment, "distributions", lambda: found)
    assert fingerprint() != before
    fingerprint.cache_clear()


def test_distributions_are_sorted_and_without_this_project() -> None:
    names = list(distributions())
    assert names == sorted(names)
    assert "numpy" in names
    assert "gristmill" not in names


@pytest.mark.parametrize("day", ["2024-13-01", "yesterday", "20240506"])
def test_config_refuses_what_is_no_day(day: str) -> None:
    with pytest.raises(ValueError, match="YYYY-MM-DD"):
        DemoConfig(first_day=day)
