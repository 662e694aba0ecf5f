"""Exports of labelling projects to the labelled datasets, one project a task."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa

from pipelines.engine.dataset import DatasetVersion, read_shard
from pipelines.engine.runner import RECORDS, ShardOutput, Stage, Task
from pipelines.rlhf.bad_row import BadRow
from pipelines.rlhf.labelling.importing import OUTPUTS, LabelSourceConfig, import_annotations
from pipelines.rlhf.labelling.tables import LABEL_TASKS
from pipelines.rlhf.rows import read_rows
from pipelines.schemas import DatasetSchema
from pipelines.sources.files import SourceFile, source_files
from pipelines.sources.members import DAMAGE, members


def import_tasks(sources: Sequence[LabelSourceConfig], sent: Sequence[DatasetVersion]) -> list[Task]:
    """One task a project, in the order of `sources`; `sent` are the versions of label_tasks that they may answer.

    Raises SourceError for a pattern without files.
    """
    folders = [[version.folder, shard] for version in sent for shard in version.shards]
    tasks = []
    for number, source in enumerate(sources):
        files = [file._asdict() for file in source_files(source.rows_config().files_config())]
        payload = {"source": source.model_dump(mode="json"), "files": files, "sent": folders}
        tasks.append(Task(f"shard-{number:05d}", payload))
    return tasks


@dataclass(frozen=True)
class LabelImportStage(Stage):
    """Labelled judgements and demonstrations, annotations and ratings of the project that a task names.

    Annotations that cannot be used are dead letters that name task, annotation and what was expected.
    """

    name: ClassVar[str] = "label_import"
    version: ClassVar[int] = 1

    @property
    def outputs(self) -> tuple[DatasetSchema, ...]:
        """The labelled datasets."""
        return OUTPUTS

    def process(self, task: Task, out: ShardOutput) -> None:
        """Read one project's exports."""
        source = LabelSourceConfig.model_validate(task.payload["source"])
        sent = [read_shard(folder, shard, LABEL_TASKS) for folder, shard in task.payload["sent"]]
        tasks = pa.concat_tables([LABEL_TASKS.schema.empty_table(), *sent])
        files = [SourceFile(**file) for file in task.payload["files"]]
        imported = import_annotations(_rows(files, source), tasks, source)
        for schema in OUTPUTS:
            table = imported.tables[schema.name]
            if table.num_rows:
                out.write(schema.name, table)
        for letter in imported.dead:
            out.dead(*letter)
        out.count(RECORDS, imported.counts.get("annotations", 0) + imported.counts.get("unusable_tasks", 0))
        for name, count in imported.counts.items():
            out.count(name, count)


def _rows(files: Sequence[SourceFile], source: LabelSourceConfig) -> Iterator[tuple[str, Any]]:
    config = source.rows_config()
    for file in files:
        try:
            for member in members(file.path, file.name, config.exclude):
                for number, value in read_rows(member, config):
                    yield f"{member.name}#{number}", value
        except DAMAGE as error:
            detail = f"the rows before this point are kept; {type(error).__name__}: {error}"
            yield f"{file.name}#end", BadRow("unreadable_file", detail)
