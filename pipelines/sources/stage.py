"""Curated files to documents."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa

from pipelines.engine.runner import RECORDS, ShardOutput, Stage, Task
from pipelines.ids import document_id, payload_digest
from pipelines.schemas import DOCUMENTS, DatasetSchema
from pipelines.sources.config import SourceConfig, SourceError
from pipelines.sources.files import SourceFile, source_files
from pipelines.sources.formats import check_format, reader_of
from pipelines.sources.members import DAMAGE, ZIP_SUFFIX, Member, members
from pipelines.sources.normalise import normalise, split_text
from pipelines.sources.records import BadRecord, Entry, Record, Skipped
from text.words import count_words

_BATCH_CHARS = 8 << 20
_HTTP = ("http://", "https://")


def source_tasks(sources: Sequence[SourceConfig], first_shard: int = 0, shard_mib: float = 16) -> list[Task]:
    """Tasks that read all sources, named from shard-<first_shard> on; each holds files of one source.

    Files are packed in order of path until a task holds `shard_mib` MiB as stored; a file is never split.
    Raises SourceError for a pattern without files and for a file whose format its name does not tell.
    """
    tasks: list[Task] = []
    for source in sources:
        files = source_files(source)
        for file in files:
            _check_members(source, file)
        for group in _packed(files, shard_mib):
            name = f"shard-{first_shard + len(tasks):05d}"
            payload = {"source": source.model_dump(mode="json"), "files": [file._asdict() for file in group]}
            tasks.append(Task(name, payload))
    return tasks


def _check_members(source: SourceConfig, file: SourceFile) -> None:
    if file.path.startswith(_HTTP) and file.path.endswith(ZIP_SUFFIX):
        return  # not fetched before the run; an unclear member becomes a dead letter
    try:
        found = list(members(file.path, file.name, source.exclude))
    except DAMAGE:
        return  # the run names a damaged archive among its dead letters
    for member in found:
        check_format(source, member)


def _packed(files: Sequence[SourceFile], shard_mib: float) -> Iterator[list[SourceFile]]:
    group: list[SourceFile] = []
    for file in files:
        group.append(file)
        if sum(entry.size for entry in group) >= shard_mib * (1 << 20):
            yield group
            group = []
    if group:
        yield group


@dataclass(frozen=True)
class SourceDocumentsStage(Stage):
    """Documents of the files that a task names; bad rows become dead letters that name file, row and field.

    The url of a document is name:place, where name is the file's path below its source's common folder (with
    !member for a zip archive) and place the line, row or page; .2, .3 … follow for the pieces of a long one.
    """

    name: ClassVar[str] = "source_documents"
    version: ClassVar[int] = 2

    @property
    def outputs(self) -> tuple[DatasetSchema, ...]:
        """The documents dataset."""
        return (DOCUMENTS,)

    def process(self, task: Task, out: ShardOutput) -> None:
        """Read the files of one task."""
        source = SourceConfig.model_validate(task.payload["source"])
        batch = _Batch(source.name, out)
        for entry in task.payload["files"]:
            for member, record in _entries(SourceFile(**entry), source):
                if isinstance(record, Skipped):
                    out.count(f"skipped:{record.reason}")
                    continue
                out.count(RECORDS)
                if isinstance(record, BadRecord):
                    out.dead(f"{member.path}:{record.place}", record.reason, record.detail)
                else:
                    _add_document(member, record, source, batch, out)
        batch.flush()


def _entries(file: SourceFile, source: SourceConfig) -> Iterator[tuple[Member, Entry]]:
    """All entries of a file; what cannot be read becomes a bad record behind those that could.

    Only damage is a bad record. An error of the storage or the output, and a column that the source names but
    the file lacks, are raised: the shard gets no receipt, and the next run reads it again.
    """
    whole = Member(file.path, file.name)
    try:
        found = list(members(file.path, file.name, source.exclude))
    except DAMAGE as error:
        yield whole, _unreadable(error)
        return
    for member in found:
        try:
            reader = reader_of(source, member)
        except SourceError as error:
            yield member, BadRecord("1", "unclear_format", str(error))
            continue
        except DAMAGE as error:
            yield member, _unreadable(error)
            continue
        try:
            for entry in reader(member, source):
                yield member, entry
        except DAMAGE as error:
            yield member, _unreadable(error)


def _unreadable(error: Exception) -> BadRecord:
    detail = f"the records before this point are kept; {type(error).__name__}: {error}"
    return BadRecord("end", "unreadable_file", detail)


def _add_document(
    member: Member, record: Record, source: SourceConfig, batch: "_Batch", out: ShardOutput
) -> None:
    text = normalise(record.text)
    if not text:
        out.dead(
            f"{member.path}:{record.place}", "empty_text", "nothing but white space and control characters"
        )
        return
    url = f"{member.name}:{record.place}"
    for number, piece in enumerate(split_text(text, source.max_document_chars), 1):
        batch.add(url if number == 1 else f"{url}.{number}", piece, record.charset)


class _Batch:
    """Documents of one source on their way to a row group."""

    def __init__(self, source: str, out: ShardOutput) -> None:
        self._source = source
        self._out = out
        self._rows: list[dict[str, Any]] = []
        self._chars = 0

    def add(self, url: str, text: str, charset: str) -> None:
        payload = text.encode()
        digest = payload_digest(payload)
        self._rows.append(
            {
                "doc_id": document_id(self._source, "", url, digest),
                "source": self._source,
                "url": url,
                "snapshot": "",
                "fetched_at": None,
                "payload_digest": digest,
                "media_type": "text/plain",
                "charset": charset,
                "text": text,
                "n_bytes": len(payload),
                "n_words": 0,
            }
        )
        self._chars += len(text)
        if self._chars >= _BATCH_CHARS:
            self.flush()

    def flush(self) -> None:
        if not self._rows:
            return
        words = count_words(pa.array([row["text"] for row in self._rows], pa.string()))
        for row, n_words in zip(self._rows, words, strict=True):
            row["n_words"] = int(n_words)
        self._out.write("documents", pa.Table.from_pylist(self._rows, schema=DOCUMENTS.schema))
        self._out.count("documents", len(self._rows))
        self._rows, self._chars = [], 0
