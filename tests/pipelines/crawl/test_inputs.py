"""What a run config's patterns name."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.crawl.http import HttpConfig
from pipelines.crawl.inputs import InputError, InputFile, resolve_inputs
from pipelines.crawl.streams import open_stream
from tests.pipelines.crawl.servers import Archive, serving
from tests.pipelines.s3_server import BUCKET, s3_server

HTTP = HttpConfig(retries=1, first_wait_seconds=0)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("b.warc.gz", "a.warc.gz", "deep/c.warc.gz", "note.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(name.encode())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(patterns: list[str], folder: Path) -> list[str]:
    return [file.url.removeprefix(f"{folder}/") for file in resolve_inputs(patterns, HTTP)]


@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        (["a.warc.gz"], ["a.warc.gz"]),
        (["*.warc.gz"], ["a.warc.gz", "b.warc.gz"]),
        (["**/*.warc.gz"], ["a.warc.gz", "b.warc.gz", "deep/c.warc.gz"]),
        (["[b-z].warc.gz", "*.warc.gz"], ["b.warc.gz", "a.warc.gz"]),
        (["{folder}/deep/*"], ["deep/c.warc.gz"]),
        (["file://{folder}/a.warc.gz"], ["a.warc.gz"]),
        (["*"], ["a.warc.gz", "b.warc.gz", "note.txt"]),
    ],
    ids=["path", "glob", "any depth", "each file once", "absolute", "file address", "no folders"],
)
def test_local(folder: Path, patterns: list[str], found: list[str]) -> None:
    assert names([pattern.format(folder=folder) for pattern in patterns], folder) == found


def test_sizes(folder: Path) -> None:
    assert resolve_inputs(["a.warc.gz"]) == [InputFile(str(folder / "a.warc.gz"), 9)]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("no-such-file", "no-such-file: no file matches"),
        ("*.zip", r"\*.zip: no file matches \(relative to .*\); mend .* ops\.crawl\.config\.files$"),
        ("deep", "deep: is a folder; name its files, such as deep/"),
        ("@missing.txt", "@missing.txt: there is no such list"),
        ("missing.paths.gz", "missing.paths.gz: there is no such list"),
        ("@empty.txt", "@empty.txt: the list of inputs is empty"),
    ],
)
def test_a_pattern_without_a_match_is_named(folder: Path, pattern: str, message: str) -> None:
    (folder / "empty.txt").write_text("# nothing\n\n")
    with pytest.raises(InputError, match=message):
        resolve_inputs(["a.warc.gz", pattern])


def test_no_patterns_at_all() -> None:
    with pytest.raises(InputError, match="at least one"):
        resolve_inputs([])


@pytest.mark.parametrize("name", ["@list.txt", "some.paths", "some.paths.gz"])
def test_lists(folder: Path, name: str) -> None:
    text = f"# files\n\nb.warc.gz\n  deep/*.gz  \r\n{folder}/a.warc.gz\n".encode()
    (folder / name.removeprefix("@")).write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    assert names([name], folder) == ["b.warc.gz", "deep/c.warc.gz", "a.warc.gz"]


def test_web_addresses_and_lists_of_them() -> None:
    listing = b"crawl-data/X/one.warc.gz\nhttp://127.0.0.1:9/none\n"
    files = {"crawl-data/X/warc.paths.gz": gzip.compress(listing), "crawl-data/X/one.warc.gz": b"12345"}
    files["lists/near.txt"] = b"far.warc.gz"
    files["lists/far.warc.gz"] = b"123"
    with serving(Archive(files)) as archive:
        base = archive.base
        files["crawl-data/X/warc.paths.gz"] = gzip.compress(b"crawl-data/X/one.warc.gz\n")
        found = resolve_inputs([f"{base}/crawl-data/X/warc.paths.gz", f"@{base}/lists/near.txt"], HTTP)
    assert found == [
        InputFile(f"{base}/crawl-data/X/one.warc.gz", 5),
        InputFile(f"{base}/lists/far.warc.gz", 3),
    ]


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with s3_server() as client:
        for name in ("crawl/a.warc.gz", "crawl/b.warc.gz", "crawl/deep/c.warc.gz", "crawl/d.txt"):
            client.put_object(Bucket=BUCKET, Key=name, Body=name.encode() * 10)
        yield f"s3://{BUCKET}"


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("crawl/a.warc.gz", ["a.warc.gz"]),
        ("crawl/*.warc.gz", ["a.warc.gz", "b.warc.gz"]),
        ("crawl/**/*.gz", ["a.warc.gz", "b.warc.gz", "deep/c.warc.gz"]),
        ("cr*/[ab].warc.gz", ["a.warc.gz", "b.warc.gz"]),
    ],
)
def test_s3(bucket: str, pattern: str, found: list[str]) -> None:
    files = resolve_inputs([f"{bucket}/{pattern}"])
    assert [file.url.removeprefix(f"{bucket}/crawl/") for file in files] == found


def test_s3_sizes_and_bytes(bucket: str) -> None:
    (file,) = resolve_inputs([f"{bucket}/crawl/a.warc.gz"])
    assert file.size == 150
    stream = open_stream(file.url, HTTP)
    stream.seek(15)
    assert stream.read(15) == b"crawl/a.warc.gz"
    stream.close()


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("s3://mill/none.gz", "no object matches"),
        ("s3://mill/*.zip", "no object matches"),
        ("s3://*/x", "bucket must be named"),
    ],
)
def test_s3_without_a_match(bucket: str, pattern: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        resolve_inputs([pattern])
