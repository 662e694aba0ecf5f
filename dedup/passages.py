"""Exact duplicate passages: boilerplate, repeated paragraphs, spans and substrings, cut out of documents.

A rule says what a passage is and when it goes:

    c4           three sentences in a row (lower case, white space collapsed) that stand in the corpus twice:
                 all but the first copy go. Raffel et al. 2020, section 2.2.
    ccnet        a line (lower case, digits to 0, punctuation dropped) that was seen before. Wenzek et al.
                 2020, 3.2.
    boilerplate  a line or paragraph (lower case, white space collapsed) in more than `max_site_documents`
                 documents of one site or on more than `max_sites` sites.
    substring    a run of `substring_words` words that stands in the corpus twice. Lee et al. 2022, section
                 4.1.

**The first copy** is the one in the document with the lowest rank, then the smallest id, and there the one
that comes first: nothing depends on shards or their order. What is cut overlaps, and a first copy may itself
be cut by another passage; but whatever is cut (with `keep` "first") still stands, unit for unit and word for
word, in an earlier document or further up. Equality is by hash; the collision chances stand in `dedup.units`
and `dedup.substrings`.

Three steps, tables in between, so that shards and ranges of hashes can be done one by one:
`rows_of` (documents to one row for each different passage) → `merge` (rows of equal hashes to what is
repeated) → `cut` (documents and their repeated passages to spans). `cut_passages` does all of it in memory.
"""

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field

from dedup.spans import Found, Passages, Spans, distinct, spans_to_cut
from dedup.substrings import MAX_WORDS, MIN_WORDS, fingerprints, windows
from dedup.units import Units, units
from text.hashing import fmix64, hash64
from text.words import segment

Rule = Literal["off", "c4", "ccnet", "boilerplate", "substring"]
Int64s = npt.NDArray[np.int64]

_SPAN_SALT = np.uint64(0x27D4EB2F165667C5)


