"""What every search for duplicates shares: the rank of a source, rows by shard, and the contract of the result."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.build.built import Check
from pipelines.engine.dataset import DatasetVersion, read_shard
from pipelines.schemas import DOCUMENTS, DUPLICATES


class RoleOrderError(ValueError):
    """The order of roles leaves one out."""


def source_ranks(roles: Mapping[str, str], order: Sequence[str], key: str) -> dict[str, int]:
    """The place of each source's role in `order`, 0 is the best; RoleOrderError names the config `key`."""
    missing = sorted(set(roles.values()) - set(order))
    if missing:
        raise RoleOrderError(f"{key}: names {order}, but the sources have roles {missing} too; add them")
    return {source: order.index(role) for source, role in roles.items()}


def by_shard(duplicates: pa.Table, documents: DatasetVersion) -> dict[str, pa.Table]:
    """The duplicates by the documents shard that they first stand in, in the order of its rows."""
    tables = {}
    left = np.ones(len(duplicates), dtype=np.bool_)
    known = duplicates["doc_id"].combine_chunks()
    for shard in documents.shards:
        ids = read_shard(documents.folder, shard, DOCUMENTS, ["doc_id"])["doc_id"]
        rows = np.asarray(pc.unique(pc.index_in(ids, value_set=known).drop_null()))
        rows = rows[left[rows]]
        left[rows] = False
        tables[shard] = duplicates.take(pa.array(rows))
    return tables


def survivors_stay(version: DatasetVersion) -> Check:
    """No document is removed for one that is removed itself."""
    removed: set[str] = set()
    survivors: set[str] = set()
    for shard in version.shards:
        table = read_shard(version.folder, shard, DUPLICATES, ["doc_id", "survivor_id"])
        removed.update(table["doc_id"].to_pylist())
        survivors.update(table["survivor_id"].to_pylist())
    lost = survivors & removed
    detail = f"{len(removed)} duplicates of {len(survivors)} survivors"
    return Check("survivors_stay", not lost, detail + (f", {min(lost)} is both" if lost else ""))
