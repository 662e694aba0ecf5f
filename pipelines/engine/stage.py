"""What a stage is: a pure function from a task to output shards, and the fingerprint that makes it the same."""

import dataclasses
import hashlib
import json
import unicodedata
from abc import ABC, abstractmethod
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel

from pipelines.schemas import DatasetSchema

if TYPE_CHECKING:
    from pipelines.engine.shard_output import ShardOutput

RECORDS = "records"


class StageError(RuntimeError):
    """A stage could not finish; the message names the shard and the cause."""


@dataclass(frozen=True)
class Task:
    """One shard of work: the output shard's name and what the stage needs to make it (JSON values only)."""

    name: str
    payload: dict[str, Any]


@dataclass(frozen=True)
class Stage(ABC):
    """A pure function from a task to output shards; its fields are its configuration and must pickle.

    `name` names it in manifests and dead letters; `version` rises whenever the same input gives other output.
    The first of `outputs` holds the receipts. `libraries` are the packages whose version the output depends on.
    A stage that reads records counts them as "records", the base of the share of dead letters.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    libraries: ClassVar[tuple[str, ...]] = ()

    @property
    @abstractmethod
    def outputs(self) -> tuple[DatasetSchema, ...]:
        """Datasets that each task writes a shard of."""

    @abstractmethod
    def process(self, task: Task, out: "ShardOutput") -> None:
        """Do the work of one shard."""

    def fingerprint(self, root: str = "") -> str:
        """What makes two stages the same: name, version, output schemas and configuration.

        Paths below the data root count from there, so that a data root can be moved.
        """
        schemas = [f"{output.name} v{output.version}" for output in self.outputs]
        # The word table of text/ is made from the interpreter's Unicode data.
        return digest(
            {"schemas": schemas, "unicode": unicodedata.unidata_version, "stage": jsonable(self, root)}
        )

    def identity(self) -> dict[str, Any]:
        """Name, version and the versions of the libraries that the output depends on."""
        libraries = {name: metadata.version(name) for name in self.libraries}
        return {"stage": self.name, "version": self.version, "libraries": libraries}


def digest(value: Any) -> str:
    """SHA-256 of a JSON value, hex."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def jsonable(value: Any, root: str = "") -> Any:
    """JSON value of a stage's field; paths below the data root `root` are told from there."""
    if isinstance(value, BaseModel):
        return jsonable(value.model_dump(mode="json"), root)
    if isinstance(value, Stage):
        fields = {f.name: jsonable(getattr(value, f.name), root) for f in dataclasses.fields(value)}
        return {**value.identity(), "config": fields}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: jsonable(getattr(value, f.name), root) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(k): jsonable(v, root) for k, v in sorted(value.items())}
    if isinstance(value, (list, tuple)):
        return [jsonable(v, root) for v in value]
    if isinstance(value, str) and root and value.startswith(f"{root}/"):
        return f"<data root>{value[len(root) :]}"
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    raise TypeError(
        f"a stage's field holds a {type(value).__name__}; only JSON values and config models are allowed"
    )