class PassageConfig(BaseModel):
    """Which passages are cut out of the selected documents."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: Rule = Field(
        default="off",
        description="c4: repeated spans of three sentences; ccnet: lines seen before; boilerplate: lines on "
        "many pages; substring: repeated runs of words; off: nothing is cut",
    )
    keep: Literal["first", "none"] = Field(
        default="first", description="first: one copy of a passage stays; none: all copies go"
    )
    min_bytes: int = Field(
        default=1, description="bytes of a passage of c4 or ccnet, normalised, from which it counts", ge=1
    )
    span_sentences: int = Field(default=3, description="sentences of a span of the rule c4", ge=1, le=64)
    boilerplate_unit: Literal["line", "paragraph"] = Field(
        default="line", description="what the rule boilerplate counts"
    )
    min_boilerplate_bytes: int = Field(
        default=13,
        description="bytes of a line of boilerplate, normalised, from which it counts: 'Advertisement' does, "
        "headings like 'See also' do not",
        ge=1,
    )
    max_site_documents: int = Field(
        default=10, description="documents of one site that may hold a line of boilerplate", ge=1
    )
    max_sites: int = Field(default=10, description="sites that may hold a line of boilerplate", ge=1)
    substring_words: int = Field(
        default=50,
        description="words (text.words) of the shortest repeated run; a Chinese character is a word",
        ge=MIN_WORDS,
        le=MAX_WORDS,
    )


ROWS = pa.schema(
    [
        pa.field("hash", pa.int64(), False, {"meaning": "64-bit hash of the passage, as signed"}),
        pa.field("check", pa.int64(), False, {"meaning": "its other 64 bits, or its size for units"}),
        pa.field("place", pa.int64(), False, {"meaning": "shard << 32 | row of the document"}),
        pa.field("rank", pa.int64(), False, {"meaning": "rank of the document's source, 0 comes first"}),
        pa.field("id_high", pa.int64(), False, {"meaning": "first 64 bits of the doc_id, as signed"}),
        pa.field("id_low", pa.int64(), False, {"meaning": "last 64 bits of the doc_id, as signed"}),
        pa.field("site", pa.int64(), False, {"meaning": "hash of the document's site, as signed"}),
        pa.field("first", pa.int64(), False, {"meaning": "number of its first unit or word in the document"}),
        pa.field("occurrences", pa.int64(), False, {"meaning": "times it stands in the document"}),
    ]
)

REPEATED = pa.schema(
    [
        *(ROWS.field(name) for name in ("place", "hash", "check", "first")),
        pa.field("keep", pa.bool_(), False, {"meaning": "the occurrence at `first` is the one that stays"}),
        pa.field("n_documents", pa.int64(), False, {"meaning": "documents that hold the passage"}),
        pa.field("n_occurrences", pa.int64(), False, {"meaning": "times it stands in the corpus"}),
        pa.field("n_sites", pa.int64(), False, {"meaning": "sites that hold it"}),
        pa.field("site_documents", pa.int64(), False, {"meaning": "most documents of one site that hold it"}),
        pa.field("holder_high", pa.int64(), False, {"meaning": "first document's id: first 64 bits"}),
        pa.field("holder_low", pa.int64(), False, {"meaning": "first document's id: last 64 bits"}),
    ]
)


class Cuts(NamedTuple):
    """What is to go from each text, and why: `spans.evidence` are rows of `repeated` (in REPEATED form)."""

    spans: Spans
    repeated: pa.Table


def rows_of(
    texts: pa.Array | pa.ChunkedArray, config: PassageConfig, wanted: pa.Table | None = None
) -> pa.Table:
    """One row for each different passage of each text: columns document, hash, check, first, occurrences.

    For substrings these are fingerprints; with `wanted`, the REPEATED rows of those (`place` is the text's
    number), the windows that may be repeated. ValueError for the rule "off" and for nulls.
    """
    held = np.arange(len(texts))
    if wanted is not None:
        held, texts, found = _held(texts, wanted)
        passages = windows(texts, config.substring_words, (found.hashes, found.offsets))
    elif config.rule == "substring":
        passages = fingerprints(segment(texts), config.substring_words)
    else:
        passages = passages_of(texts, config)
    documents, rows, counts = distinct(passages)
    return pa.table(
        {
            "document": held[documents],
            "hash": passages.hashes[rows].view(np.int64),
            "check": passages.checks[rows].view(np.int64),
            "first": passages.numbers[rows],
            "occurrences": counts,
        }
    )


def merge(rows: pa.Table, config: PassageConfig) -> pa.Table:
    """The passages that the rule calls repeated, one row a passage and document, in REPEATED form.

    `rows` are in ROWS form, all rows of each hash among them. Sorted by place, then hash (unsigned). Peak
    memory is about three times the rows.
    """
    rows = _possible(rows)
    columns = {name: rows[name].to_numpy() for name in ROWS.names}
    order = np.lexsort((_document_order(columns), columns["check"], columns["hash"]))
    columns = {name: column[order] for name, column in columns.items()}
    groups, begins = _groups(columns["hash"], columns["check"])
    counts = {
        "n_documents": np.diff(begins, append=len(groups)),
        "n_occurrences": _sums(columns["occurrences"], begins),
    }
    counts["n_sites"], counts["site_documents"] = _sites(groups, columns["site"], len(begins))
    if config.rule == "boilerplate":
        many = counts["site_documents"] > config.max_site_documents
        cut = many | (counts["n_sites"] > config.max_sites)
    else:
        cut = counts["n_occurrences"] > 1
    stays = np.zeros(len(groups), np.bool_)
    if config.keep == "first":
        stays[begins] = True
    taken = {
        **{name: columns[name] for name in ("place", "hash", "check", "first")},
        "keep": stays,
        **{name: column[groups] for name, column in counts.items()},
        "holder_high": columns["id_high"][begins][groups],
        "holder_low": columns["id_low"][begins][groups],
    }
    rows_left = np.flatnonzero(cut[groups])
    sort = np.lexsort((taken["hash"][rows_left].view(np.uint64), taken["place"][rows_left]))
    return pa.table({name: taken[name][rows_left[sort]] for name in REPEATED.names}, schema=REPEATED)


def cut(texts: pa.Array | pa.ChunkedArray, repeated: pa.Table, config: PassageConfig) -> Spans:
    """The spans that go from each text; `repeated` is as `merge` made it, `place` being the text's number."""
    n = len(texts)
    held, texts, found = _held(texts, repeated)
    spans = spans_to_cut(texts, passages_of(texts, config), found, repeated["n_documents"].to_numpy())
    return spans._replace(offsets=spans.offsets[np.searchsorted(held, np.arange(n + 1))])


