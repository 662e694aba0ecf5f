"""The commit in a manifest is that of the checkout that the code stands in."""

import subprocess
from pathlib import Path

import pytest

from pipelines.engine.provenance import code_commit

REPOSITORY = Path(__file__).resolve().parents[3]


def test_the_commit_is_the_checkouts() -> None:
    if not (REPOSITORY / ".git").exists():
        pytest.skip("not a checkout")
    head = subprocess.run(
        ["git", "-C", REPOSITORY, "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    )
    assert code_commit().removesuffix("+changes") == head.stdout.strip()
