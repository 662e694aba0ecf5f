"""Small datasets on disk for tests of the stages."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.engine.dataset import DatasetVersion
from pipelines.schemas import DatasetSchema


def filled(schema: DatasetSchema, columns: dict[str, list]) -> pa.Table:
    """A table in `schema` form; columns that are not given hold the type's zero."""
    n = len(next(iter(columns.values())))
    zeros = {"string": "", "bool": False, "timestamp[ms, tz=UTC]": None}
    arrays = []
    for field in schema.schema:
        zero = zeros.get(str(field.type), 0)
        arrays.append(pa.array(columns.get(field.name, [zero] * n), field.type))
    return pa.table(arrays, schema=schema.schema)


def write_version(root: Path, schema: DatasetSchema, shards: list[pa.Table]) -> DatasetVersion:
    """A version of `schema` with these shards, unpublished."""
    folder = root / schema.name / "v-test"
    folder.mkdir(parents=True)
    names = []
    for number, table in enumerate(shards):
        name = f"shard-{number:05d}"
        pq.write_table(table, folder / f"{name}.parquet")
        names.append({"name": name, "rows": table.num_rows, "bytes": table.nbytes})
    manifest = {
        "dataset": schema.name,
        "version": "v-test",
        "shards": names,
        "rows": sum(s["rows"] for s in names),
        "counts": {},
        "row_hash": "",
    }
    return DatasetVersion(str(folder), manifest)
