"""From patterns to files."""

from pathlib import Path
from typing import Any

import pytest

from pipelines.sources.config import SourceConfig
from pipelines.sources.files import source_files
from pipelines.sources.formats import SourceError, infer_format


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.txt", "a.txt", "README.txt", "deep/er/c.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        pytest.param(["{}/*.txt"], ["a.txt", "b.txt"], id="sorted-without-notes"),
        pytest.param(["{}/**/*.txt"], ["a.txt", "b.txt", "deep/er/c.txt"], id="any-depth"),
        pytest.param(["{}/deep/*/c.txt"], ["er/c.txt"], id="named-below-the-fixed-folder"),
        pytest.param(["{}/b.txt", "{}/*.txt"], ["a.txt", "b.txt"], id="each-file-once"),
    ],
)
def test_files(folder: Path, patterns: list[str], expected: list[str]) -> None:
    config = SourceConfig(name="s", files=[pattern.format(folder) for pattern in patterns])
    found = source_files(config)
    assert [file.name for file in found] == expected
    assert all(file.size == len(Path(file.path).read_bytes()) and file.modified > 0 for file in found)


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        pytest.param(
            "{}/none-*.txt", r"source 'poems': no file matches '.*none-\*\.txt'", id="nothing-matches"
        ),
        pytest.param("{}/none.txt", "no file matches", id="no-such-file"),
        pytest.param("{}/deep", r"is a folder; write '.*deep/\*'", id="folder"),
        pytest.param("{}/README.txt", "'exclude' leaves none of its 1 files", id="all-excluded"),
    ],
)
def test_error_names_source_and_pattern(folder: Path, pattern: str, told: str) -> None:
    with pytest.raises(SourceError, match=told):
        source_files(SourceConfig(name="poems", files=[pattern.format(folder)]))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.txt", "text"),
        ("a.MD", "text"),
        ("a.ndjson", "jsonl"),
        ("a.json", "json"),
        ("a.tsv", "csv"),
        ("a.xml", "xml"),
        ("enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened", "mediawiki"),
        ("ca01", None),
        ("a.bin", None),
    ],
)
def test_format_by_name(name: str, expected: str | None) -> None:
    assert infer_format(name) == expected


@pytest.mark.parametrize(
    ("options", "told"),
    [
        pytest.param({"name": "a/b"}, "name", id="name-with-a-slash"),
        pytest.param({"role": "crawl"}, "role", id="crawl-is-no-curated-role"),
        pytest.param({"format": "pdf"}, "format", id="unknown-format"),
        pytest.param({"files": []}, "files", id="no-files"),
        pytest.param({"encoding": "utf-9"}, "unknown character set 'utf-9'", id="unknown-encoding"),
        pytest.param({"text_filed": "x"}, "text_filed", id="unknown-key"),
    ],
)
def test_config_error_names_the_key(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        SourceConfig(**{"name": "s", "files": ["x"], **options})
