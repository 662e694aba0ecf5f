"""Curated files to documents, from plan to shard."""

import bz2
import gzip
import io
import lzma
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from pipelines.engine.runner import ShardOutput, StageError, run_locally
from pipelines.ids import document_id, payload_digest
from pipelines.sources.config import SourceConfig, SourceError
from pipelines.sources.stage import SourceDocumentsStage, source_tasks


def run(
    sources: list[SourceConfig], out: Path, **plan: Any
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Documents and dead letters of a run, in order of id and record."""
    counts = run_locally(SourceDocumentsStage(), source_tasks(sources, **plan), str(out))
    documents = [
        row for path in sorted(out.glob("documents/*.parquet")) for row in pq.read_table(path).to_pylist()
    ]
    dead = [
        row for path in sorted(out.glob("dead_letters/*.parquet")) for row in pq.read_table(path).to_pylist()
    ]
    assert counts.get("documents", 0) == len(documents)
    return sorted(documents, key=lambda row: row["doc_id"]), sorted(dead, key=lambda row: row["record"])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a.jsonl").write_text(
        '{"text":"One two."}\n{"text":7}\n{"text":"\\u0000 "}\n{"text":"Three\\r\\n"}\n'
    )
    (folder / "b.txt.gz").write_bytes(gzip.compress(("paragraph " * 30 + "\n\n").encode() * 10))
    return folder


def test_document_columns(data: Path, tmp_path: Path) -> None:
    (document, *_), _ = run([SourceConfig(name="s", files=[f"{data}/a.jsonl"])], tmp_path / "out")
    digest = payload_digest(b"One two.")
    rows, _ = run([SourceConfig(name="s", files=[f"{data}/a.jsonl"])], tmp_path / "out2")
    document = next(row for row in rows if row["text"] == "One two.")
    assert document == {
        "doc_id": document_id("s", "", "a.jsonl:1", digest),
        "source": "s",
        "url": "a.jsonl:1",
        "snapshot": "",
        "fetched_at": None,
        "payload_digest": digest,
        "media_type": "text/plain",
        "charset": "utf-8",
        "text": "One two.",
        "n_bytes": 8,
        "n_words": 2,
    }


def test_dead_letters_name_file_row_and_field(data: Path, tmp_path: Path) -> None:
    documents, dead = run([SourceConfig(name="s", files=[f"{data}/*.jsonl"])], tmp_path / "out")
    assert {row["text"] for row in documents} == {"One two.", "Three"}
    assert [(row["record"], row["reason"]) for row in dead] == [
        (f"{data}/a.jsonl:2", "not_a_text"),
        (f"{data}/a.jsonl:3", "empty_text"),
    ]
    assert "row 2: field 'text' holds a number" in dead[0]["detail"]


def test_long_document_becomes_pieces(data: Path, tmp_path: Path) -> None:
    source = SourceConfig(name="s", files=[f"{data}/b.txt.gz"], max_document_chars=1100)
    documents, _ = run([source], tmp_path / "out")
    assert sorted(row["url"] for row in documents) == ["b.txt.gz:1", *(f"b.txt.gz:1.{n}" for n in (2, 3, 4))]
    assert all(row["text"].startswith("paragraph") and len(row["text"]) <= 1100 for row in documents)


def test_same_documents_in_any_sharding_and_any_folder(data: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere" / "data"
    shutil.copytree(data, moved)
    runs = []
    for number, (folder, shard_mib) in enumerate([(data, 16), (data, 0), (moved, 16)]):
        source = SourceConfig(name="s", files=[f"{folder}/*"])
        documents, dead = run([source], tmp_path / f"out{number}", shard_mib=shard_mib)
        runs.append((documents, [row["reason"] for row in dead]))
    assert runs[0] == runs[1] == runs[2]


def test_tasks_hold_one_source_and_follow_on(data: Path) -> None:
    sources = [SourceConfig(name=name, files=[f"{data}/*"]) for name in ("s", "t")]
    tasks = source_tasks(sources, first_shard=3)
    assert [task.name for task in tasks] == ["shard-00003", "shard-00004"]
    assert [task.payload["source"]["name"] for task in tasks] == ["s", "t"]
    assert len(source_tasks(sources, shard_mib=0)) == 4


def test_a_changed_file_is_a_changed_task(data: Path) -> None:
    source = SourceConfig(name="s", files=[f"{data}/a.jsonl"])
    before = source_tasks([source])
    assert source_tasks([source]) == before
    with (data / "a.jsonl").open("a") as file:
        file.write('{"text":"more"}\n')
    assert source_tasks([source]) != before


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("b.txt.gz", gzip.compress(b"x" * 90_000 + bytes(range(256)) * 99)[:-50], id="cut-gzip"),
        pytest.param("b.txt.gz", b"no gzip", id="no-gzip"),
        pytest.param("b.txt.gz", gzip.compress(b"abc" * 999)[:12] + b"\xff" * 40, id="damaged-gzip"),
        pytest.param("b.txt.bz2", b"no bzip2", id="no-bzip2"),
        pytest.param("b.txt.xz", b"no xz", id="no-xz"),
        pytest.param("b.txt.zst", b"no zstd", id="no-zstd"),
        pytest.param("b.zip", b"no zip", id="no-zip"),
        pytest.param("b.xml.gz", b"no gzip", id="no-gzip-around-xml"),
        pytest.param("b.parquet.gz", b"no gzip", id="no-gzip-around-parquet"),
    ],
)
def test_unreadable_file_is_named_and_the_rest_is_read(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / "a.txt").write_text("before")
    (tmp_path / name).write_bytes(content)
    (tmp_path / "c.txt").write_text("behind")
    documents, dead = run([SourceConfig(name="s", files=[f"{tmp_path}/*.*"])], tmp_path / "out")
    assert {row["text"] for row in documents} == {"before", "behind"}
    assert [(row["record"], row["reason"]) for row in dead] == [(f"{tmp_path}/{name}:end", "unreadable_file")]


def test_rows_before_a_cut_are_kept(tmp_path: Path) -> None:
    rows = "".join(f'{{"text":"row {n} {payload_digest(str(n).encode())}"}}\n' for n in range(2000))
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(rows.encode())[:-2000])
    documents, dead = run([SourceConfig(name="s", files=[f"{tmp_path}/a.jsonl.gz"])], tmp_path / "out")
    assert 500 < len(documents) < 2000
    assert [row["reason"] for row in dead] == ["unreadable_file"]


@pytest.mark.parametrize("name", ["ca01", "a.zip"])
def test_unclear_format_is_told_before_the_run(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("x/ca01", "The/at")
    (tmp_path / "ca01").write_text("The/at")
    with pytest.raises(
        SourceError, match=r"source 's': the name of .*ca01 does not tell its format; .* tagged"
    ):
        source_tasks([SourceConfig(name="s", files=[f"{tmp_path}/{name}"])])


def test_an_error_of_the_output_is_no_dead_letter(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: ShardOutput, dataset: str, table: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(ShardOutput, "write", full)
    monkeypatch.setattr("pipelines.sources.stage._BATCH_CHARS", 1)
    with pytest.raises(StageError, match="No space left"):
        run([SourceConfig(name="s", files=[f"{data}/a.jsonl"])], tmp_path / "out")


def test_zip_of_compressed_members(tmp_path: Path) -> None:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("d/x.jsonl.gz", gzip.compress(b'{"text":"inside"}'))
        archive.writestr("d/README", "not this")
    (tmp_path / "a.zip").write_bytes(sink.getvalue())
    documents, dead = run([SourceConfig(name="s", files=[f"{tmp_path}/a.zip"])], tmp_path / "out")
    assert [(row["url"], row["text"]) for row in documents] == [("a.zip!d/x.jsonl.gz:1", "inside")]
    assert dead == []


def encrypted_zip() -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("x.txt", "secret")
    content = bytearray(sink.getvalue())
    content[content.index(b"PK\x03\x04") + 6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


def test_encrypted_member_is_a_dead_letter(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(encrypted_zip())
    documents, dead = run([SourceConfig(name="s", files=[f"{tmp_path}/a.zip"])], tmp_path / "out")
    assert documents == []
    assert [row["record"] for row in dead] == [f"{tmp_path}/a.zip!x.txt:end"]
    assert "x.txt is encrypted" in dead[0]["detail"]


class _Failing(io.RawIOBase):
    """A stored file whose storage fails behind the first bytes."""

    def __init__(self, content: bytes) -> None:
        self._stream = io.BytesIO(content)
        self._reads = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._stream.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._stream.seek(offset, whence)

    def readinto(self, buffer: Any) -> int:
        self._reads += 1
        if self._reads > 1:
            raise OSError("AWS Error NETWORK_CONNECTION during GetObject")
        return self._stream.readinto(buffer)


def stored(name: str) -> bytes:
    """A file of one document, too long for the first read of any decoder."""
    text = "".join(payload_digest(str(n).encode()) + "\n" for n in range(20_000)).encode()
    sink = io.BytesIO()
    if name.endswith(".parquet"):
        pq.write_table(pa.table({"text": [text.decode()]}), sink)
    elif name.endswith(".zip"):
        with zipfile.ZipFile(sink, "w") as archive:
            archive.writestr("x.txt", text)
    pack = {
        "gz": gzip.compress,
        "bz2": bz2.compress,
        "xz": lzma.compress,
        "zst": zstandard.ZstdCompressor().compress,
    }
    return sink.getvalue() or pack.get(name.rpartition(".")[2], bytes)(text)


@pytest.mark.parametrize(
    "name", ["a.txt", "a.txt.gz", "a.txt.bz2", "a.txt.xz", "a.txt.zst", "a.parquet", "a.zip"]
)
@pytest.mark.parametrize("when", ["opened", "read"])
def test_an_error_of_the_storage_leaves_no_receipt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, when: str
) -> None:
    (tmp_path / name).write_bytes(stored(name))
    tasks = source_tasks([SourceConfig(name="s", files=[f"{tmp_path}/{name}"], max_document_chars=2_000_000)])

    def fails(path: str) -> Any:
        if when == "opened":
            raise OSError("AWS Error NETWORK_CONNECTION during GetObject")
        return pa.PythonFile(_Failing(Path(path).read_bytes()), mode="r")  # as storage gives: a NativeFile

    with monkeypatch.context() as patch:
        patch.setattr("pipelines.sources.members.storage.open_input", fails)
        with pytest.raises(StageError, match="OSError: AWS Error NETWORK_CONNECTION"):
            run_locally(SourceDocumentsStage(), tasks, str(tmp_path / "out"))
    assert list((tmp_path / "out").rglob("*.json")) == []
    assert run_locally(SourceDocumentsStage(), tasks, str(tmp_path / "out"))["documents"] == 1
    assert list((tmp_path / "out").rglob("*.json")) != []


def test_a_missing_column_names_the_source_and_leaves_no_receipt(tmp_path: Path) -> None:
    pq.write_table(pa.table({"body": ["x"] * 9}), tmp_path / "a.parquet")
    tasks = source_tasks([SourceConfig(name="essays", files=[f"{tmp_path}/a.parquet"])])
    with pytest.raises(StageError, match=r"source 'essays', .*a.parquet: no column 'text'.*\(body\)"):
        run_locally(SourceDocumentsStage(), tasks, str(tmp_path / "out"))
    assert list((tmp_path / "out").rglob("*.json")) == []
