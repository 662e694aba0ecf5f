"""Which documents the models of `pipelines.perplexity` are trained and cut on: a draw by id, not by place."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.engine.dataset import iter_shard, read_shard
from pipelines.schemas import DOCUMENTS
from text.hashing import uniform

CRAWL_ROLE = "crawl"
_PURPOSE = "perplexity sample"


class Sample(NamedTuple):
    """Documents by ascending draw: doc_id, source, n_words (of what was read at most), draw, and their texts."""

    rows: pa.Table
    texts: pa.ChunkedArray


def draw(
    documents: str,
    shards: Sequence[str],
    sources: Mapping[str, int],
    unit: str,
    max_characters: int,
    seed: int,
) -> Sample:
    """Of each source the documents with the smallest draws, until they have `sources[source]` of `unit`.

    `unit` is words or documents. Documents without words are left out, an id is taken once, and of a text the first
    `max_characters` are read. Memory: ids and draws of what is chosen and of one shard, one row group, and the texts.
    """
    chosen: pa.Table | None = None
    for number, shard in enumerate(shards):
        fresh = _candidates(documents, shard, number, list(sources), max_characters, seed)
        merged = fresh if chosen is None else pa.concat_tables([chosen, fresh])
        chosen = _smallest(merged, sources, unit)
    if chosen is None:
        raise ValueError(f"{documents}: the documents dataset has no shards to train language models on")
    texts = _read(documents, shards, chosen, max_characters)
    order = pc.sort_indices(chosen, sort_keys=[("draw", "ascending"), ("doc_id", "ascending")])
    return Sample(chosen.take(order).drop_columns(["shard", "row"]), texts.take(order))


def _candidates(
    documents: str, shard: str, number: int, sources: list[str], max_characters: int, seed: int
) -> pa.Table:
    table = read_shard(documents, shard, DOCUMENTS, ["doc_id", "source", "n_words"])
    wanted = pc.is_in(table["source"], value_set=pa.array(sources, pa.string()))
    mask = pc.and_(wanted, pc.greater(table["n_words"], 0))
    rows = pa.array(np.arange(table.num_rows, dtype=np.int64))
    table = table.append_column("row", rows).filter(mask)
    read = pc.min_element_wise(table["n_words"], pa.scalar(max_characters, pa.int64()))
    return pa.table(
        {
            "doc_id": table["doc_id"],
            "source": table["source"],
            "n_words": read,
            "draw": uniform(table["doc_id"], seed, _PURPOSE),
            "shard": np.full(table.num_rows, number, np.int32),
            "row": table["row"],
        }
    )


def _smallest(table: pa.Table, sources: Mapping[str, int], unit: str) -> pa.Table:
    """Of each source the first rows by draw before the limit is reached, by shard and row; an id once."""
    order = [("draw", "ascending"), ("doc_id", "ascending"), ("shard", "ascending"), ("row", "ascending")]
    parts = []
    for source, limit in sorted(sources.items()):
        ranked = table.filter(pc.equal(table["source"], source)).sort_by(order)
        ids = ranked["doc_id"].combine_chunks()
        fresh = np.ones(len(ids), np.bool_)
        fresh[1:] = np.asarray(pc.not_equal(ids[1:], ids[:-1]))
        ranked = ranked.filter(pa.array(fresh))
        sizes = ranked["n_words"].to_numpy() if unit == "words" else np.ones(ranked.num_rows, np.int64)
        parts.append(ranked.slice(0, int(np.searchsorted(np.cumsum(sizes) - sizes, limit))))
    merged = pa.concat_tables([table.schema.empty_table(), *parts])
    return merged.sort_by([("shard", "ascending"), ("row", "ascending")])


def _read(documents: str, shards: Sequence[str], chosen: pa.Table, max_characters: int) -> pa.ChunkedArray:
    """The beginnings of the chosen texts, in the order of `chosen` (by shard and row)."""
    numbers, rows = chosen["shard"].to_numpy(), chosen["row"].to_numpy()
    chunks: list[pa.Array] = []
    for number in np.unique(numbers):
        wanted = rows[numbers == number]
        first = 0
        for group in iter_shard(documents, shards[number], DOCUMENTS, ["text"]):
            inside = wanted[(wanted >= first) & (wanted < first + group.num_rows)] - first
            first += group.num_rows
            if len(inside):
                texts = group["text"].take(pa.array(inside)).cast(pa.large_string())
                chunks += pc.utf8_slice_codeunits(texts, 0, max_characters).chunks
    return pa.chunked_array(chunks, pa.large_string())
