"""Near-duplicates of any column of texts, in memory and without an engine: the method in one call.

>>> import pyarrow as pa
>>> from dedup.config import DedupConfig
>>> from dedup.minhash import MinHashConfig
>>> texts = pa.array(["one two three four five six", "seven", "one  two three four five six"])
>>> near_duplicates(texts, MinHashConfig(), DedupConfig()).survivor.tolist()
[0, 1, 0]
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dedup.components import components
from dedup.config import DedupConfig
from dedup.exact import exact_hashes
from dedup.lsh import NO_KEY, Pairs, band_keys, candidate_pairs, content_order, exact_keys
from dedup.minhash import MinHashConfig, shingles, signature_matrix_of
from dedup.removal import rights
from dedup.survivors import Links, Members, Verdicts, choose_survivors
from dedup.verify import verify_pairs
from text.buffers import Texts, as_texts
from text.words import count_words

Int64s = npt.NDArray[np.int64]


def near_duplicates(
    texts: Texts,
    minhash: MinHashConfig,
    config: DedupConfig,
    figures: Mapping[str, npt.NDArray[np.float64]] | None = None,
) -> Verdicts:
    """For each text the row that stays for it (its own if it stays), their similarity, the cluster's size.

    `figures` holds what `config.survivor_order` compares, one number a row; n_words need not be given, and a
    criterion without figures decides nothing. Of equal documents the first row stays. All texts are of one
    source: `scope`, `within` and `across` of the config have to be at their defaults, else a ValueError.
    """
    if config.scope != "all" or config.within is not None or config.across is not None:
        raise ValueError("texts alone have no sources: leave scope, within and across at their defaults")
    texts = as_texts(texts)
    texts = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    hashes = exact_hashes(texts)
    signatures = signature_matrix_of(shingles(texts, minhash), minhash)
    codes = np.asarray(hashes.dictionary_encode().indices).astype(np.int64)
    pairs = candidates(hashes, signatures, minhash, config.max_pairs_bucket)

    def similarity(left: Int64s, right: Int64s) -> npt.NDArray[np.float64]:
        def read(rows: Int64s) -> Any:
            return texts.take(pa.array(rows))

        return verify_pairs(left, right, signatures, codes, read, minhash, config.threshold).jaccard

    jaccard = similarity(pairs.left, pairs.right)
    similar = jaccard >= config.threshold
    links = Links(pairs.left[similar], pairs.right[similar], jaccard[similar])
    n = len(texts)
    given = {"n_words": count_words(texts).astype(np.float64)} | dict(figures or {})
    members = Members(
        component=components(links.left, links.right, n),
        source=np.zeros(n, dtype=np.int64),
        figures={order.by: given.get(order.by, np.zeros(n)) for order in config.survivor_order},
        doc_id=pa.array(np.arange(n)),
        exact_codes=codes,
        signatures=signatures,
    )
    return choose_survivors(members, links, similarity, rights([""], config), config)


def candidates(
    hashes: pa.StringArray, signatures: npt.NDArray[np.uint32], minhash: MinHashConfig, max_pairs_bucket: int
) -> Pairs:
    """Pairs of rows that share a bucket: what LSH proposes, before anything is verified."""
    keys = np.column_stack([band_keys(signatures, minhash), exact_keys(hashes)])
    row, _ = np.nonzero(keys != NO_KEY)
    order = content_order(hashes)
    return candidate_pairs(keys[keys != NO_KEY], order[row], row.astype(np.int64), max_pairs_bucket)
