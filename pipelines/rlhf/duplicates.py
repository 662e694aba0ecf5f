"""Which rows go for the row that stands for them, once a rule has said which prompts are alike.

Judgements of one prompt (the user's words are the same from first to last) are several opinions on it and none is
a duplicate of another. Records of one
conversation (equal `root_id`) are its turns: they begin alike because they are one, so they stay as well in
`sft` and `comparisons`, unless `keep_conversations` is off; a second demonstration of the same prompt goes. Of
`prompts` every row but one goes.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.rlhf.schemas import COMPARISONS, SFT

Ints = npt.NDArray[np.int64]


def survivors(keys: npt.NDArray[np.uint64], place: Ints) -> Ints:
    """For each row the row of its key that stays: the one of the smallest `place`; itself where the key is 0."""
    order = np.lexsort([place, keys])
    ordered = keys[order]
    opens = np.ones(len(order), np.bool_)
    opens[1:] = (ordered[1:] != ordered[:-1]) | (ordered[1:] == 0)
    survivor = np.empty(len(order), np.int64)
    survivor[order] = order[np.flatnonzero(opens)][np.cumsum(opens) - 1]
    return survivor


def replaced(
    records: pa.Table, survivor: Ints, place: Ints, target: str, keep_conversations: bool
) -> tuple[Ints, Ints]:
    """Rows that go and the row that each goes for, of `records` (normalise.RECORDS, words_key) meant for `target`.

    `survivor[i]` is the row that a rule lets stand for row i, the earliest by `place` of its group.
    """
    prompt = records["words_key"].to_numpy().astype(np.uint64)
    root = codes(records["root_id"])
    itself = np.arange(records.num_rows)
    stays = survivor == itself
    one_conversation = (root >= 0) & (root == root[survivor]) & keep_conversations
    goes_for = survivor
    if target == COMPARISONS.name:
        stays |= one_conversation | ((prompt == prompt[survivor]) & (prompt != 0))
    elif target == SFT.name:
        first = survivors(prompt, place)
        stays |= one_conversation & (first == itself)
        goes_for = np.where(one_conversation, first, survivor)
    rows = np.flatnonzero(~stays)
    return rows, goes_for[rows]


def codes(column: pa.ChunkedArray) -> Ints:
    """A number per distinct value, -1 for null."""
    indices = column.combine_chunks().dictionary_encode().indices
    return np.asarray(pc.fill_null(indices.cast(pa.int64()), -1))
