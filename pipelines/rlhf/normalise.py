"""Raw tables as one table of records, prompts as ids, and the text of a prompt that the rules compare.

Messages are flattened to arrays of turns first, so nothing here makes a Python object for a record.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.rlhf.schemas import MESSAGES, RAW_DEMONSTRATIONS, RAW_JUDGEMENTS, RAW_PROMPTS
from text.hashing import digest128

Ints = npt.NDArray[np.int64]

_SEPARATOR = pa.scalar("\x1f", pa.large_string())
# What str.strip takes off; Arrow's own notion of white space leaves U+001C to U+001F.
_SPACES = "".join(chr(code) for code in range(0x3001) if chr(code).isspace())

_SHARED = [
    "record_id", "source", "origin", "licence", "user_id", "user_id_kind", "root_id", "use_case", "language",
]  # fmt: skip

RECORDS = pa.schema(
    [RAW_PROMPTS.schema.field(name) for name in _SHARED]
    + [
        pa.field("dataset", pa.string(), False),  # raw dataset that the record is of
        pa.field("row", pa.int64(), False),  # its row there
        pa.field("prompt_id", pa.string(), False),
        pa.field("prompt", MESSAGES, False),
    ]
)


class Turns(NamedTuple):
    """Turns of n dialogues; those of dialogue i are `offsets[i]` to `offsets[i + 1]`."""

    offsets: Ints
    roles: pa.StringArray
    contents: pa.LargeStringArray

    @property
    def dialogue(self) -> Ints:
        """The dialogue of each turn."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))


def turns(messages: pa.Array | pa.ChunkedArray) -> Turns:
    """The turns of a column of MESSAGES; a null dialogue, role or content is a ValueError naming its row."""
    chunks = messages.chunks if isinstance(messages, pa.ChunkedArray) else [messages]
    if messages.null_count:
        row = int(np.flatnonzero(np.asarray(messages.is_null()))[0])
        raise ValueError(f"row {row} of the messages is null, expected a list of turns: drop it before")
    lengths = [np.zeros(1, np.int64)]
    roles: list[pa.Array] = []
    contents: list[pa.Array] = []
    for chunk in chunks:
        lengths.append(np.asarray(pc.list_value_length(chunk)).astype(np.int64))
        role, content = chunk.flatten().flatten()
        roles.append(role)
        # 32-bit offsets end at 2 GiB, which the texts of all chunks together may pass.
        contents.append(content.cast(pa.large_string()))
    found = Turns(
        np.cumsum(np.concatenate(lengths)),
        pa.concat_arrays(roles) if roles else pa.array([], pa.string()),
        pa.concat_arrays(contents) if contents else pa.array([], pa.large_string()),
    )
    for name, column in (("role", found.roles), ("content", found.contents)):
        if column.null_count:
            row = int(found.dialogue[np.flatnonzero(np.asarray(column.is_null()))[0]])
            raise ValueError(f"row {row} of the messages has a turn without {name}: drop it before")
    return found


def dialogues(offsets: Ints, roles: pa.Array, contents: pa.Array) -> pa.ChunkedArray:
    """The column of MESSAGES that `turns` would flatten so; in chunks, as 32-bit offsets need it."""
    sizes = np.asarray(pc.binary_length(contents)).astype(np.int64)
    ends = np.concatenate([[0], np.cumsum(sizes)])
    chunk_of = ends[offsets[1:]] // (1 << 30)
    bounds = np.flatnonzero(np.diff(chunk_of, prepend=-1, append=-1)) if len(chunk_of) else np.zeros(1, int)
    chunks = []
    for first, stop in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        low, high = int(offsets[first]), int(offsets[stop])
        values = pa.StructArray.from_arrays(
            [roles.slice(low, high - low), contents.slice(low, high - low).cast(pa.string())],
            fields=list(MESSAGES.value_type),
        )
        starts = pa.array((offsets[first : stop + 1] - low).astype(np.int32))
        chunks.append(pa.ListArray.from_arrays(starts, values).cast(MESSAGES))
    return pa.chunked_array(chunks, MESSAGES)


def contexts(messages: pa.Array | pa.ChunkedArray) -> pa.ChunkedArray:
    """Each dialogue without its last turn."""
    flat = turns(messages)
    keep = np.ones(len(flat.roles), np.bool_)
    keep[flat.offsets[1:][np.diff(flat.offsets) > 0] - 1] = False
    lengths = np.maximum(np.diff(flat.offsets) - 1, 0)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    mask = pa.array(keep)
    return dialogues(offsets, flat.roles.filter(mask), flat.contents.filter(mask))


