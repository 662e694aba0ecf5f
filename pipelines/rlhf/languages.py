"""The language of a record's prompt, where its source names none."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.rlhf.decisions import Drops
from pipelines.rlhf.normalise import user_texts
from pipelines.rlhf.reasons import Reason
from pipelines.rlhf.reply_language import identified
from quality.language import UNDETERMINED

MIN_SCORE = 0.5


def with_languages(table: pa.Table) -> pa.Table:
    """A raw table whose null languages are filled from the user's words; null stays where these do not tell."""
    unknown = np.flatnonzero(np.asarray(pc.is_null(table["language"])))
    if not len(unknown):
        return table
    texts = user_texts(table["messages"].take(pa.array(unknown)), []).to_pylist()
    codes = [
        code if code != UNDETERMINED and score >= MIN_SCORE else None for code, score in identified(texts)
    ]
    filled = pc.replace_with_mask(
        table["language"].combine_chunks(),
        pc.is_null(table["language"]).combine_chunks(),
        pa.array(codes, pa.string()),
    )
    place = table.schema.get_field_index("language")
    return table.set_column(place, table.schema.field(place), filled)


def unwanted_languages(table: pa.Table, wanted: list[str]) -> Drops:
    """Rows of a raw table whose language is known and not among `wanted`; none where `wanted` is empty."""
    known = pc.is_valid(table["language"])
    other = pc.and_(known, pc.invert(pc.is_in(table["language"], value_set=pa.array(wanted, pa.string()))))
    rows = np.flatnonzero(np.asarray(other)) if wanted else np.empty(0, np.int64)
    codes = table["language"].combine_chunks().take(pa.array(rows))
    return Drops.of(rows, Reason.UNWANTED_LANGUAGE, evidence=codes)
