"""A file of given bytes as a member, and what its reader yields."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines.sources.config import SourceConfig
from pipelines.sources.formats import reader_of
from pipelines.sources.members import Member
from pipelines.sources.records import Entry

Read = Callable[..., list[Entry]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def entries(name: str, content: bytes, **options: Any) -> list[Entry]:
        (tmp_path / name).write_bytes(content)
        config = SourceConfig(name="s", files=["unused"], **options)
        member = Member(str(tmp_path / name), name)
        return list(reader_of(config, member)(member, config))

    return entries