def cut_passages(
    texts: pa.Array | pa.ChunkedArray,
    doc_ids: pa.Array,
    config: PassageConfig,
    sites: pa.Array | None = None,
    ranks: Int64s | None = None,
) -> Cuts:
    """All steps in memory. `doc_ids` are 32 hex digits; `sites` (names) default to one site, `ranks` to 0.

    >>> texts = pa.array(["Buy now.\\nA tale.", "Buy now.\\nA song."])
    >>> found = cut_passages(texts, pa.array(["0" * 32, "1" * 32]), PassageConfig(rule="ccnet"))
    >>> found.spans.starts, found.spans.ends, found.spans.offsets
    (array([0]), array([9]), array([0, 0, 1]))
    """
    n = len(texts)
    keys = {
        "place": np.arange(n),
        "rank": np.zeros(n, np.int64) if ranks is None else ranks,
        **dict(zip(("id_high", "id_low"), id_halves(doc_ids), strict=True)),
        "site": np.zeros(n, np.int64) if sites is None else hash64(sites).view(np.int64),
    }
    repeated = merge(with_keys(rows_of(texts, config), keys), config)
    if config.rule == "substring":
        repeated = merge(with_keys(rows_of(texts, config, repeated), keys), config)
    return Cuts(cut(texts, repeated, config), repeated)


def with_keys(rows: pa.Table, keys: dict[str, Int64s]) -> pa.Table:
    """The table of `rows_of` in ROWS form; `keys` has place, rank, id_high, id_low and site by document."""
    documents = rows["document"].to_numpy()
    columns = {name: pa.array(column[documents]) for name, column in keys.items()}
    columns |= {name: rows[name] for name in rows.column_names if name != "document"}
    return pa.table({name: columns[name] for name in ROWS.names}, schema=ROWS)


def id_halves(doc_ids: pa.Array | pa.ChunkedArray) -> tuple[Int64s, Int64s]:
    """The two halves of ids of 32 hex digits as signed int64; ValueError for other ids."""
    lengths = pc.binary_length(doc_ids)
    if len(doc_ids) and pc.min_max(lengths).as_py() != {"min": 32, "max": 32}:
        raise ValueError("a doc_id is not 32 hex digits; make it with pipelines.ids.document_id")
    digits = np.array(doc_ids.to_pylist(), dtype="S32")
    halves = np.frombuffer(bytes.fromhex(digits.tobytes().decode()), ">i8").reshape(-1, 2)
    return halves[:, 0].astype(np.int64), halves[:, 1].astype(np.int64)


def passages_of(texts: pa.Array | pa.ChunkedArray, config: PassageConfig) -> Passages:
    """The passages of each text that the rule compares; ValueError for the rule "off"."""
    if config.rule == "substring":
        return windows(texts, config.substring_words)
    if config.rule == "c4":
        return _sentence_spans(units(texts, "sentence", "case"), config)
    if config.rule in ("ccnet", "boilerplate"):
        if config.rule == "ccnet":
            found, least = units(texts, "line", "ccnet"), config.min_bytes
        else:
            found, least = units(texts, config.boilerplate_unit, "case"), config.min_boilerplate_bytes
        numbers = np.arange(len(found.hashes)) - np.repeat(found.offsets[:-1], np.diff(found.offsets))
        sizes = found.sizes.view(np.uint64)
        every = Passages(found.hashes, sizes, numbers, found.starts, found.ends, found.offsets)
        return _taken(every, found.sizes >= least)
    raise ValueError("rule 'off' compares no passages; choose c4, ccnet, boilerplate or substring")


