"""Fixtures that several test packages share: one Spark session, the folder of real data."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from pipelines.engine.spark import SparkConfig, session

# The first call of a kernel compiles it: no deadline can hold for it.
hypothesis.settings.register_profile("house", deadline=None, max_examples=60)
hypothesis.settings.load_profile("house")

REAL_DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"


@pytest.fixture(scope="session")
def spark() -> Iterator[Any]:
    """A local session on two cores, as the jobs use it."""
    made = session(SparkConfig(master="local[2,4]", driver_memory="1g", shuffle_partitions=2))
    yield made
    made.stop()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data beside the checkout; skips where it is absent."""
    if not REAL_DATA.is_dir():
        pytest.skip(f"no real data at {REAL_DATA}")
    return REAL_DATA
