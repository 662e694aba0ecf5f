from typing import Any

import pyarrow as pa
import pytest

from dedup.minhash import MinHashConfig
from pipelines.clusters import UnknownDocumentError, evidence, evidence_lines, largest_clusters, main
from pipelines.engine.artifact import build_table
from pipelines.engine.dataset import publish
from pipelines.schemas import DUPLICATES
from tests.pipelines.index_world import publish_world, snapshot_rows

MINHASH = MinHashConfig(ngram=1)
WORDS = [f"w{i}" for i in range(50)]
ROWS = snapshot_rows(
    "CC-MAIN-2024-10",
    [
        " ".join(WORDS),
        " ".join([*WORDS[:40], "another", *WORDS[41:]]),
        " ".join(WORDS) + "\n",
        "alone",
        "two of them",
        "two of  them",
        "kept for an earlier one",
    ],
)
IDS = [row["doc_id"] for row in ROWS]
EARLIER = "e" * 32


def duplicate(doc: int, survivor: str, kind: str, jaccard: float, size: int) -> dict[str, Any]:
    names = {"source": "crawl", "survivor_source": "crawl"}
    told = {
        "doc_id": IDS[doc],
        "survivor_id": survivor,
        "kind": kind,
        "jaccard": jaccard,
        "cluster_size": size,
    }
    return told | names


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("data")
    publish_world(folder, ROWS, MINHASH)
    found = [
        duplicate(1, IDS[0], "near", 0.96, 3),
        duplicate(2, IDS[0], "exact", 1.0, 3),
        duplicate(5, IDS[4], "exact", 1.0, 2),
        duplicate(6, EARLIER, "near", 0.8, 2),
    ]
    table = pa.Table.from_pylist(found, schema=DUPLICATES.schema)
    publish(str(folder), build_table(str(folder), DUPLICATES, {}, lambda: ({"shard-00000": table}, {})))
    return str(folder)


def test_the_largest_clusters_come_first(root: str) -> None:
    first, second = largest_clusters(root, 2)
    assert (first.survivor_id, first.size, first.kinds) == (IDS[0], 3, {"exact": 1, "near": 1})
    assert (first.sources, first.urls[0]) == ({"crawl": 3}, "https://CC-MAIN-2024-10.example/0")
    assert len(first.urls) == 3
    assert first.begins.startswith("w0 w1")
    assert (second.size, second.survivor_id) == (2, min(IDS[4], EARLIER))


def test_a_removed_document_stands_beside_its_survivor(root: str) -> None:
    (found,) = evidence(root, IDS[1])
    assert found.survivor is not None
    assert (found.removed["doc_id"], found.survivor["doc_id"]) == (IDS[1], IDS[0])
    assert found.exact == pytest.approx(49 / 51)
    assert found.estimated == pytest.approx(49 / 51, abs=0.06)
    assert [passage[1:] for passage in found.differences.passages] == [("another", "w40")]
    told = "\n".join(evidence_lines(found, 100))
    assert "near duplicate, Jaccard 0.9600 when it was decided, 0.9608 of the texts" in told
    assert "[another]" in told.split("---\n")[1].split("|")[0]
    assert "[w40]" in told.split("---\n")[1].split("|")[1]


def test_a_survivor_stands_beside_those_removed_for_it(root: str) -> None:
    assert {each.removed["doc_id"] for each in evidence(root, IDS[0])} == {IDS[1], IDS[2]}
    assert len(evidence(root, IDS[0], most=1)) == 1


def test_a_survivor_of_an_earlier_snapshot_is_named(root: str) -> None:
    (found,) = evidence(root, IDS[6])
    assert (found.survivor, found.differences) == (None, None)
    assert f"survivor  {EARLIER}  crawl  (in an earlier snapshot)" in list(evidence_lines(found, 100))


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        pytest.param([], 0, "| 3 | ", id="the largest"),
        pytest.param([IDS[1]], 0, "1 differ", id="a document"),
        pytest.param([IDS[3]], 0, "has no duplicate", id="a document without"),
        pytest.param(["f" * 32], 1, "no document has the id 'ffff", id="no such document"),
        pytest.param(
            ["--data", "/nowhere"], 1, "/nowhere/duplicates/CURRENT.json: dataset 'duplicates'", id="no data"
        ),
    ],
)
def test_the_command(root: str, capsys: Any, arguments: list[str], code: int, told: str) -> None:
    assert main(["--data", root, *arguments]) == code
    printed = capsys.readouterr()
    assert told.replace("1 differ", "differing passages: 1") in (printed.err if code else printed.out)


def test_an_unknown_id_is_an_error(root: str) -> None:
    with pytest.raises(UnknownDocumentError, match="32 hex digits"):
        evidence(root, "abc")
