"""Dead letters are found by what a person knows of a record: its file or its address."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipelines.explaining.places import dead_letters
from pipelines.schemas import DEAD_LETTERS
from tests.pipelines.tables import filled

PAGE = "http://a.example/p"


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        pytest.param("crawl.warc.gz", [0, 1], id="file"),
        pytest.param("crawl.warc.gz@7", [0], id="file and place"),
        pytest.param(PAGE, [0], id="address, and no longer one"),
        pytest.param("a.example", [], id="part of an address"),
        pytest.param("web.jsonl:3", [2], id="row"),
    ],
)
def test_a_record_is_found_by_file_or_address(name: str, rows: list[int], tmp_path: Path) -> None:
    records = ["/in/crawl.warc.gz@7", "/in/crawl.warc.gz@90", "/in/web.jsonl:3"]
    details = [f"{PAGE}: content encoding", f"{PAGE}/2: content encoding", "row 3: no field 'text'"]
    folder = tmp_path / DEAD_LETTERS.name / "documents" / "v-1"
    folder.mkdir(parents=True)
    table = filled(DEAD_LETTERS, {"record": records, "detail": details})
    pq.write_table(table, folder / "shard-00000.parquet")
    assert [records.index(row["record"]) for row in dead_letters(str(tmp_path), name)] == rows
