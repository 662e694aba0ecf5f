"""Where a document stands in the datasets of a run, and its rows there."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.engine import storage
from pipelines.engine.dataset import (
    POINTER,
    DatasetError,
    DatasetVersion,
    current,
    iter_shard,
    read_shard,
    shard_path,
)
from pipelines.schemas import CORPUS, DEAD_LETTERS, DOCUMENTS, DatasetSchema

_DEAD_LETTERS_TOLD = 10


class Place(NamedTuple):
    """Shard and row of a document in `documents` and in every dataset that is aligned with it."""

    shard: str
    row: int


def published(root: str, name: str) -> DatasetVersion | None:
    """The published version of a dataset, None where it has not been made."""
    return current(root, name) if storage.exists(storage.join(root, name, POINTER)) else None


def find_documents(documents: DatasetVersion, name: str) -> list[Place]:
    """Every row whose doc_id or url is `name`, in order; reads these two columns of all shards."""
    places = []
    for shard in documents.shards:
        row = 0
        for group in iter_shard(documents.folder, shard, DOCUMENTS, ["doc_id", "url"]):
            same = pc.or_(pc.equal(group["doc_id"], name), pc.equal(group["url"], name))
            places += [Place(shard, row + int(i)) for i in np.flatnonzero(np.asarray(same))]
            row += group.num_rows
    return places


def parent_of(corpus: DatasetVersion, piece_id: str) -> str | None:
    """Id of the document that a piece of the corpus comes from."""
    for shard in corpus.shards:
        for group in iter_shard(corpus.folder, shard, CORPUS, ["doc_id", "parent_id"]):
            place = pc.index(group["doc_id"], piece_id).as_py()
            if place >= 0:
                return str(group["parent_id"][place])
    return None


def row_at(
    version: DatasetVersion,
    schema: DatasetSchema,
    place: Place,
    doc_id: str | None = None,
    columns: Sequence[str] | None = None,
) -> pa.Table:
    """The one row of an aligned dataset; DatasetError where it is another document's than `doc_id`."""
    first = 0
    for group in iter_shard(version.folder, place.shard, schema, columns):
        if place.row < first + group.num_rows:
            found = group.slice(place.row - first, 1)
            if doc_id is not None and found["doc_id"][0].as_py() != doc_id:
                break
            return found
        first += group.num_rows
    raise DatasetError(
        f"{shard_path(version.folder, place.shard)}: row {place.row} is not document {doc_id}; '{version.name}' was "
        "made from other documents, run its asset again"
    )


def rows_of(
    version: DatasetVersion | None, schema: DatasetSchema, shard: str, column: str, values: Sequence[str]
) -> list[dict[str, Any]]:
    """Rows of one shard whose `column` is among `values`; none where there is no such dataset or shard."""
    if version is None or shard not in version.shards:
        return []
    table = read_shard(version.folder, shard, schema)
    found = table.filter(pc.is_in(table[column], value_set=pa.array(values, pa.string())))
    return [dict(row) for row in found.to_pylist()]


def dead_letters(root: str, name: str) -> list[dict[str, Any]]:
    """Records that no stage could use and whose name holds `name` or whose address it is, at most ten of them.

    A crawled record is named by its file and place; its address begins what is told of it.
    """
    found: list[dict[str, Any]] = []
    for path in storage.list_files(storage.join(root, DEAD_LETTERS.name), "*.parquet", recursive=True):
        with storage.open_input(path) as stream:
            table = pq.ParquetFile(stream).read()
        named = pc.match_substring(table["record"], name)
        at_address = pc.starts_with(table["detail"], f"{name}: ")
        found += table.filter(pc.or_(named, at_address)).to_pylist()
    return found[:_DEAD_LETTERS_TOLD]
