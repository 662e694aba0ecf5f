"""Prompts that are nearly the same text: the corpus's own MinHash over what users wrote.

Below `min_words` words a prompt has too few shingles for a similarity to mean anything; such prompts are left
to the prefix rule, which compares them whole.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from dedup.config import DedupConfig
from dedup.exact import exact_hashes
from dedup.minhash import MinHashConfig, shingles, signature_matrix_of
from dedup.near import candidates, near_duplicates
from dedup.verify import verify_pairs
from pipelines.rlhf.decisions import Drops
from pipelines.rlhf.duplicates import replaced
from pipelines.rlhf.reasons import Reason
from text.words import count_words

Ints = npt.NDArray[np.int64]


class NearConfig(BaseModel):
    """How similar two prompts are that count as one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    threshold: float = Field(
        default=0.75,
        description="Jaccard similarity of the shingle sets, 0..1, from which prompts are duplicates",
        gt=0,
        le=1,
    )
    min_words: int = Field(default=8, description="words below which a prompt is not compared", ge=1)
    minhash: MinHashConfig = Field(
        default=MinHashConfig(), description="shingles, permutations and bands, as of the corpus"
    )


class Links(NamedTuple):
    """Pairs of rows that are near-duplicates, and their Jaccard similarity."""

    left: Ints
    right: Ints
    jaccard: npt.NDArray[np.float64]


def near_links(texts: pa.Array, config: NearConfig) -> Links:
    """All pairs of `texts` that the search proposes and that are similar; rows below `min_words` have none."""
    rows, distinct, _ = _distinct(texts, np.arange(len(texts)), config)
    if not len(rows):
        return Links(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    hashes = exact_hashes(distinct)
    signatures = signature_matrix_of(shingles(distinct, config.minhash), config.minhash)
    codes = np.asarray(hashes.dictionary_encode().indices).astype(np.int64)
    pairs = candidates(hashes, signatures, config.minhash, DedupConfig().max_pairs_bucket)

    def read(wanted: Ints) -> Any:
        return distinct.take(pa.array(wanted))

    jaccard = verify_pairs(
        pairs.left, pairs.right, signatures, codes, read, config.minhash, config.threshold
    ).jaccard
    similar = jaccard >= config.threshold
    return Links(rows[pairs.left[similar]], rows[pairs.right[similar]], jaccard[similar])


def near_duplicate_drops(
    texts: pa.Array, records: pa.Table, place: Ints, target: str, config: NearConfig, keep_conversations: bool
) -> Drops:
    """Prompts meant for the dataset `target` that go for a similar one: the earliest of a cluster stays, and
    whoever is not similar to it.

    `texts` are `normalise.user_texts`, `place` is `normalise.earliest`; which rows are no duplicates of each
    other says `pipelines.rlhf.duplicates`.
    """
    rows, distinct, group = _distinct(texts, place, config)
    if not len(rows):
        return Drops.of(rows, Reason.NEAR_DUPLICATE)
    # The texts are in order of time: the smaller row, which decides where nothing is preferred, is the earlier.
    dedup = DedupConfig(threshold=config.threshold, survivor_order=[])
    verdicts = near_duplicates(distinct, config.minhash, dedup)
    survivor = np.where(group >= 0, rows[verdicts.survivor[group]], np.arange(len(group)))
    gone, goes_for = replaced(records, survivor, place, target, keep_conversations)
    record_ids = records["record_id"].combine_chunks()
    return Drops.of(
        gone,
        Reason.NEAR_DUPLICATE,
        verdicts.jaccard[group[gone]],
        config.threshold,
        record_ids.take(pa.array(goes_for)),
    )


def _distinct(texts: pa.Array, place: Ints, config: NearConfig) -> tuple[Ints, pa.Array, Ints]:
    """The earliest row of each distinct long enough text in order of time, those texts, each row's number there.

    The number is -1 for rows that are not compared.
    """
    long_enough = np.flatnonzero(count_words(texts) >= config.min_words)
    order = long_enough[np.argsort(place[long_enough], kind="stable")]
    taken = texts.take(pa.array(order))
    codes = np.asarray(taken.dictionary_encode().indices).astype(np.int64)
    # Codes are given in order of first appearance.
    _, first = np.unique(codes, return_index=True)
    group = np.full(len(texts), -1, np.int64)
    group[order] = codes
    return order[first], taken.take(pa.array(first)), group
