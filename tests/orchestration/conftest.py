"""One finished run of the job over the small world, for all tests that look at its outcome."""

from pathlib import Path
from typing import Any

import pytest

from pipelines.build.built import Built
from tests.orchestration import small_instructions, small_world
from tests.orchestration.commands import execute


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Folder of the inputs and the run config that reads them."""
    folder = tmp_path_factory.mktemp("world")
    return folder, small_world.build(folder / "inputs")


@pytest.fixture(scope="session")
def finished(world: tuple[Path, dict[str, Any]]) -> Path:
    """Data root of a finished run."""
    folder, config = world
    root = folder / "data"
    execute(folder / "home", root, small_world.write_config(folder / "run.yaml", config))
    return root


@pytest.fixture(scope="session")
def instructed(tmp_path_factory: pytest.TempPathFactory, spark: Any) -> tuple[Path, dict[str, Built]]:
    """Data root of finished instruction datasets, and what their steps built."""
    folder = tmp_path_factory.mktemp("instructions")
    config = small_instructions.build(folder / "inputs")
    return folder / "data", small_instructions.run(folder / "data", config, spark)
