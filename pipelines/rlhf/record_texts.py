"""Every text of every record, each with its record: what is searched for personal data and benchmarks."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.rlhf.normalise import turns

Ints = npt.NDArray[np.int64]


class RecordTexts(NamedTuple):
    """Texts, the record of each, and whether it is part of the prompt; a record's texts stand in order."""

    texts: pa.LargeStringArray
    record: Ints
    in_prompt: npt.NDArray[np.bool_]


def record_texts(prompts: pa.ChunkedArray | pa.Array, answers: pa.ChunkedArray | pa.Array) -> RecordTexts:
    """The turns of each prompt (MESSAGES), then the answers (row-aligned lists of texts)."""
    flat = turns(prompts)
    whole = answers.combine_chunks() if isinstance(answers, pa.ChunkedArray) else answers
    counts = np.asarray(pc.list_value_length(whole)).astype(np.int64)
    texts = pa.concat_arrays([flat.contents, whole.flatten().cast(pa.large_string())])
    record = np.concatenate([flat.dialogue, np.repeat(np.arange(len(whole)), counts)]).astype(np.int64)
    order = np.argsort(record, kind="stable")
    return RecordTexts(texts.take(pa.array(order)), record[order], order < len(flat.contents))
