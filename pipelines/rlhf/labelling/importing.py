"""Label Studio's export to raw judgements, raw demonstrations and ratings; every annotation is used, counted or dead.

Texts come from the tasks that were sent out, so that nothing edited on the way becomes training data; the export
says which of them was judged, by whom, and how.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from pipelines.rlhf.bad_row import BadRow
from pipelines.rlhf.fields import Fields, RowError
from pipelines.rlhf.labelling.annotation import Annotation, read_results
from pipelines.rlhf.labelling.export import TASK_KEY
from pipelines.rlhf.labelling.flags import FLAGS
from pipelines.rlhf.labelling.interface import COMPLETIONS
from pipelines.rlhf.labelling.tables import (
    LABEL_ANNOTATIONS,
    LABEL_RATINGS,
    LABELLED_DEMONSTRATIONS,
    LABELLED_JUDGEMENTS,
)
from pipelines.rlhf.licences import joined
from pipelines.rlhf.raw_rows import dense_ranks
from pipelines.rlhf.records import record_id
from pipelines.rlhf.source_config import RlhfSourceConfig
from pipelines.schemas import DatasetSchema
from pipelines.sources.config import AUTO_ENCODING, NOT_DOCUMENTS

OUTPUTS = (LABELLED_JUDGEMENTS, LABELLED_DEMONSTRATIONS, LABEL_ANNOTATIONS, LABEL_RATINGS)
_FACTS = ("user_id", "user_id_kind", "root_id", "use_case", "language", "licence")


class LabelSourceConfig(BaseModel):
    """One labelling project's export."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(
        description="name of the source: letters, digits, '.', '_' and '-'",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
    )
    files: list[str] = Field(
        description="paths or globs of exports in the format JSON (not JSON-MIN), local, s3:// or gs://",
        min_length=1,
    )
    licence: str | None = Field(
        default=None, description="licence of what labelers wrote, added to that of the prompt"
    )
    criteria: str | None = Field(default="overall quality", description="what the ranking judged")
    max_field_chars: int = Field(
        default=1_000_000,
        description="an annotation with a longer text is a dead letter, characters",
        ge=1000,
    )

    def rows_config(self) -> RlhfSourceConfig:
        """The part that finds and reads files, in the form that other sources have."""
        return RlhfSourceConfig(
            name=self.name,
            files=self.files,
            exclude=NOT_DOCUMENTS,
            encoding=AUTO_ENCODING,
            max_field_chars=self.max_field_chars,
        )


class Dead(NamedTuple):
    """An annotation or task that cannot be used: what it is, a short fixed reason, what was expected."""

    record: str
    reason: str
    detail: str


class Imported(NamedTuple):
    """Tables by name (OUTPUTS), what could not be used, and how often what happened."""

    tables: dict[str, pa.Table]
    dead: list[Dead]
    counts: dict[str, int]


class _Given(NamedTuple):
    place: str  # file#row, and the task's number in Label Studio
    task: dict[str, Any]  # of label_tasks
    shown: list[str]  # completion_ids
    annotation: Fields


def import_annotations(
    rows: Iterable[tuple[str, Any]], tasks: pa.Table, source: LabelSourceConfig
) -> Imported:
    """Read exported tasks: (file#row, its JSON value or a BadRow), against LABEL_TASKS.

    Cancelled annotations are counted alone; of one annotation that several exports hold, the last updated one
    is read. The order of `rows` does not matter.
    """
    known = {task["record_id"]: task for task in tasks.to_pylist()}
    work = _Work(source)
    latest: dict[tuple[str, str], tuple[tuple[str, str], _Given]] = {}
    for place, value in rows:
        work.counts["tasks"] += 1
        for given in work.annotations_of(place, value, known):
            key = given.task["record_id"], work.name_of(given)
            version = _updated(given.annotation), given.place
            if key in latest:
                work.counts["older_copies"] += 1
            if key not in latest or latest[key][0] < version:
                latest[key] = version, given
    for key in sorted(latest):
        work.read(latest[key][1], key[1])
    return work.done()


def _updated(annotation: Fields) -> str:
    """ISO 8601 in UTC, as Label Studio writes it, so that texts sort by time."""
    updated = annotation.value.get("updated_at") if isinstance(annotation.value, dict) else None
    return updated if isinstance(updated, str) else ""


