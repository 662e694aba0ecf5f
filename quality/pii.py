"""Personal data in texts: where it stands, and texts without it.

Found are e-mail addresses, public IP addresses, phone numbers, Chinese identity and mobile numbers, payment cards
and labelled US social security numbers. Precision comes first: a form that is as often a date, a price or a
product's number is left alone (each kind says in `quality.pii_kinds` what it asks for). Names and postal addresses
are not looked for.

One pass over the bytes stops at digits and at @ and looks a bounded way to both sides, so that the time grows
with the size of the text whatever it holds. Overlaps do not occur: what is found first, from the left, stands;
an e-mail address wins over a number inside it. `kinds` chooses among the finds and changes none of them.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from quality.pii_kinds.phones import LABEL_BOUNDS, LABEL_TEXT
from quality.pii_kinds.search import search
from text.buffers import Texts, as_texts, text_buffer
from text.jit import kernel
from text.unicode_classes import word_table
from text.words import Bytes, Positions

Kind = Literal["email", "ip", "phone", "zh_id", "zh_mobile", "credit_card", "us_ssn"]
Mode = Literal["replace", "drop", "annotate"]

KINDS: tuple[Kind, ...] = get_args(Kind)  # in the order of pii_kinds.search's codes
VERSION = 1
SPANS = pa.schema(
    [
        pa.field("row", pa.int64(), False),
        pa.field("kind", pa.string(), False),
        pa.field("start", pa.int64(), False),
        pa.field("end", pa.int64(), False),
        pa.field("text", pa.string(), False),
    ]
)
_PLACEHOLDER = r"^[<\[][A-Z_]{1,30}[>\]]$"


class Placeholders(BaseModel):
    """What stands in a text where something personal stood: capitals and underscores in <> or []."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    email: str = Field(default="<EMAIL>", description="in place of an e-mail address", pattern=_PLACEHOLDER)
    ip: str = Field(default="<IP_ADDRESS>", description="in place of an IP address", pattern=_PLACEHOLDER)
    phone: str = Field(default="<PHONE>", description="in place of a phone number", pattern=_PLACEHOLDER)
    zh_id: str = Field(
        default="<ID_NUMBER>", description="in place of a Chinese identity number", pattern=_PLACEHOLDER
    )
    zh_mobile: str = Field(
        default="<PHONE>", description="in place of a Chinese mobile number", pattern=_PLACEHOLDER
    )
    credit_card: str = Field(
        default="<CREDIT_CARD>", description="in place of a payment card's number", pattern=_PLACEHOLDER
    )
    us_ssn: str = Field(
        default="<SSN>", description="in place of a US social security number", pattern=_PLACEHOLDER
    )


