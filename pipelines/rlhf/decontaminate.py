"""Records that hold a benchmark's n-gram are dropped whole: a dialogue cut in the middle is no example.

The n-grams are those of the corpus (`pipelines.decontamination`). An n-gram that more than `max_documents`
different prompts or answers hold is a common phrase and ignored, as for the corpus; one text that stands in many
records counts once, or a benchmark question asked often enough would pass for a phrase.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.decontaminate import CUT, Decontaminator
from pipelines.rlhf.decisions import Drops
from pipelines.rlhf.reasons import Reason
from pipelines.rlhf.record_texts import RecordTexts


def contaminated(found: RecordTexts, decontaminator: Decontaminator) -> Drops:
    """Records with a benchmark n-gram in any of their texts: how many places, and the first of them."""
    distinct = found.texts.dictionary_encode()
    texts = distinct.dictionary
    evidence = decontaminator.apply(texts, decontaminator.count(texts)).evidence
    cut = evidence.filter(pc.equal(evidence["action"], CUT))
    if not cut.num_rows:
        return Drops.of(np.empty(0, np.int64), Reason.CONTAMINATED)
    # The first hit of each text, by place.
    row = cut["row"].to_numpy()
    held, first, hits = np.unique(row, return_index=True, return_counts=True)
    hit_of = np.full(len(texts), -1, np.int64)
    hit_of[held] = np.arange(len(held))
    of_text = hit_of[np.asarray(distinct.indices)]
    where = np.flatnonzero(of_text >= 0)
    records, opening = np.unique(found.record[where], return_index=True)
    figures = np.bincount(found.record[where], weights=hits[of_text[where]])[records]
    shown = cut.take(pa.array(first[of_text[where[opening]]]))
    text = pc.binary_join_element_wise(shown["benchmark"], shown["gram"], ": ")
    return Drops.of(records, Reason.CONTAMINATED, figures, 0.0, text.combine_chunks())
