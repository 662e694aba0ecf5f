"""Steps of pipelines.deduplicate that know no engine: a shard's keys, comparing pairs, the final table."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup.components import components
from dedup.config import DedupConfig
from dedup.lsh import NO_KEY, content_order, exact_keys
from dedup.minhash import MinHashConfig, signature_matrix
from dedup.survivors import Links, Members, Verdicts, choose_survivors
from dedup.verify import Similarities, verify_pairs
from pipelines.document_rows import (
    NARROW_DOCUMENTS,
    DocumentRows,
    check_aligned,
    gather,
    whole_shard,
)
from pipelines.schemas import DOCUMENTS, DUPLICATES, SIGNALS, SKETCHES

Int64s = npt.NDArray[np.int64]
Eligible = Callable[[str, pa.Table], npt.NDArray[np.bool_]]
Compare = Callable[[Int64s, Int64s], npt.NDArray[np.float64]]


class Keys(NamedTuple):
    """Rows to be shuffled: bucket key, content order and packed location of a document, int64 each."""

    key: Int64s
    order: Int64s
    place: Int64s


def shard_keys(rows: DocumentRows, shard: int, eligible: Eligible) -> Keys:
    """What step 1 yields for one shard; AlignmentError where the three datasets do not fit each other."""
    documents = rows.read(DOCUMENTS.name, shard, NARROW_DOCUMENTS)
    signals = rows.read(SIGNALS.name, shard, ["doc_id"])
    sketches = rows.read(SKETCHES.name, shard, ["doc_id", "exact_hash", "band_keys"])
    tables = {DOCUMENTS.name: documents, SIGNALS.name: signals, SKETCHES.name: sketches}
    check_aligned(rows, shard, {name: table.column("doc_id") for name, table in tables.items()})
    chosen = np.flatnonzero(
        _selection(eligible(rows.shards[shard], documents), len(documents), rows.shards[shard])
    )
    bands = sketches.column("band_keys").combine_chunks()
    keys = np.column_stack(
        [
            np.asarray(bands.flatten()).reshape(len(documents), bands.type.list_size)[chosen],
            exact_keys(sketches.column("exact_hash"))[chosen],
        ]
    )
    document, _ = np.nonzero(keys != NO_KEY)
    order = content_order(documents.column("doc_id"))[chosen]
    place = whole_shard(shard, len(documents))[chosen]
    return Keys(keys[keys != NO_KEY], order[document], place[document])


def compare(
    rows: DocumentRows, left: Int64s, right: Int64s, minhash: MinHashConfig, threshold: float
) -> Similarities:
    """Similarities of the documents at the packed locations left[i] and right[i]."""
    places, positions = np.unique(np.concatenate([left, right]), return_inverse=True)
    sketches = gather(rows, SKETCHES.name, ["exact_hash", "signature"], places)

    def read_texts(wanted: Int64s) -> pa.ChunkedArray:
        return gather(rows, DOCUMENTS.name, ["text"], places[wanted]).column("text")

    return verify_pairs(
        positions[: len(left)],
        positions[len(left) :],
        signature_matrix(sketches.column("signature")),
        _codes(sketches.column("exact_hash")),
        read_texts,
        minhash,
        threshold,
    )


def resolve(
    rows: DocumentRows,
    links: Links,
    compare_again: Compare,
    source_ranks: Mapping[str, int],
    config: DedupConfig,
) -> pa.Table:
    """Components and survivors of the similar pairs at packed locations, as the dataset `duplicates`."""
    places, positions = np.unique(np.concatenate([links.left, links.right]), return_inverse=True)
    near = Links(positions[: len(links.left)], positions[len(links.left) :], links.jaccard)
    labels = components(near.left, near.right, len(places))
    documents = gather(rows, DOCUMENTS.name, ["doc_id", "source", "n_words"], places)
    members = _members(rows, places, documents, labels, source_ranks)

    def measure(left: Int64s, right: Int64s) -> npt.NDArray[np.float64]:
        return compare_again(places[left], places[right])

    return _table(documents, choose_survivors(members, near, measure, config))


def _members(
    rows: DocumentRows, places: Int64s, documents: pa.Table, labels: Int64s, source_ranks: Mapping[str, int]
) -> Members:
    sketches = gather(rows, SKETCHES.name, ["exact_hash", "signature"], places)
    signals = gather(rows, SIGNALS.name, ["quality_score"], places)
    return Members(
        component=labels,
        source_rank=_ranks(documents.column("source"), source_ranks),
        quality=np.asarray(signals.column("quality_score"), dtype=np.float64),
        length=np.asarray(documents.column("n_words"), dtype=np.int64),
        doc_id=documents.column("doc_id"),
        exact_codes=_codes(sketches.column("exact_hash")),
        signatures=signature_matrix(sketches.column("signature")),
    )


def _table(documents: pa.Table, verdicts: Verdicts) -> pa.Table:
    removed = np.flatnonzero(verdicts.survivor != np.arange(len(verdicts.survivor)))
    gone = documents.take(pa.array(removed))
    stays = documents.take(pa.array(verdicts.survivor[removed]))
    table = pa.table(
        {
            "doc_id": gone.column("doc_id"),
            "source": gone.column("source"),
            "survivor_id": stays.column("doc_id"),
            "survivor_source": stays.column("source"),
            "kind": pa.array(np.where(verdicts.exact[removed], "exact", "near").tolist(), pa.string()),
            "jaccard": pa.array(verdicts.jaccard[removed].astype(np.float32)),
            "cluster_size": pa.array(verdicts.cluster_size[removed].astype(np.int64)),
        }
    )
    return DUPLICATES.conform(table.sort_by("doc_id"), "duplicates")


def _selection(chosen: npt.NDArray[np.bool_], n: int, shard: str) -> npt.NDArray[np.bool_]:
    chosen = np.asarray(chosen)
    if chosen.dtype != np.bool_ or chosen.shape != (n,):
        raise ValueError(
            f"{shard}: the selection gave {chosen.dtype}{list(chosen.shape)}, expected bool[{n}]"
        )
    return chosen


def _ranks(sources: pa.ChunkedArray, source_ranks: Mapping[str, int]) -> Int64s:
    coded = sources.combine_chunks().dictionary_encode()
    unknown = [name for name in coded.dictionary.to_pylist() if name not in source_ranks]
    if unknown:
        raise ValueError(f"source '{unknown[0]}' has no rank; ranks are given for {sorted(source_ranks)}")
    ranks = np.array([source_ranks[name] for name in coded.dictionary.to_pylist()], dtype=np.int64)
    return ranks[np.asarray(coded.indices)] if len(coded) else np.empty(0, dtype=np.int64)


def _codes(exact_hashes: pa.ChunkedArray) -> Int64s:
    """Numbers that are equal where the hashes are."""
    return np.asarray(exact_hashes.combine_chunks().dictionary_encode().indices).astype(np.int64)
