"""What deduplication did, to be looked at: the largest clusters, and the evidence behind one document.

    python -m pipelines.clusters                    the largest clusters of the published run
    python -m pipelines.clusters --largest 50
    python -m pipelines.clusters 03b4a54ccf44…      one document beside its survivor, or those removed for it

It reads the published datasets below GRISTMILL_DATA (or --data) and writes nothing.
"""

import argparse
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dedup.minhash import MinHashConfig, shingles, signature_matrix
from dedup.verify import estimate, set_jaccard, shingle_sets
from pipelines.deduplication.dedup_index import rows_of
from pipelines.deduplication.differences import Differences, differences, printable, side_by_side
from pipelines.deduplication.sketch import schema_of
from pipelines.engine.dataset import DatasetError, DatasetVersion, current, read_dataset, read_shard
from pipelines.engine.mill import data_root
from pipelines.markdown import markdown_rows
from pipelines.schemas import DOCUMENTS, DUPLICATES, DatasetSchema

LARGEST = 20
URLS = 3
REMOVED_SHOWN = 5
PASSAGES_SHOWN = 30
PASSAGE_CHARACTERS = 1_000
BEGINNING_CHARACTERS = 60
EARLIER = "(in an earlier snapshot)"


class UnknownDocumentError(ValueError):
    """No document of the published run has this id."""


@dataclass(frozen=True)
class Cluster:
    """A survivor and what was removed for it: documents of each source, addresses of some, survivor first, and
    how the survivor's text begins (of the first one removed, where an earlier snapshot holds the survivor).
    """

    survivor_id: str
    size: int
    kinds: dict[str, int]
    sources: dict[str, int]
    urls: list[str]
    begins: str


@dataclass(frozen=True)
class Evidence:
    """A removed document beside its survivor.

    `removed` and `survivor` are rows of `documents`; the survivor is None where an earlier snapshot holds it,
    and with it the differences and the similarities of the texts, exact and estimated, that need both.
    `told` is the row of `duplicates`.
    """

    told: dict[str, Any]
    removed: dict[str, Any]
    survivor: dict[str, Any] | None
    exact: float | None
    estimated: float | None
    differences: Differences | None


def largest_clusters(root: str, n: int) -> list[Cluster]:
    """The `n` clusters with the most documents, larger first, then by survivor id."""
    duplicates = read_dataset(current(root, DUPLICATES.name), DUPLICATES)
    removed = Counter(duplicates["survivor_id"].to_pylist())
    chosen = sorted(removed, key=lambda survivor: (-removed[survivor], survivor))[:n]
    rows = duplicates.filter(pc.is_in(duplicates["survivor_id"], pa.array(chosen, pa.string())))
    members: dict[str, list[dict[str, Any]]] = {survivor: [] for survivor in chosen}
    for row in sorted(rows.to_pylist(), key=lambda row: row["doc_id"]):
        members[row["survivor_id"]].append(row)
    shown = [row["doc_id"] for found in members.values() for row in found[: URLS - 1]]
    wanted = [*chosen, *shown]
    rows_of_shown = find(current(root, DOCUMENTS.name), DOCUMENTS, ["doc_id", "url", "text"], wanted)
    known = {row["doc_id"]: row for row in rows_of_shown}
    return [_cluster(survivor, found, known) for survivor, found in members.items()]


def evidence(root: str, doc_id: str, most: int = REMOVED_SHOWN) -> list[Evidence]:
    """Why `doc_id` was removed, or the first `most` documents that were removed for it; nothing if neither.

    UnknownDocumentError where no document of the run and no duplicate's survivor has the id.
    """
    duplicates = read_dataset(current(root, DUPLICATES.name), DUPLICATES)
    told = duplicates.filter(pc.equal(duplicates["doc_id"], doc_id))
    if not len(told):
        told = duplicates.filter(pc.equal(duplicates["survivor_id"], doc_id)).sort_by("doc_id")
    documents = current(root, DOCUMENTS.name)
    if not len(told) and not find(documents, DOCUMENTS, ["doc_id"], [doc_id]):
        raise UnknownDocumentError(
            f"{documents.folder}: no document has the id '{doc_id}'; ids are 32 hex digits, "
            "see the column doc_id of 'documents' or 'decisions'"
        )
    rows = told.slice(0, most).to_pylist()
    wanted = sorted({row[name] for row in rows for name in ("doc_id", "survivor_id")})
    columns = ["doc_id", "source", "snapshot", "url", "n_words", "text"]
    found = {row["doc_id"]: row for row in find(documents, DOCUMENTS, columns, wanted)}
    return [_evidence(root, row, found) for row in rows]


def find(
    version: DatasetVersion, schema: DatasetSchema, columns: list[str], ids: Sequence[str]
) -> list[dict[str, Any]]:
    """The rows with these values of doc_id; ids that are not there are left out."""
    values = pa.array(sorted(set(ids)), pa.string())
    numbers, start = [], 0
    for shard in version.shards:
        column = read_shard(version.folder, shard, schema, ["doc_id"])["doc_id"]
        numbers.append(start + np.flatnonzero(np.asarray(pc.is_in(column, values))))
        start += len(column)
    wanted = np.concatenate([np.empty(0, dtype=np.int64), *numbers])
    rows: list[dict[str, Any]] = rows_of(version, schema, columns, wanted).to_pylist()
    return rows


