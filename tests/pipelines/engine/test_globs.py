"""Globs mean the same on an object store as on a disk."""

from pathlib import Path

import pytest

from pipelines.engine import storage
from pipelines.engine.globs import find_files

NAMES = ["a.txt", "b.md", "d/a.txt", "d/e/a.txt", "d/e/b.txt", "f/e/a.txt"]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("a.txt", ["a.txt"]),
        ("*.txt", ["a.txt"]),
        ("*/*.txt", ["d/a.txt"]),
        ("**/a.txt", ["a.txt", "d/a.txt", "d/e/a.txt", "f/e/a.txt"]),
        ("d/**", ["d/a.txt", "d/e/a.txt", "d/e/b.txt"]),
        ("[df]/**/e/[!b].txt", ["d/e/a.txt", "f/e/a.txt"]),
        ("?.md", ["b.md"]),
        ("none*", []),
    ],
)
def test_local_and_remote_agree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str, found: list[str]
) -> None:
    for name in NAMES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    local = find_files(f"{tmp_path}/{pattern}")
    monkeypatch.setattr(storage, "exists", lambda path: path.removeprefix("s3://mill/") in NAMES)
    monkeypatch.setattr(storage, "list_files", lambda folder, recursive: [f"s3://mill/{n}" for n in NAMES])
    remote = find_files(f"s3://mill/{pattern}")
    assert [path.removeprefix(f"{tmp_path}/") for path in local] == found
    assert [path.removeprefix("s3://mill/") for path in remote] == found
