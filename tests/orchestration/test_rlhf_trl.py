"""TRL trains on the folders of sft and pairs as they are, with the saved tokenizer."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from pipelines.engine.dataset import current
from tests.orchestration import small_instructions
from tests.orchestration.commands import REPOSITORY

PYTHON = "GRISTMILL_TRL_PYTHON"


@pytest.fixture
def python() -> str:
    """A Python that has TRL: this one, or the one that the variable names."""
    found = sys.executable if find_spec("trl") else os.environ.get(PYTHON)
    if not found:
        pytest.skip(f"TRL is not installed here: make test-peers, or name a Python that has it in {PYTHON}")
    return found


@pytest.mark.external
@pytest.mark.slow
def test_three_steps_of_each_trainer(python: str, spark: Any, tmp_path: Path) -> None:
    config = small_instructions.build(tmp_path / "inputs")
    root = tmp_path / "data"
    small_instructions.run(root, config, spark)
    tokenizer = current(str(root), "chat_tokenizer").folder
    script = REPOSITORY / "tests" / "orchestration" / "trl_steps.py"
    arguments = [str(root / "sft"), str(root / "pairs"), tokenizer, str(tmp_path / "out")]
    done = subprocess.run(
        [python, str(script), *arguments],
        env=os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "HF_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    losses = json.loads(done.stdout.strip().splitlines()[-1])
    assert {name: len(values) for name, values in losses.items()} == {"sft": 3, "reward": 3}
    assert all(0 < loss < 20 for values in losses.values() for loss in values)
