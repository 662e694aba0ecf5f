"""What a build step hands back: versions that are complete but not yet published, and what was checked of them."""

from dataclasses import dataclass, field
from typing import Any

from pipelines.engine.dataset import DatasetVersion, publish
from pipelines.schemas import DatasetSchema


class ContractError(RuntimeError):
    """A built dataset breaks its contract; the last good version stays published."""


@dataclass(frozen=True)
class Check:
    """One contract of a dataset and whether the built version keeps it."""

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True)
class Built:
    """The versions that a step made, the main one first, with its schema (None for models and folders).

    `metadata` and `tables` (the first row is the header) are shown beside what the manifest tells.
    """

    versions: tuple[DatasetVersion, ...]
    schema: DatasetSchema | None = None
    checks: tuple[Check, ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict)
    tables: dict[str, list[list[Any]]] = field(default_factory=dict)

    @property
    def main(self) -> DatasetVersion:
        """The version that names the step."""
        return self.versions[0]

    def publish(self, root: str) -> "Built":
        """Publish all versions; ContractError names the checks that failed and publishes nothing."""
        failed = [f"{check.name}: {check.detail}" for check in self.checks if not check.passed]
        if failed:
            raise ContractError(f"dataset '{self.main.name}': " + "; ".join(failed))
        for version in self.versions:
            publish(root, version)
        return self


def not_empty(version: DatasetVersion) -> Check:
    """There is at least one row."""
    return Check("not_empty", version.rows > 0, f"{version.rows} rows")


def aligned(version: DatasetVersion, other: DatasetVersion) -> Check:
    """The same shards with as many rows each."""

    def rows(of: DatasetVersion) -> dict[str, int]:
        return {shard["name"]: shard["rows"] for shard in of.manifest["shards"]}

    mine, theirs = rows(version), rows(other)
    wrong = sorted(name for name in mine.keys() | theirs.keys() if mine.get(name) != theirs.get(name))
    detail = f"{len(theirs)} shards row for row with {other.name}"
    if wrong:
        detail = f"{wrong[0]} has {mine.get(wrong[0])} rows, {theirs.get(wrong[0])} in {other.name}"
    return Check(f"aligned_with_{other.name}", not wrong, detail)
