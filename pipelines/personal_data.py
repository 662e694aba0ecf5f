"""Personal data in the corpus: replaced or only told, in what is left of the documents when all else is done.

It comes last before tokenising: duplicates and benchmarks are looked for in the texts as they were, so that their
evidence and its offsets stay those of the documents, and nothing is searched that another step drops. Dropping
documents for what they hold is the selection's (`max_personal_data`), by counts among the signals.
"""

from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field

from pipelines.schemas import PERSONAL_DATA
from quality.pii import KINDS, Kind, Placeholders, apply
from text.words import count_words


class PersonalDataConfig(BaseModel):
    """What is done about personal data in the corpus."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Literal["off", "annotate", "replace"] = Field(
        default="off",
        description="replace: put placeholders; annotate: only list the places; off: do not look",
    )
    kinds: list[Kind] = Field(default=list(KINDS), description="kinds of personal data that count")
    placeholders: Placeholders = Field(default=Placeholders(), description="what replaces each kind")


def treat(corpus: pa.Table, config: PersonalDataConfig) -> tuple[pa.Table, pa.Table]:
    """Rows of schemas.CORPUS without their personal data, and what was found, in the form of PERSONAL_DATA.

    Bytes and words are counted anew where something was replaced. The places are those in the texts given back.
    """
    if config.mode == "off":
        return corpus, PERSONAL_DATA.schema.empty_table()
    replace = config.mode == "replace"
    applied = apply(corpus["text"], config.mode, config.kinds, config.placeholders)
    rows = applied.spans["row"].to_numpy()
    starts, ends = (applied.spans[name].to_numpy() for name in ("start", "end"))
    if replace:
        starts, ends = _moved(rows, starts, ends, applied.spans["kind"], config.placeholders)
    found = {
        "doc_id": corpus["doc_id"].take(pa.array(rows)),
        "source": corpus["source"].take(pa.array(rows)),
        "kind": applied.spans["kind"],
        "start": pa.array(starts),
        "end": pa.array(ends),
        "text": applied.spans["text"],
        "replaced": pa.array(np.full(len(rows), replace)),
    }
    treated = _recounted(corpus, applied.texts, np.unique(rows)) if replace and len(rows) else corpus
    return treated, PERSONAL_DATA.conform(pa.table(found), PERSONAL_DATA.name)


def _moved(
    rows: np.ndarray, starts: np.ndarray, ends: np.ndarray, kinds: pa.ChunkedArray, placeholders: Placeholders
) -> tuple[np.ndarray, np.ndarray]:
    """Where the placeholders stand: each find is moved by what those before it in its text grew."""
    masks = pa.array([len(getattr(placeholders, kind).encode()) for kind in KINDS], pa.int64())
    sizes = masks.take(pc.index_in(kinds, value_set=pa.array(KINDS, pa.string())).combine_chunks()).to_numpy()
    grown = np.concatenate([[0], np.cumsum(sizes - (ends - starts))])
    shift = grown[:-1] - grown[np.searchsorted(rows, rows)]
    return starts + shift, starts + shift + sizes


def _recounted(corpus: pa.Table, texts: pa.Array, touched: np.ndarray) -> pa.Table:
    n_words = corpus["n_words"].to_numpy().copy()
    n_words[touched] = count_words(texts.take(pa.array(touched)))
    fresh = {"text": texts, "n_bytes": pc.binary_length(texts).cast(pa.int64()), "n_words": pa.array(n_words)}
    return pa.table({name: fresh.get(name, corpus[name]) for name in corpus.column_names})
