"""What several test packages share: one Spark session, the folder of real data, and who runs together.

Under `-n 2 --dist loadgroup` a file's tests stay with one worker. So do all that need the Spark session or a run of
the whole job, since each is made once a worker; they are dealt out first, for they take longest.
"""

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


GROUPS = {"finished": "job", "world": "job", "instructed": "spark", "spark": "spark"}


@pytest.hookimpl(tryfirst=True)  # before the distributor reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every test its group, by the dearest fixture that it or a test of its file asks for."""
    by_file: dict[Path, str] = {}
    for item in items:
        for fixture, group in GROUPS.items():
            if fixture in getattr(item, "fixturenames", ()) and by_file.get(item.path) != "job":
                by_file[item.path] = group
    for item in items:
        item.add_marker(pytest.mark.xdist_group(by_file.get(item.path, item.path.stem)))
    order = list(dict.fromkeys([*GROUPS.values(), ""]))
    items.sort(key=lambda item: order.index(by_file.get(item.path, "")))


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