def _cluster(survivor: str, members: list[dict[str, Any]], known: dict[str, Any]) -> Cluster:
    sources = Counter([members[0]["survivor_source"], *(row["source"] for row in members)])
    shown = [survivor, *(row["doc_id"] for row in members[: URLS - 1])]
    return Cluster(
        survivor_id=survivor,
        size=1 + len(members),
        kinds=dict(sorted(Counter(row["kind"] for row in members).items())),
        sources=dict(sorted(sources.items())),
        urls=[known[doc]["url"] if doc in known else EARLIER for doc in shown],
        begins=known[next(doc for doc in shown if doc in known)]["text"][:BEGINNING_CHARACTERS],
    )


def _evidence(root: str, told: dict[str, Any], found: dict[str, dict[str, Any]]) -> Evidence:
    removed, survivor = found[told["doc_id"]], found.get(told["survivor_id"])
    if survivor is None:
        return Evidence(told, removed, None, None, None, None)
    sketches = current(root, "sketches")
    minhash = MinHashConfig.model_validate(sketches.manifest["details"]["minhash"])
    sets = shingle_sets(shingles(pa.array([removed["text"], survivor["text"]]), minhash))
    first, second = np.array([0]), np.array([1])
    copy = told["kind"] == "exact"  # two texts without words share no shingle
    ids = [removed["doc_id"], survivor["doc_id"]]
    rows = find(sketches, schema_of(minhash), ["doc_id", "signature"], ids)
    signatures = signature_matrix(
        pa.array([row["signature"] for row in rows], pa.list_(pa.uint32(), minhash.num_perm))
    )
    return Evidence(
        told,
        removed,
        survivor,
        1.0 if copy else float(set_jaccard(sets, first, second)[0]),
        1.0 if copy else float(estimate(signatures, first, second)[0]),
        differences(removed["text"], survivor["text"]),
    )


def cluster_lines(clusters: Sequence[Cluster]) -> Iterator[str]:
    """The clusters as a markdown table."""
    header = ["documents", "survivor", "removed as", "sources", "addresses", "begins"]
    rows = [
        [
            cluster.size,
            cluster.survivor_id,
            _told(cluster.kinds),
            _told(cluster.sources),
            printable(" , ".join(cluster.urls)),
            printable(cluster.begins),
        ]
        for cluster in clusters
    ]
    yield markdown_rows(header, rows) if rows else "no document has a duplicate"


def evidence_lines(found: Evidence, width: int) -> Iterator[str]:
    """One removed document beside its survivor, for a terminal of `width` columns."""
    yield _named("removed ", found.removed)
    if found.survivor is None:
        yield f"survivor  {found.told['survivor_id']}  {found.told['survivor_source']}  {EARLIER}"
    else:
        yield _named("survivor", found.survivor)
    told = f"{found.told['kind']} duplicate, Jaccard {found.told['jaccard']:.4f} when it was decided"
    if found.exact is not None:
        told += f", {found.exact:.4f} of the texts, {found.estimated:.4f} by the signatures"
    yield f"{told}; {found.told['cluster_size']} documents in the cluster"
    if found.differences is None:
        return
    passages, equal, cut = found.differences
    yield f"equal lines: {equal}, differing passages: {len(passages)}"
    for passage in passages[:PASSAGES_SHOWN]:
        yield "-" * width
        yield from side_by_side(
            _shown(passage.before, passage.left), _shown(passage.before, passage.right), width
        )
    if cut or len(passages) > PASSAGES_SHOWN:
        yield f"... not all is shown: {PASSAGES_SHOWN} passages at most, and very long texts in part"


def _shown(before: str, passage: str) -> str:
    cut = passage[:PASSAGE_CHARACTERS] + ("…" if len(passage) > PASSAGE_CHARACTERS else "")
    return (f"… {before} " if before else "") + f"[{cut}]"


def _named(what: str, row: dict[str, Any]) -> str:
    snapshot = row["snapshot"] or "no date"
    url = printable(row["url"])
    return f"{what}  {row['doc_id']}  {row['source']}  {snapshot}  {row['n_words']:,} words  {url}"


def _told(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in counts.items())


def main(arguments: Sequence[str]) -> int:
    """The command; 1 where it could not answer."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.clusters", description=__doc__.splitlines()[0])
    parser.add_argument("doc_id", nargs="?", help="a removed document or a survivor (32 hex digits)")
    parser.add_argument("--largest", type=int, default=LARGEST, help="clusters to list, %(default)s")
    parser.add_argument(
        "--root", "--data", dest="root", default="", help="data root; else GRISTMILL_DATA, else ./data"
    )
    given = parser.parse_args(arguments)
    root = data_root(given.root)
    try:
        if given.doc_id is None:
            print(*cluster_lines(largest_clusters(root, given.largest)), sep="\n")
            return 0
        found = evidence(root, given.doc_id)
        if not found:
            print(f"{given.doc_id} has no duplicate in {root}")
        width = shutil.get_terminal_size((120, 40)).columns
        for each in found:
            print(*evidence_lines(each, width), "=" * width, sep="\n")
    except (DatasetError, UnknownDocumentError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
