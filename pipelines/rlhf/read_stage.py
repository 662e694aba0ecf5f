"""Files of instructions to the three raw datasets, one file a task."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa

from pipelines.engine.runner import RECORDS, ShardOutput, Stage, Task
from pipelines.rlhf.bad_row import BadRow
from pipelines.rlhf.fields import Fields, RowError
from pipelines.rlhf.layout import Layout
from pipelines.rlhf.layouts import LAYOUTS, MAPPED, layout_of
from pipelines.rlhf.raw_rows import RawRow, raw_row
from pipelines.rlhf.records import Output
from pipelines.rlhf.rows import read_rows
from pipelines.rlhf.schemas import RAW_DEMONSTRATIONS, RAW_JUDGEMENTS, RAW_PROMPTS, READ_DECISIONS
from pipelines.rlhf.source_config import RlhfSourceConfig
from pipelines.schemas import DatasetSchema
from pipelines.sources.files import SourceFile, source_files
from pipelines.sources.members import DAMAGE, Member, members

_BATCH_ROWS = 4096
_BATCH_CHARS = 8 << 20


def read_tasks(sources: Sequence[RlhfSourceConfig]) -> list[Task]:
    """One task a file, named from shard-00000 on, in the order of sources and paths; each knows its layout.

    Reads the first rows of files whose layout is open. Raises SourceError for a pattern without files,
    LayoutError for a layout that is unclear, UnknownFormatError for a name that tells no format.
    """
    tasks: list[Task] = []
    for source in sources:
        for file in source_files(source.files_config()):
            layouts = {member.name: _layout(source, member) for member in _members(source, file)}
            payload = {"source": source.model_dump(mode="json"), "file": file._asdict(), "layouts": layouts}
            tasks.append(Task(f"shard-{len(tasks):05d}", payload))
    return tasks


def _members(source: RlhfSourceConfig, file: SourceFile) -> list[Member]:
    try:
        return list(members(file.path, file.name, source.exclude))
    except DAMAGE:
        return []  # the stage names a damaged archive among its dead letters


def _layout(source: RlhfSourceConfig, member: Member) -> str:
    """Name of a member's layout, empty for one that has no rows or is damaged from the start."""
    try:
        read_rows(member, source)  # nothing is read yet; raises where the name tells no format
        layout = layout_of(source, member)
    except DAMAGE:
        return ""
    return layout.name if layout else ""


@dataclass(frozen=True)
class RlhfReadStage(Stage):
    """Raw demonstrations, judgements and prompts of the file that a task names, and what its reader left out.

    Bad rows become dead letters that name file, row and field.
    """

    name: ClassVar[str] = "rlhf_read"
    version: ClassVar[int] = 2

    @property
    def outputs(self) -> tuple[DatasetSchema, ...]:
        """The raw datasets and the decisions of reading."""
        return (RAW_DEMONSTRATIONS, RAW_JUDGEMENTS, RAW_PROMPTS, READ_DECISIONS)

    def process(self, task: Task, out: ShardOutput) -> None:
        """Read one file."""
        source = RlhfSourceConfig.model_validate(task.payload["source"])
        file = SourceFile(**task.payload["file"])
        batch = _Batch(out)
        try:
            found = list(members(file.path, file.name, source.exclude))
        except DAMAGE as error:
            _unreadable(file.path, error, out)
            return
        for member in found:
            layout = _named(task.payload["layouts"].get(member.name, ""))
            try:
                for number, value in read_rows(member, source):
                    out.count(RECORDS)
                    _read_row(member, number, value, source, layout, batch, out)
            except DAMAGE as error:
                _unreadable(member.path, error, out)
        batch.flush()


def _named(name: str) -> Layout | None:
    return MAPPED if name == MAPPED.name else LAYOUTS.get(name)


def _unreadable(path: str, error: Exception, out: ShardOutput) -> None:
    out.count(RECORDS)
    detail = f"the rows before this point are kept; {type(error).__name__}: {error}"
    out.dead(f"{path}#end", "unreadable_file", detail)


def _read_row(
    member: Member,
    number: int,
    value: Any,
    source: RlhfSourceConfig,
    layout: Layout | None,
    batch: "_Batch",
    out: ShardOutput,
) -> None:
    """All records of a row, or none: a row that is wrong in one field is a dead letter as a whole."""
    place = f"{member.path}#{number}"
    if isinstance(value, BadRow):
        out.dead(place, value.reason, value.detail)
        return
    if layout is None:
        out.dead(
            place, "unknown_layout", "no row at the file's start could be read, so its layout is unknown"
        )
        return
    try:
        outputs = list(layout.read(Fields(value, source.max_field_chars), source))
    except RowError as error:
        out.dead(place, error.reason, f"row {number}: {error}")
        return
    except RecursionError:
        out.dead(place, "too_deep", f"row {number} is nested too deeply to be written as text")
        return
    for row in _raw_rows(outputs, source, f"{member.name}#{number}"):
        batch.add(row)


def _raw_rows(outputs: Sequence[Output], source: RlhfSourceConfig, origin: str) -> Iterator[RawRow]:
    """The rows of those raw datasets that the source gives, and decisions on these alone."""
    wanted = {f"raw_{name}" for name in source.gives}
    for output in outputs:
        row = raw_row(output, source, origin)
        if row.values.get("dataset", row.dataset) in wanted:
            yield row


class _Batch:
    """Rows of all outputs on their way to row groups."""

    def __init__(self, out: ShardOutput) -> None:
        self._out = out
        self._rows: dict[str, list[dict[str, Any]]] = {}
        self._chars = 0
        self._count = 0

    def add(self, row: RawRow) -> None:
        self._rows.setdefault(row.dataset, []).append(row.values)
        self._count += 1
        self._chars += row.chars
        if self._count >= _BATCH_ROWS or self._chars >= _BATCH_CHARS:
            self.flush()

    def flush(self) -> None:
        for schema in (RAW_DEMONSTRATIONS, RAW_JUDGEMENTS, RAW_PROMPTS, READ_DECISIONS):
            rows = self._rows.pop(schema.name, [])
            if rows:
                self._out.write(schema.name, pa.Table.from_pylist(rows, schema=schema.schema))
                self._out.count(schema.name, len(rows))
            if schema is READ_DECISIONS:
                for row in rows:
                    self._out.count(f"excluded:{row['reason']}")
        self._chars = self._count = 0
