"""From patterns to files."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from pipelines.sources.config import SourceConfig, SourceError
from pipelines.sources.files import source_files
from pipelines.sources.formats import infer_format


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    for name in (
        "b.txt",
        "a.txt",
        "README.txt",
        "deep/er/c.txt",
        "p/same.txt",
        "q/same.txt",
        "pq/x.txt",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        pytest.param(["{}/*.txt"], ["a.txt", "b.txt"], id="sorted-without-notes"),
        pytest.param(["{}/**/[abc]*.txt"], ["a.txt", "b.txt", "deep/er/c.txt"], id="any-depth"),
        pytest.param(["{}/deep/*/c.txt"], ["er/c.txt"], id="named-below-the-fixed-folder"),
        pytest.param(["{}/b.txt", "{}/*.txt"], ["a.txt", "b.txt"], id="each-file-once"),
        pytest.param(["{0}/b.txt", "{0}/deep/../b.txt"], ["b.txt"], id="one-file-spelled-twice"),
        pytest.param(["{}/p/same.txt", "{}/q/same.txt"], ["p/same.txt", "q/same.txt"], id="same-bare-name"),
        pytest.param(["{}/p/*.txt", "{}/q/*.txt"], ["p/same.txt", "q/same.txt"], id="same-name-in-two-globs"),
        pytest.param(
            ["{}/p/same.txt", "{}/pq/*"], ["p/same.txt", "pq/x.txt"], id="folders-not-letters-in-common"
        ),
        pytest.param(["~/[pq]/same.txt"], ["p/same.txt", "q/same.txt"], id="home"),
    ],
)
def test_files(
    folder: Path, monkeypatch: pytest.MonkeyPatch, patterns: list[str], expected: list[str]
) -> None:
    monkeypatch.setenv("HOME", str(folder))
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
        pytest.param({"encoding": "hex"}, "unknown character set 'hex'", id="codec-of-bytes"),
        pytest.param({"encoding": "rot13"}, "unknown character set 'rot13'", id="codec-of-texts"),
        pytest.param({"text_filed": "x"}, "text_filed", id="unknown-key"),
    ],
)
def test_config_error_names_the_key(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        SourceConfig(**{"name": "s", "files": ["x"], **options})


def test_names_stay_when_the_data_moves(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(folder, tmp_path / "elsewhere" / "data")
    monkeypatch.chdir(tmp_path / "elsewhere")
    runs = [
        source_files(SourceConfig(name="s", files=[f"{root}/p/same.txt", f"{root}/deep/**/*.txt"]))
        for root in (folder, "data")
    ]
    assert (
        [file.name for file in runs[0]] == [file.name for file in runs[1]] == ["deep/er/c.txt", "p/same.txt"]
    )


def test_web_addresses_are_named_below_their_common_folder() -> None:
    addresses = ["http://127.0.0.1:9/d/p/same.txt", "http://127.0.0.1:9/d/q/same.txt"]
    names = [file.name for file in source_files(SourceConfig(name="s", files=addresses))]
    assert names == ["p/same.txt", "q/same.txt"]


def test_two_files_of_one_name_are_refused(folder: Path) -> None:
    files = [f"{folder}/p/same.txt", "http://127.0.0.1:9/d/same.txt"]
    with pytest.raises(SourceError, match=r"p/same.txt and http\S+same.txt would both be named 'same.txt'"):
        source_files(SourceConfig(name="s", files=files))