class _Work:
    """Rows on their way to the tables."""

    def __init__(self, source: LabelSourceConfig) -> None:
        self._source = source
        self._rows: dict[str, list[dict[str, Any]]] = {schema.name: [] for schema in OUTPUTS}
        self._dead: list[Dead] = []
        self.counts: Counter[str] = Counter()

    def annotations_of(self, place: str, value: Any, known: dict[str, dict[str, Any]]) -> list[_Given]:
        """The annotations of an exported task; none, and a dead letter, where it is not one that was sent out."""
        if isinstance(value, BadRow):
            self.counts["unusable_tasks"] += 1
            self._dead.append(Dead(place, value.reason, value.detail))
            return []
        number = value.get("id") if isinstance(value, dict) else None
        where = f"{place} task {number if isinstance(number, int | str) else None}"
        try:
            row = Fields(value, self._source.max_field_chars)
            data = row.at("data")
            key = data.at(TASK_KEY).label()
            if key not in known:
                detail = (
                    f"field 'data.{TASK_KEY}' is '{key}', which is none of the {len(known)} tasks sent out"
                )
                raise RowError("unknown_task", detail)
            task = known[key]
            shown = [task["completion_ids"][place] for place in task["shown"]]
            _check_answers(data, shown)
            return [_Given(where, task, shown, annotation) for annotation in row.at("annotations").items()]
        except RowError as error:
            self.counts["unusable_tasks"] += 1
            self._dead.append(Dead(where, error.reason, str(error)))
            return []

    def name_of(self, given: _Given) -> str:
        """The annotation's number as text; its place in the export where it has none, which `read` tells."""
        try:
            return given.annotation.at("id").label()
        except RowError:
            return f"{given.place} {given.annotation.path}"

    def read(self, given: _Given, name: str) -> None:
        """Take over one annotation: all of it, or none."""
        self.counts["annotations"] += 1
        try:
            given.annotation.at("id").label()
            cancelled = given.annotation.optional("was_cancelled")
            if cancelled is not None and cancelled.flag():
                self.counts["cancelled"] += 1
                return
            labeler = _labeler(given.annotation)
            seconds = given.annotation.optional("lead_time")
            took = None if seconds is None else seconds.number()
            said = read_results(given.annotation.at("result"), given.shown)
        except RowError as error:
            self._dead.append(Dead(f"{given.place} annotation {name}", error.reason, str(error)))
            return
        self._add(given.task, name, f"{self._source.name}:{labeler}" if labeler else None, took, said)

    def _add(
        self, task: dict[str, Any], name: str, labeler: str | None, seconds: float | None, said: Annotation
    ) -> None:
        origin = f"{task['record_id']}#{name}"
        annotation = record_id(self._source.name, origin)
        raw = {"record_id": annotation, "source": self._source.name, "origin": origin}
        raw |= {fact: task[fact] for fact in _FACTS}
        if said.buckets:
            self._rows[LABELLED_JUDGEMENTS.name].append(raw | self._judgement(task, labeler, said))
        if said.demonstration is not None:
            self._rows[LABELLED_DEMONSTRATIONS.name].append(
                raw | self._demonstration(task, said.demonstration)
            )
        about = {
            "annotation_id": annotation,
            "task_key": task["record_id"],
            "prompt_id": task["prompt_id"],
            "labeler_id": labeler,
        }
        rated = [
            answer for answer in task["completion_ids"] if answer in said.ratings or said.flags.get(answer)
        ]
        self._rows[LABEL_ANNOTATIONS.name].append(
            about
            | {"seconds": seconds, "ranked": len(said.buckets), "rated": len(rated)}
            | {"demonstrated": said.demonstration is not None}
        )
        for answer in rated:
            flags = {flag: flag in said.flags.get(answer, []) for flag in FLAGS}
            rating = {"completion_id": answer, "rating": said.ratings.get(answer)}
            self._rows[LABEL_RATINGS.name].append(about | rating | flags)

    def _judgement(self, task: dict[str, Any], labeler: str | None, said: Annotation) -> dict[str, Any]:
        ranks = [said.buckets.get(answer) for answer in task["completion_ids"]]
        return {
            "messages": task["messages"],
            "completions": task["completions"],
            "completion_authors": task["completion_authors"],
            "ranks": dense_ranks(ranks),
            "labeler_id": labeler,
            "judge_kind": "human",
            "criteria": self._source.criteria,
            "partial": None in ranks,
        }

    def _demonstration(self, task: dict[str, Any], text: str) -> dict[str, Any]:
        """A prompt under one licence with an answer under another is under both; of one unknown, under none known."""
        both = joined([task["licence"], self._source.licence or task["licence"]])
        answer = {"role": "assistant", "content": text}
        return {"messages": [*task["messages"], answer], "kind": "demonstration", "licence": both}

    def done(self) -> Imported:
        """The tables, ordered by annotation."""
        tables = {schema.name: _table(schema, self._rows[schema.name]) for schema in OUTPUTS}
        self.counts.update({name: table.num_rows for name, table in tables.items()})
        self._dead.sort()
        return Imported(tables, self._dead, dict(self.counts))


def _table(schema: DatasetSchema, rows: list[dict[str, Any]]) -> pa.Table:
    table = pa.Table.from_pylist(rows, schema=schema.schema)
    return table.sort_by(schema.schema.names[0])


def _labeler(annotation: Fields) -> str | None:
    """The annotator's number; of an object the number alone, since names and addresses are not needed."""
    given = annotation.optional("completed_by")
    if given is None:
        return None
    return given.at("id").label() if isinstance(given.value, dict) else given.label()


def _check_answers(data: Fields, shown: list[str]) -> None:
    """The task shows the answers that were sent, in the order in which they were: controls go by place."""
    found = [item.at("id").label() for item in data.at(COMPLETIONS).items()]
    if found != shown:
        raise RowError(
            "changed_task",
            f"field 'data.{COMPLETIONS}' has ids {', '.join(found)}; sent were {', '.join(shown)}",
        )