def join_turns(flat: Turns, mask: npt.NDArray[np.bool_], separator: pa.Scalar) -> pa.LargeStringArray:
    """The contents of each dialogue's turns where `mask` holds, joined; the empty text where none does."""
    counts = np.bincount(flat.dialogue[mask], minlength=len(flat.offsets) - 1)
    offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64))
    lists = pa.LargeListArray.from_arrays(offsets, flat.contents.filter(pa.array(mask)))
    return pc.binary_join(lists, separator)


def prompt_ids(messages: pa.Array | pa.ChunkedArray) -> pa.StringArray:
    """`pipelines.rlhf.records.prompt_id` of every row."""
    flat = turns(messages)
    contents = pc.utf8_trim(flat.contents, characters=_SPACES)
    sizes = pc.utf8_length(contents).cast(pa.large_string())
    lines = pc.binary_join_element_wise(flat.roles.cast(pa.large_string()), sizes, contents, _SEPARATOR)
    joined = join_turns(flat._replace(contents=lines), np.ones(len(lines), np.bool_), _SEPARATOR)
    return digest128(joined)


def completion_ids(prompts: pa.Array, completions: pa.Array) -> pa.StringArray:
    """`pipelines.rlhf.records.completion_id` of every row of prompt_ids and answers."""
    texts = pc.utf8_trim(completions.cast(pa.large_string()), characters=_SPACES)
    return digest128(pc.binary_join_element_wise(prompts.cast(pa.large_string()), texts, _SEPARATOR))


def records(demonstrations: pa.Table, judgements: pa.Table, prompts: pa.Table) -> pa.Table:
    """All rows of the three raw tables as RECORDS; the prompt of a demonstration ends before its last turn."""
    parts = []
    for schema, table in (
        (RAW_DEMONSTRATIONS, demonstrations),
        (RAW_JUDGEMENTS, judgements),
        (RAW_PROMPTS, prompts),
    ):
        messages = table["messages"]
        prompt = contexts(messages) if schema is RAW_DEMONSTRATIONS else messages
        n = table.num_rows
        columns = [table[name] for name in _SHARED]
        columns += [pa.array([schema.name], pa.string()).take(pa.array(np.zeros(n, np.int64)))]
        columns += [pa.array(np.arange(n)), prompt_ids(prompt), prompt]
        parts.append(pa.table(columns, schema=RECORDS))
    return pa.concat_tables(parts)


def user_texts(messages: pa.Array | pa.ChunkedArray, templates: Sequence[str]) -> pa.LargeStringArray:
    """What the user wrote in each dialogue: the user's turns alone, one a line, without the `templates`.

    A template is literal text that an application puts around what its users write; it is taken out wherever
    it stands in a user's turn, the longest first.
    """
    flat = turns(messages)
    contents = flat.contents
    for template in sorted(templates, key=lambda text: (-len(text), text)):
        contents = pc.replace_substring(contents, pattern=template, replacement="")
    user = np.asarray(pc.equal(flat.roles, "user"))
    return join_turns(flat._replace(contents=contents), user, pa.scalar("\n", pa.large_string()))


def earliest(table: pa.Table) -> Ints:
    """Place of each record in time, int64[n] from 0: by source, file, row and part, then by record_id.

    `origin` is file#row[#part]; rows and parts that are numbers are compared as numbers. The order of the
    table's rows does not matter.
    """
    parts = pc.extract_regex(
        table["origin"].combine_chunks(), pattern=r"^(?P<file>.*?)#(?P<row>\d{1,18})(?P<part>#.*)?$"
    )
    whole = pc.is_null(parts)
    fields = {name: parts.field(name) for name in ("file", "row", "part")}
    file = pc.if_else(whole, table["origin"].combine_chunks(), fields["file"])
    row = pc.if_else(whole, "0", fields["row"]).cast(pa.int64())
    part = pc.if_else(whole, "", fields["part"])
    number = pc.extract_regex(part, pattern=r"^#(?P<n>\d{1,18})$").field("n")
    number = pc.fill_null(number, "0")
    number = pc.if_else(pc.equal(number, ""), "0", number).cast(pa.int64())
    keys = [
        _rank(table["record_id"]),
        _rank(part),
        np.asarray(number),
        np.asarray(row),
        _rank(file),
        _rank(table["source"]),
    ]
    place = np.empty(table.num_rows, np.int64)
    place[np.lexsort(keys)] = np.arange(table.num_rows)
    return place


def _rank(column: pa.Array | pa.ChunkedArray) -> Ints:
    """Equal numbers for equal texts, ascending with them."""
    encoded = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    coded = encoded.dictionary_encode()
    ranks = np.empty(len(coded.dictionary), np.int64)
    ranks[np.asarray(pc.array_sort_indices(coded.dictionary))] = np.arange(len(ranks))
    return ranks[np.asarray(coded.indices)]
