"""Atomic files on a local disk and on a real S3 server on loopback."""

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from pipelines.engine import storage


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    patch = pytest.MonkeyPatch()
    patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    patch.setenv("AWS_ACCESS_KEY_ID", "test")
    patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    patch.setenv("AWS_REGION", "us-east-1")
    boto3.client("s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1").create_bucket(
        Bucket="mill"
    )
    yield "s3://mill"
    patch.undo()
    server.stop()


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
