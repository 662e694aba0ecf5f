"""What a person reads after a run: counts that add up, figures in columns, samples by reason."""

from pathlib import Path

import pytest

from pipelines import report
from pipelines.engine.dataset import DatasetVersion
from pipelines.ids import document_id
from pipelines.schemas import DECISIONS, DOCUMENTS
from tests.pipelines.tables import filled, write_version

ROWS = [
    ("crawl", "kept"),
    ("crawl", "quality"),
    ("crawl", "quality"),
    ("books", "kept"),
    ("books", "exact_duplicate"),
]


@pytest.fixture
def run(tmp_path: Path) -> tuple[DatasetVersion, DatasetVersion]:
    ids = [document_id("x", "", str(i), "") for i in range(len(ROWS))]
    sources, reasons = [s for s, _ in ROWS], [r for _, r in ROWS]
    texts = [f"text {i}" for i in range(len(ROWS))]
    documents = write_version(
        tmp_path,
        DOCUMENTS,
        [filled(DOCUMENTS, {"doc_id": ids, "source": sources, "url": texts, "text": texts})],
    )
    documents.manifest["details"] = {"roles": {"crawl": "crawl", "books": "books1"}}
    columns = {"doc_id": ids, "source": sources, "reason": reasons, "keep": [r == "kept" for r in reasons]}
    decisions = write_version(tmp_path, DECISIONS, [filled(DECISIONS, columns)])
    decisions.manifest["counts"] = {f"reason:{r}": reasons.count(r) for r in reasons} | {
        f"source:{s}:{r}": ROWS.count((s, r)) for s, r in ROWS
    }
    return documents, decisions


def test_funnel_adds_up_in_the_recipes_order(run: tuple[DatasetVersion, DatasetVersion]) -> None:
    assert report.funnel(run[1]) == [
        ["", "all", "books", "crawl"],
        ["quality", 2, 0, 2],
        ["exact_duplicate", 1, 1, 0],
        ["kept", 2, 1, 1],
        ["documents", 5, 2, 3],
    ]


def test_samples_show_each_reason_and_kept_pages_of_the_crawl(
    run: tuple[DatasetVersion, DatasetVersion],
) -> None:
    found = {reason: [row["text"] for row in rows] for reason, rows in report.samples(*run, n=1)}
    assert found["kept"] == ["text 0"]
    assert found["exact_duplicate"] == ["text 4"]
    assert found["quality"][0] in ("text 1", "text 2")
    assert len(found["quality"]) == 1


def test_figures_stand_to_the_right() -> None:
    told = report.text_table([["source", "n"], ["a", 5], ["bc", 12345]])
    assert told.splitlines() == ["source  n", "------  ------", "a            5", "bc      12,345"]


def test_the_command_says_which_data_root_holds_no_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["report", "--root", str(tmp_path)])
    assert report.main() == 1
    assert str(tmp_path / "decisions") in capsys.readouterr().err
