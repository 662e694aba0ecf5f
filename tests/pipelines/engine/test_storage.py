"""Atomic files on a local disk and on a real S3 server on loopback."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.engine import storage
from tests.pipelines.s3_server import BUCKET, s3_server


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with s3_server():
        yield f"s3://{BUCKET}"


@pytest.fixture(params=["local", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "local":
        return str(tmp_path / "root")
    return f"{request.getfixturevalue('bucket')}/{request.node.name.split('[')[0]}"


def test_a_file_can_be_written_listed_read_and_replaced(root: str) -> None:
    path = storage.join(root, "a", "file.json")
    assert not storage.exists(path)
    storage.write_bytes(path, b"one")
    storage.write_bytes(path, b"second")
    assert storage.read_bytes(path) == b"second"
    assert storage.size(path) == 6
    assert storage.list_files(storage.join(root, "a"), "*.json") == [path]
    storage.delete_file(path)
    assert not storage.exists(path)


def test_nothing_appears_when_the_writer_fails(root: str) -> None:
    path = storage.join(root, "b", "file.parquet")
    with pytest.raises(RuntimeError, match="stop"), storage.AtomicOutput(path) as output:
        output.stream.write(b"half")
        raise RuntimeError("stop")
    assert storage.list_files(storage.join(root, "b"), recursive=True) == []


def test_a_failed_second_attempt_leaves_the_first_ones_file(root: str) -> None:
    path = storage.join(root, "d", "file")
    storage.write_bytes(path, b"finished")
    with pytest.raises(RuntimeError, match="stop"), storage.AtomicOutput(path) as output:
        output.stream.write(b"half")
        raise RuntimeError("stop")
    assert storage.read_bytes(path) == b"finished"
    assert storage.list_files(storage.join(root, "d")) == [path]


def test_readers_see_the_old_bytes_until_commit(root: str) -> None:
    path = storage.join(root, "c", "file")
    storage.write_bytes(path, b"old")
    output = storage.AtomicOutput(path)
    output.stream.write(b"new")
    assert storage.read_bytes(path) == b"old"
    output.commit()
    assert storage.read_bytes(path) == b"new"


def test_an_absent_folder_lists_nothing(root: str) -> None:
    assert storage.list_files(storage.join(root, "nowhere")) == []


def test_an_unknown_scheme_is_named() -> None:
    with pytest.raises(ValueError, match=r"ftp://x/y: unknown scheme"):
        storage.filesystem("ftp://x/y")
