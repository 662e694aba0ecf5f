"""What the Dagster UI shows of a dataset version: counts, schema, path, sample rows."""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.build.built import Built
from pipelines.engine import storage
from pipelines.engine.dataset import MANIFEST, DatasetVersion, publish, shard_path
from pipelines.markdown import first_rows, markdown_rows
from pipelines.schemas import DatasetSchema

SAMPLE_ROWS = 5
MOST_COUNTS = 12
MOST_TABLE_ROWS = 60


def finish(
    mill_root: str, built: Built, asset: str | None = None
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult[Any]]:
    """Yield the checks of what was built; publish it and yield its metadata only if all of them hold."""
    yield from check_results(built, asset)
    require([built])
    yield published(mill_root, built, asset)


def check_results(built: Built, asset: str | None = None) -> Iterator[dg.AssetCheckResult]:
    """The checks of what was built, as the UI shows them."""
    for check in built.checks:
        yield dg.AssetCheckResult(
            asset_key=asset,
            check_name=check.name,
            passed=check.passed,
            severity=dg.AssetCheckSeverity.ERROR,
            description=check.detail,
        )


def require(built: Sequence[Built]) -> None:
    """Failure that names every check that does not hold."""
    failed = [check for one in built for check in one.checks if not check.passed]
    if failed:
        told = "; ".join(f"{check.name}: {check.detail}" for check in failed)
        raise dg.Failure(f"not published, the last good version stays: {told}", allow_retries=False)


def published(mill_root: str, built: Built, asset: str | None = None) -> dg.MaterializeResult[Any]:
    """Publish what was built; its metadata."""
    for version in built.versions:
        publish(mill_root, version)
    main = built.versions[0]
    return dg.MaterializeResult(
        asset_key=asset,
        data_version=dg.DataVersion(main.version),
        metadata=version_metadata(main, built.schema)
        | built.metadata
        | {name: dg.MetadataValue.md(shown_table(rows)) for name, rows in built.tables.items()},
    )


def shown_table(rows: Sequence[Sequence[Any]]) -> str:
    """Header and rows as a markdown table; the UI's page bears so many rows, the last one counts the others."""
    header, *rest = first_rows(rows, MOST_TABLE_ROWS)
    return markdown_rows(header, rest)


def version_metadata(version: DatasetVersion, schema: DatasetSchema | None) -> dict[str, Any]:
    """Path, counts, and for a table its columns and first rows."""
    found: dict[str, Any] = {"path": dg.MetadataValue.path(version.folder)}
    if schema is not None:
        found["dagster/row_count"] = version.rows
        found["bytes"] = version.manifest["bytes"]
        found["dagster/column_schema"] = column_schema(schema)
        found["sample"] = dg.MetadataValue.md(markdown_table(sample_rows(version)))
    found["dead_letters"] = version.manifest["dead_letters"]
    found["seconds"] = version.manifest["seconds"]
    counts = sorted(version.counts.items(), key=lambda item: -item[1])
    found |= {f"count {name}": n for name, n in counts[:MOST_COUNTS]}
    if len(counts) > MOST_COUNTS:
        found["more counts"] = f"{len(counts) - MOST_COUNTS} in {version.folder}/{MANIFEST}"
    return found


def column_schema(schema: DatasetSchema) -> dg.TableSchema:
    """The dataset's columns with their meaning, for the UI's column panel."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=field.name,
                type=str(field.type),
                description=(field.metadata or {}).get(b"meaning", b"").decode(),
                constraints=dg.TableColumnConstraints(nullable=field.nullable),
            )
            for field in schema.schema
        ]
    )


def sample_rows(version: DatasetVersion) -> pa.Table | None:
    """The first rows of the first shard that has any; None where all are empty."""
    for shard in version.manifest["shards"]:
        if shard["rows"]:
            with storage.open_input(shard_path(version.folder, shard["name"])) as stream:
                return pq.ParquetFile(stream).read_row_group(0).slice(0, SAMPLE_ROWS)
    return None


def markdown_table(table: pa.Table | None) -> str:
    """Rows as a markdown table, long cells cut."""
    if table is None:
        return "no rows"
    return markdown_rows(table.column_names, [list(row.values()) for row in table.to_pylist()])
