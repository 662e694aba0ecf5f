"""Repeated ids are found across and within shards; the first place stays."""

from pathlib import Path
from typing import Any

import pytest

from pipelines.deduplication.repeated import repeated_rows
from pipelines.ids import document_id
from pipelines.schemas import DOCUMENTS
from tests.pipelines.tables import filled, write_version


def ids(*names: str) -> list[str]:
    return [document_id("crawl", "", name, "") for name in names]


@pytest.mark.parametrize(
    ("shards", "expected"),
    [
        ([["a", "b"], ["c"]], [[], []]),
        ([["a", "b", "a"]], [[2]]),
        ([["a", "b"], ["b", "c", "a"], ["a"]], [[], [0, 2], [0]]),
        ([[], ["a"], []], [[], [], []]),
    ],
    ids=["none", "within-a-shard", "across-shards", "empty-shards"],
)
def test_all_but_the_first_place(
    spark: Any, tmp_path: Path, shards: list[list[str]], expected: list[list[int]]
) -> None:
    tables = [filled(DOCUMENTS, {"doc_id": ids(*names)}) for names in shards]
    version = write_version(tmp_path, DOCUMENTS, tables)
    found = repeated_rows(spark, version)
    assert [found[shard]["row"].to_pylist() for shard in version.shards] == expected
