"""Steps of pipelines.deduplication.deduplicate that know no engine: keys, comparing pairs, who stays, the table."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup.components import components
from dedup.config import SOURCE_RANK, DedupConfig, Scope
from dedup.lsh import NO_KEY, content_order, exact_keys, scoped_keys
from dedup.minhash import signature_matrix
from dedup.removal import rights
from dedup.survivors import Links, Members, choose_survivors
from dedup.verify import Similarities, verify_pairs
from pipelines.deduplication.document_rows import (
    NARROW_DOCUMENTS,
    DocumentRows,
    check_aligned,
    gather,
    whole_shard,
)
from pipelines.schemas import DOCUMENTS, DUPLICATES, SIGNALS, SKETCHES

Int64s = npt.NDArray[np.int64]
Float64s = npt.NDArray[np.float64]
Eligible = Callable[[str, pa.Table], npt.NDArray[np.bool_]]
Compare = Callable[[Int64s, Int64s], Float64s]


class Keys(NamedTuple):
    """Rows to be shuffled: bucket key, content order and packed location of a document, int64 each."""

    key: Int64s
    order: Int64s
    place: Int64s


class Judged(NamedTuple):
    """Removed documents and their survivors at packed locations, and what schemas.DUPLICATES says of them."""

    removed: Int64s
    survivor: Int64s
    jaccard: Float64s
    exact: npt.NDArray[np.bool_]
    cluster_size: Int64s


def shard_keys(rows: DocumentRows, shard: int, eligible: Eligible, scope: Scope) -> Keys:
    """What step 1 yields for one shard; AlignmentError where the three datasets do not fit each other."""
    documents = rows.read(DOCUMENTS.name, shard, NARROW_DOCUMENTS)
    signals = rows.read(SIGNALS.name, shard, ["doc_id", "language"])
    sketches = rows.read(SKETCHES, shard, ["doc_id", "exact_hash", "band_keys"])
    tables = {DOCUMENTS.name: documents, SIGNALS.name: signals, SKETCHES: sketches}
    check_aligned(rows, shard, {name: table.column("doc_id") for name, table in tables.items()})
    chosen = np.flatnonzero(
        _selection(eligible(rows.shards[shard], documents), len(documents), rows.shards[shard])
    )
    bands = sketches.column("band_keys").combine_chunks()
    keys = np.column_stack(
        [
            np.asarray(bands.flatten()).reshape(len(documents), bands.type.list_size),
            exact_keys(sketches.column("exact_hash")),
        ]
    )
    if scope != "all":
        keys = scoped_keys(keys, (signals if scope == "language" else documents).column(scope))
    keys = keys[chosen]
    document, _ = np.nonzero(keys != NO_KEY)
    order = content_order(documents.column("doc_id"))[chosen]
    place = whole_shard(shard, len(documents))[chosen]
    return Keys(keys[keys != NO_KEY], order[document], place[document])


def compare(rows: DocumentRows, left: Int64s, right: Int64s, threshold: float) -> Similarities:
    """Similarities of the documents at the packed locations left[i] and right[i]."""
    places, positions = np.unique(np.concatenate([left, right]), return_inverse=True)
    sketches = gather(rows, SKETCHES, ["exact_hash", "signature"], places)

    def read_texts(wanted: Int64s) -> pa.ChunkedArray:
        return gather(rows, DOCUMENTS.name, ["text"], places[wanted]).column("text")

    return verify_pairs(
        positions[: len(left)],
        positions[len(left) :],
        signature_matrix(sketches.column("signature")),
        _codes(sketches.column("exact_hash")),
        read_texts,
        rows.minhash,
        threshold,
    )


def judge(
    rows: DocumentRows,
    links: Links,
    compare_again: Compare,
    source_ranks: Mapping[str, int],
    config: DedupConfig,
) -> Judged:
    """Components and survivors of the similar pairs at packed locations, in the order of the removed."""
    places, positions = np.unique(np.concatenate([links.left, links.right]), return_inverse=True)
    near = Links(positions[: len(links.left)], positions[len(links.left) :], links.jaccard)
    documents, signals = _columns_for(rows, places, config)
    near = _within_scope(near, documents, signals, config.scope)
    sources = documents.column("source")
    sketches = gather(rows, SKETCHES, ["exact_hash", "signature"], places)
    members = Members(
        component=components(near.left, near.right, len(places)),
        source=_numbers(sources, {source: i for i, source in enumerate(sorted(source_ranks))}),
        figures=_figures(documents, signals, _numbers(sources, source_ranks), config),
        doc_id=documents.column("doc_id"),
        exact_codes=_codes(sketches.column("exact_hash")),
        signatures=signature_matrix(sketches.column("signature")),
    )

    def measure(left: Int64s, right: Int64s) -> Float64s:
        return compare_again(places[left], places[right])

    allowed = rights(sorted(source_ranks), config)
    verdicts = choose_survivors(members, near, measure, allowed, config)
    gone = np.flatnonzero(verdicts.survivor != np.arange(len(places)))
    return Judged(
        places[gone],
        places[verdicts.survivor[gone]],
        verdicts.jaccard[gone],
        verdicts.exact[gone],
        verdicts.cluster_size[gone].astype(np.int64),
    )


def duplicates_table(rows: DocumentRows, judged: Judged) -> pa.Table:
    """The dataset `duplicates`, sorted by doc_id."""
    places, positions = np.unique(np.concatenate([judged.removed, judged.survivor]), return_inverse=True)
    documents = gather(rows, DOCUMENTS.name, ["doc_id", "source"], places)
    gone = documents.take(pa.array(positions[: len(judged.removed)]))
    stays = documents.take(pa.array(positions[len(judged.removed) :]))
    table = pa.table(
        {
            "doc_id": gone.column("doc_id"),
            "source": gone.column("source"),
            "survivor_id": stays.column("doc_id"),
            "survivor_source": stays.column("source"),
            "kind": pa.array(np.where(judged.exact, "exact", "near").tolist(), pa.string()),
            "jaccard": pa.array(judged.jaccard.astype(np.float32)),
            "cluster_size": pa.array(judged.cluster_size),
        }
    )
    return DUPLICATES.conform(table.sort_by("doc_id"), "duplicates")


def check_policy(source_ranks: Mapping[str, int], config: DedupConfig) -> None:
    """Raise ValueError, before any work, where the config names a column or source that is not there."""
    rights(sorted(source_ranks), config)
    fields = {field.name: field.type for field in [*SIGNALS.schema, *DOCUMENTS.schema]}
    ordered = [
        name
        for name, kind in fields.items()
        if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_timestamp(kind)
    ]
    for i, preference in enumerate(config.survivor_order):
        if preference.by not in (SOURCE_RANK, *ordered):
            raise ValueError(
                f"dedup.survivor_order[{i}].by: '{preference.by}' is no number or time of a document; give "
                f"one of {[SOURCE_RANK, *sorted(ordered)]}"
            )


def _columns_for(rows: DocumentRows, places: Int64s, config: DedupConfig) -> tuple[pa.Table, pa.Table]:
    """Of documents and signals, the columns that scope and survivor policy ask for."""
    wanted = {"doc_id", "source", config.scope, *(preference.by for preference in config.survivor_order)}
    return (
        gather(rows, DOCUMENTS.name, sorted(wanted & set(DOCUMENTS.schema.names)), places),
        gather(rows, SIGNALS.name, sorted(wanted & set(SIGNALS.schema.names)), places),
    )


def _within_scope(links: Links, documents: pa.Table, signals: pa.Table, scope: Scope) -> Links:
    """Links of one scope. Keys keep scopes apart but for a chance of 2**-64; here it is none."""
    if scope == "all":
        return links
    codes = _codes((signals if scope == "language" else documents).column(scope))
    same = codes[links.left] == codes[links.right]
    return Links(*(column[same] for column in links))


def _figures(
    documents: pa.Table, signals: pa.Table, ranks: Int64s, config: DedupConfig
) -> dict[str, Float64s]:
    figures: dict[str, Float64s] = {}
    for preference in config.survivor_order:
        name = preference.by
        if name == SOURCE_RANK:
            figures[name] = ranks.astype(np.float64)
            continue
        column = (documents if name in documents.column_names else signals).column(name)
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.int64())
        # Milliseconds since 1970 and counts stay below 2**53: float64 holds them exactly.
        figures[name] = column.cast(pa.float64()).fill_null(np.nan).to_numpy()
    return figures


def _selection(chosen: npt.NDArray[np.bool_], n: int, shard: str) -> npt.NDArray[np.bool_]:
    chosen = np.asarray(chosen)
    if chosen.dtype != np.bool_ or chosen.shape != (n,):
        raise ValueError(
            f"{shard}: the selection gave {chosen.dtype}{list(chosen.shape)}, expected bool[{n}]"
        )
    return chosen


def _numbers(sources: pa.ChunkedArray, numbers: Mapping[str, int]) -> Int64s:
    """The number of each row's source."""
    coded = sources.combine_chunks().dictionary_encode()
    names = coded.dictionary.to_pylist()
    unknown = [name for name in names if name not in numbers]
    if unknown:
        raise ValueError(f"source '{unknown[0]}' has no rank; ranks are given for {sorted(numbers)}")
    table = np.array([numbers[name] for name in names], dtype=np.int64)
    return table[np.asarray(coded.indices)] if len(coded) else np.empty(0, dtype=np.int64)


def _codes(column: pa.ChunkedArray) -> Int64s:
    """Numbers that are equal where the values are."""
    return np.asarray(column.combine_chunks().dictionary_encode().indices).astype(np.int64)