class PiiConfig(BaseModel):
    """What is done about personal data."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Literal["off", "annotate", "replace", "drop"] = Field(
        default="off",
        description="annotate: count; replace: put placeholders; drop: drop the documents; off: do not look",
    )
    kinds: list[Kind] = Field(default=list(KINDS), description="kinds of personal data that count")
    placeholders: Placeholders = Field(default=Placeholders(), description="what replaces each kind")


class Applied(NamedTuple):
    """Texts after `apply`, row-aligned with the input; `spans` are the finds in the input, as from `find`.

    `keep` is False for the rows that mode drop takes; their texts stay as they were.
    """

    texts: pa.Array
    keep: pa.BooleanArray
    spans: pa.Table


class _Spans(NamedTuple):
    rows: npt.NDArray[np.int64]
    kinds: npt.NDArray[np.int64]
    starts: Positions  # in the whole buffer
    ends: Positions


def find(texts: Texts, kinds: Sequence[Kind] | None = None) -> pa.Table:
    """Personal data of the `kinds` (None: all), ordered by row and place: a table in the form of SPANS.

    `start` and `end` are byte offsets in the row's UTF-8 text; `text` is what stands there. ValueError for a null
    text or an unknown kind.
    """
    data, offsets = text_buffer(texts)
    return _table(_search(data, offsets, _codes(kinds)), data, offsets)


def apply(
    texts: Texts, mode: Mode, kinds: Sequence[Kind] | None = None, placeholders: Placeholders | None = None
) -> Applied:
    """Replace personal data, or say which rows to drop, or only tell (annotate); see `Applied`.

    Applied to its own result it changes nothing more. The texts come back as large_string, or as string
    where they came so. ValueError as in `find`, and for an unknown mode.
    """
    if mode not in get_args(Mode):
        raise ValueError(f"mode is '{mode}', expected one of {list(get_args(Mode))}")
    array = as_texts(texts)
    kind = pa.string() if array.type == pa.string() else pa.large_string()
    data, offsets = text_buffer(array)
    spans = _search(data, offsets, _codes(kinds))
    table = _table(spans, data, offsets)
    keep = np.ones(len(offsets) - 1, np.bool_)
    if mode == "drop":
        keep[spans.rows] = False
    if mode == "replace":
        result = _replaced(data, offsets, spans, placeholders or Placeholders())
    else:
        result = pa.LargeStringArray.from_buffers(len(offsets) - 1, pa.py_buffer(offsets), pa.py_buffer(data))
    return Applied(result.cast(kind), pa.array(keep), table)


def counts(spans: pa.Table, rows: int) -> pa.RecordBatch:
    """Finds of each kind in each of `rows` rows: int32 columns pii_email_v1, pii_ip_v1, … in the order of KINDS."""
    names = np.asarray(spans["kind"].to_numpy())
    places = spans["row"].to_numpy()
    columns = [np.bincount(places[names == kind], minlength=rows).astype(np.int32) for kind in KINDS]
    return pa.record_batch([pa.array(column) for column in columns], names=signal_names())


def signal_names() -> list[str]:
    """Names of the columns of `counts`."""
    return [f"pii_{kind}_v{VERSION}" for kind in KINDS]


def _codes(kinds: Sequence[Kind] | None) -> npt.NDArray[np.bool_]:
    chosen = KINDS if kinds is None else kinds
    unknown = [kind for kind in chosen if kind not in KINDS]
    if unknown:
        raise ValueError(f"unknown kinds {unknown}, expected some of {list(KINDS)}")
    return np.array([kind in chosen for kind in KINDS])


def _search(data: Bytes, offsets: Positions, wanted: npt.NDArray[np.bool_]) -> _Spans:
    return _Spans(*search(data, offsets, wanted, word_table(), LABEL_TEXT, LABEL_BOUNDS))


def _table(spans: _Spans, data: Bytes, offsets: Positions) -> pa.Table:
    pieces = _gathered(data, spans.starts, spans.ends)
    origins = offsets[spans.rows]
    names = pa.array(KINDS, pa.string()).take(pa.array(spans.kinds))
    columns = [
        pa.array(spans.rows),
        names,
        pa.array(spans.starts - origins),
        pa.array(spans.ends - origins),
        pieces,
    ]
    return pa.Table.from_arrays(columns, schema=SPANS)


def _gathered(data: Bytes, starts: Positions, ends: Positions) -> pa.Array:
    offsets = np.zeros(len(starts) + 1, np.int64)
    np.cumsum(ends - starts, out=offsets[1:])
    pieces = np.empty(offsets[-1], np.uint8)
    _gather(data, starts, offsets, pieces)
    array = pa.LargeStringArray.from_buffers(len(starts), pa.py_buffer(offsets), pa.py_buffer(pieces))
    return array.cast(pa.string())


def _replaced(
    data: Bytes, offsets: Positions, spans: _Spans, placeholders: Placeholders
) -> pa.LargeStringArray:
    masks = [getattr(placeholders, kind).encode() for kind in KINDS]
    sizes = np.array([len(mask) for mask in masks], np.int64)
    grown = np.zeros(len(offsets) - 1, np.int64)
    np.add.at(grown, spans.rows, sizes[spans.kinds] - (spans.ends - spans.starts))
    fresh = np.zeros(len(offsets), np.int64)
    np.cumsum(np.diff(offsets) + grown, out=fresh[1:])
    result = np.empty(fresh[-1], np.uint8)
    bounds = np.concatenate([[0], np.cumsum(sizes)])
    _replace(
        data, spans.kinds, spans.starts, spans.ends, np.frombuffer(b"".join(masks), np.uint8), bounds, result
    )
    return pa.LargeStringArray.from_buffers(len(offsets) - 1, pa.py_buffer(fresh), pa.py_buffer(result))


@kernel
def _gather(data: Bytes, starts: Positions, offsets: Positions, pieces: Bytes) -> None:
    for i in range(len(starts)):
        size = offsets[i + 1] - offsets[i]
        pieces[offsets[i] : offsets[i + 1]] = data[starts[i] : starts[i] + size]


@kernel
def _replace(
    data: Bytes,
    kinds: Positions,
    starts: Positions,
    ends: Positions,
    masks: Bytes,
    bounds: Positions,
    result: Bytes,
) -> None:
    read = written = 0
    for i in range(len(starts)):
        size = starts[i] - read
        result[written : written + size] = data[read : starts[i]]
        written += size
        first, stop = bounds[kinds[i]], bounds[kinds[i] + 1]
        result[written : written + stop - first] = masks[first:stop]
        written += stop - first
        read = ends[i]
    result[written:] = data[read:]