def _held(
    texts: pa.Array | pa.ChunkedArray, repeated: pa.Table
) -> tuple[Int64s, pa.Array | pa.ChunkedArray, Found]:
    """Numbers and texts that REPEATED rows (sorted by place and hash) are of, and the rows for kernels."""
    places = repeated["place"].to_numpy()
    held, begins = np.unique(places, return_index=True)
    found = Found(
        repeated["hash"].to_numpy().view(np.uint64),
        repeated["check"].to_numpy().view(np.uint64),
        repeated["first"].to_numpy(),
        np.asarray(repeated["keep"]),
        np.append(begins, len(places)),
    )
    return held, texts.take(pa.array(held)), found


def _sentence_spans(found: Units, config: PassageConfig) -> Passages:
    """Every run of `span_sentences` sentences; a document of fewer has none."""
    n = config.span_sentences
    counts = np.maximum(np.diff(found.offsets) - n + 1, 0)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    documents = np.repeat(np.arange(len(counts)), counts)
    numbers = np.arange(offsets[-1]) - offsets[documents]
    rows = numbers + found.offsets[documents]
    hashes = np.full(len(rows), _SPAN_SALT, np.uint64)
    sizes = np.zeros(len(rows), np.int64)
    for i in range(n):
        hashes = fmix64(hashes ^ found.hashes[rows + i])
        sizes += found.sizes[rows + i]
    ends = found.ends[rows + n - 1]
    spans = Passages(hashes, sizes.view(np.uint64), numbers, found.starts[rows], ends, offsets)
    return _taken(spans, sizes >= config.min_bytes)


def _taken(passages: Passages, chosen: npt.NDArray[np.bool_]) -> Passages:
    before = np.concatenate([[0], np.cumsum(chosen)])
    return Passages(
        passages.hashes[chosen],
        passages.checks[chosen],
        passages.numbers[chosen],
        passages.starts[chosen],
        passages.ends[chosen],
        before[passages.offsets],
    )


def _possible(rows: pa.Table) -> pa.Table:
    """Without the rows whose hash stands in one place alone: nearly all, and not worth a sort by all keys."""
    hashes = rows["hash"].to_numpy()
    order = np.argsort(hashes, kind="stable")
    groups, begins = _groups(hashes[order])
    total = _sums(rows["occurrences"].to_numpy()[order], begins)
    return rows.take(pa.array(order[total[groups] > 1]))


def _document_order(columns: dict[str, Int64s]) -> Int64s:
    """The number of each row's document in the order of first copies; only documents are sorted for it."""
    _, rows, documents = np.unique(columns["place"], return_index=True, return_inverse=True)
    ranks, places = columns["rank"][rows], columns["place"][rows]
    high, low = (columns[name][rows].view(np.uint64) for name in ("id_high", "id_low"))
    numbers = np.empty(len(rows), np.int64)
    numbers[np.lexsort((places, low, high, ranks))] = np.arange(len(rows))
    return numbers[documents]


def _groups(*keys: Int64s) -> tuple[Int64s, Int64s]:
    """Of sorted rows the number of each one's group of equal keys, and the first row of every group."""
    n = len(keys[0])
    fresh = np.zeros(n, np.bool_)
    fresh[:1] = True
    for key in keys:
        fresh[1:] |= key[1:] != key[:-1]
    return np.cumsum(fresh) - 1, np.flatnonzero(fresh)


def _sums(values: Int64s, begins: Int64s) -> Int64s:
    return np.add.reduceat(values, begins) if len(begins) else np.empty(0, np.int64)


def _sites(groups: Int64s, sites: Int64s, n: int) -> tuple[Int64s, Int64s]:
    """For each of n groups of rows the number of different sites, and the most rows of one site."""
    order = np.lexsort((sites, groups))
    _, begins = _groups(groups[order], sites[order])
    sizes = np.diff(begins, append=len(groups))
    owners = groups[order][begins]
    most = np.zeros(n, np.int64)
    np.maximum.at(most, owners, sizes)
    return np.bincount(owners, minlength=n), most
