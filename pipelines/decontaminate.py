"""Decontamination by GPT-3's rule (app. C): cut what a benchmark also holds out of the training documents.

A benchmark gram (`pipelines.decontamination.decontaminate_grams`: 13 words) that is found in a document goes, with
`window_chars` characters **on each side** of it, and the document falls into pieces there. We read the
paper's "a 200 character window around it" as 200 on either side, as Megatron-LM's filter does. Characters
are code points. A word that the window's edge would halve goes out whole; windows that overlap or touch
become one.

- A document that falls into more than `max_pieces` pieces is dropped whole; all pieces count here.
- Pieces of fewer than `min_piece_chars` characters are dropped. An uncut document stays, however short.
- Grams found in more than `max_documents` documents are ignored: common phrases and legal boilerplate. No
  shard knows that number, hence two passes: `count` on every shard, `merge`, then `apply` with the merged
  counts.

Nothing depends on a document's length (the paper's own filter failed on books), nor on sharding or order.
"""

import dataclasses
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash
from pydantic import Field

from pipelines.decontamination.benchmarks import BenchmarkConfig, from_path, read_benchmark
from pipelines.decontamination.decontaminate_grams import BenchmarkSummary, GramConfig, GramSet, build_grams
from pipelines.decontamination.decontaminate_kernels import (
    build_bits,
    build_table,
    count_chars,
    find,
    gather,
    windows,
)
from pipelines.engine import storage
from text.buffers import TextBuffer, Texts, as_texts, text_buffer
from text.words import Words, segment_buffer

Counts = npt.NDArray[np.int64]
Ints = npt.NDArray[np.int64]
Benchmark = str | Path | BenchmarkConfig

KEPT, TOO_MANY_PIECES, PIECES_TOO_SHORT = "kept", "too_many_pieces", "pieces_too_short"
CUT, IGNORED_FREQUENT = "cut", "ignored_frequent"
GRAMS_FILE = "grams.arrow"

PIECES = pa.schema(
    [
        ("row", pa.int64()),  # document, counted from 0
        ("number", pa.int64()),  # piece of the document, counted from 0
        ("whole", pa.bool_()),  # nothing was cut: the piece is the document
        ("start", pa.int64()),  # bytes of the document
        ("end", pa.int64()),
        ("text", pa.large_string()),
    ]
)
EVIDENCE = pa.schema(
    [
        ("row", pa.int64()),
        ("benchmark", pa.string()),
        ("gram", pa.string()),  # as it stands in the document
        ("start", pa.int64()),  # bytes of the document
        ("end", pa.int64()),
        ("n_documents", pa.int64()),
        ("action", pa.string()),  # cut | ignored_frequent
    ]
)
OUTCOMES = pa.schema(
    [
        ("outcome", pa.string()),  # kept | too_many_pieces | pieces_too_short
        ("n_split", pa.int64()),  # pieces before the rules on their number and length
        ("n_pieces", pa.int64()),  # pieces that stay
        ("cut_bytes", pa.int64()),  # bytes of the document that do not stay
        ("benchmark", pa.string()),  # benchmark with most cut grams; null where nothing was cut
    ]
)


class DecontaminationConfig(GramConfig):
    """The rule of GPT-3's appendix C in numbers; the defaults are the paper's."""

    window_chars: int = Field(
        default=200, description="characters removed on each side of a colliding gram", ge=0, le=100_000
    )
    min_piece_chars: int = Field(
        default=200, description="shorter pieces are dropped, characters", ge=0, le=100_000
    )
    max_pieces: int = Field(
        default=10, description="a document that falls into more pieces is dropped", ge=1, le=1_000_000
    )
    max_documents: int = Field(
        default=10, description="a gram found in more training documents than this is ignored", ge=1, le=2**53
    )


class Decontaminated(NamedTuple):
    """What `apply` makes of n texts: tables PIECES and EVIDENCE by row and position, OUTCOMES with n rows."""

    pieces: pa.Table
    evidence: pa.Table
    outcomes: pa.Table


class Decontaminator:
    """Finds a fixed set of benchmark grams in documents, counts who holds them, and cuts them out."""

    def __init__(
        self, grams: GramSet, config: DecontaminationConfig, summaries: Sequence[BenchmarkSummary] = ()
    ) -> None:
        self.grams = grams
        self.config = config
        self.summaries = tuple(summaries)
        self._table = build_table(grams.hashes)
        self._bits = build_bits(grams.prefixes)
        self._wanted = np.zeros(int(grams.lengths.max(initial=1)) + 1, np.bool_)
        self._wanted[grams.lengths] = True
        self._prefix = int(grams.lengths.min(initial=self._wanted.size - 1))

    @classmethod
    def from_files(
        cls, paths: Benchmark | Sequence[Benchmark], config: DecontaminationConfig | None = None
    ) -> Self:
        """The grams of one or more benchmarks; a path means all its string fields, under the file's name.

        No paths make a decontaminator that leaves every document as it is. Raises BenchmarkError where a file
        cannot be read, ValueError where two benchmarks share a name.
        """
        config = config or DecontaminationConfig()
        given = [paths] if isinstance(paths, str | Path | BenchmarkConfig) else paths
        benchmarks = [path if isinstance(path, BenchmarkConfig) else from_path(str(path)) for path in given]
        names = [benchmark.name for benchmark in benchmarks]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"two benchmarks are named '{repeated[0]}'; give each a `name` of its own")
        grams, summaries = build_grams([(b.name, read_benchmark(b)) for b in benchmarks], config)
        return cls(grams, config, summaries)

    def count(self, texts: Texts) -> Counts:
        """For each gram of the set the number of `texts` that hold it, int64[n_grams]; a text counts once."""
        words = segment_buffer(*text_buffer(texts))
        hits = self._find(words)
        # Distinct pairs of document and gram; both fit 32 bits in any batch that fits memory.
        pairs = np.unique((hits[:, 0] << 32) | hits[:, 2])
        return np.bincount(pairs & 0xFFFFFFFF, minlength=len(self.grams.hashes)).astype(np.int64)

    def merge(self, counts: Iterable[Counts]) -> Counts:
        """The sum of counts of disjoint sets of documents, in any order."""
        total = np.zeros(len(self.grams.hashes), np.int64)
        for part in counts:
            total += self._checked(part)
        return total

    def apply(self, texts: Texts, counts: Counts) -> Decontaminated:
        """Cut `texts` by the rule of this module; `counts` are merged over all documents of the run."""
        self._checked(counts)
        texts = as_texts(texts)
        buffer = text_buffer(texts)
        words = segment_buffer(*buffer)
        hits = self._find(words)
        frequent = counts[hits[:, 2]] > self.config.max_documents
        cutting = hits[~frequent]
        cuts = windows(*buffer, words.starts, words.ends, words.offsets, cutting, self.config.window_chars)
        rows, starts, ends, whole = _remainders(buffer.offsets, cuts)
        n_split = np.bincount(rows, minlength=len(texts))
        origins = buffer.offsets[rows]
        stays = whole | (n_split[rows] <= self.config.max_pieces)
        parts = np.flatnonzero(~whole)
        chars = count_chars(buffer.data, (origins + starts)[parts], (origins + ends)[parts])
        stays[parts] &= chars >= self.config.min_piece_chars
        rows, starts, ends, whole = rows[stays], starts[stays], ends[stays], whole[stays]
        return Decontaminated(
            _pieces(texts, buffer, rows, starts, ends, whole),
            self._evidence(buffer, words, hits, frequent, counts),
            self._outcomes(buffer, cutting, n_split, rows, ends - starts),
        )

    @property
    def digest(self) -> str:
        """128-bit xxh3 over grams, benchmark names and config, hex: equal digests cut equally."""
        state = xxhash.xxh3_128()
        names_and_config = [list(self.grams.names), self.config.model_dump(mode="json")]
        state.update(json.dumps(names_and_config, sort_keys=True).encode())
        for column in (self.grams.hashes, self.grams.lengths, self.grams.benchmarks):
            state.update(np.ascontiguousarray(column).tobytes())
        return state.hexdigest()

    def save(self, folder: str | Path) -> None:
        """Write the set to `folder` as one Arrow IPC file; the same set always gives the same bytes."""
        metadata = {
            "config": self.config.model_dump_json(),
            "names": json.dumps(self.grams.names),
            "summaries": json.dumps([dataclasses.asdict(summary) for summary in self.summaries]),
        }
        columns = {name: pa.array(getattr(self.grams, name)) for name in GramSet._fields if name != "names"}
        table = pa.table(columns).replace_schema_metadata(metadata)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        storage.write_bytes(storage.join(str(folder), GRAMS_FILE), sink.getvalue().to_pybytes())

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read what `save` wrote."""
        path = storage.join(str(folder), GRAMS_FILE)
        try:
            table = pa.ipc.open_file(storage.read_bytes(path)).read_all()
            raw = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
            columns = {name: table[name].to_numpy() for name in GramSet._fields if name != "names"}
            names, summaries = tuple(json.loads(raw["names"])), json.loads(raw["summaries"])
        except (pa.ArrowInvalid, KeyError, AttributeError) as error:
            raise ValueError(f"{path}: not a saved Decontaminator ({error}); save it again") from None
        for summary in summaries:
            summary["templates"] = tuple(summary["templates"])
        return cls(
            GramSet(**columns, names=names),
            DecontaminationConfig.model_validate_json(raw["config"]),
            [BenchmarkSummary(**summary) for summary in summaries],
        )

    def _find(self, words: Words) -> Ints:
        return find(
            words.hashes,
            words.offsets,
            self._bits,
            self._table,
            self.grams.hashes,
            self._prefix,
            self._wanted,
        )

    def _checked(self, counts: Counts) -> Counts:
        if counts.shape != self.grams.hashes.shape:
            raise ValueError(
                f"counts are of shape {counts.shape}, this set has {len(self.grams.hashes)} grams: "
                "count again with the same benchmarks and config"
            )
        return counts

    def _evidence(
        self, buffer: TextBuffer, words: Words, hits: Ints, frequent: npt.NDArray[np.bool_], counts: Counts
    ) -> pa.Table:
        row, gram = hits[:, 0], hits[:, 2]
        first = words.offsets[row] + hits[:, 1]
        starts, ends = words.starts[first], words.ends[first + hits[:, 3] - 1]
        origins = buffer.offsets[row]
        columns = [
            row,
            self._names(self.grams.benchmarks[gram]),
            _slices(buffer, origins + starts, origins + ends),
            starts,
            ends,
            counts[gram],
            pa.array([CUT, IGNORED_FREQUENT]).take(pa.array(frequent.astype(np.int8))),
        ]
        return _table(columns, EVIDENCE)

    def _outcomes(
        self, buffer: TextBuffer, cutting: Ints, n_split: Ints, rows: Ints, sizes: Ints
    ) -> pa.Table:
        n = len(n_split)
        n_pieces = np.bincount(rows, minlength=n)
        kept_bytes = np.zeros(n, np.int64)
        np.add.at(kept_bytes, rows, sizes)
        outcome = np.where(n_pieces > 0, 0, np.where(n_split > self.config.max_pieces, 1, 2))
        columns = [
            pa.array([KEPT, TOO_MANY_PIECES, PIECES_TOO_SHORT]).take(pa.array(outcome)),
            n_split,
            n_pieces,
            np.diff(buffer.offsets) - kept_bytes,
            self._names(self._most_frequent(cutting, n)),
        ]
        return _table(columns, OUTCOMES)

    def _most_frequent(self, cutting: Ints, n: int) -> Ints:
        """Benchmark with most cut grams of each document, the first of equals; -1 where nothing is cut."""
        pairs = (cutting[:, 0] << 32) | self.grams.benchmarks[cutting[:, 2]]
        pair, times = np.unique(pairs, return_counts=True)
        most = np.full(n, -1, np.int64)
        # Assigned in rising order of grams, then falling of benchmark: the last to write is the winner.
        order = np.lexsort((-(pair & 0xFFFFFFFF), times))
        most[pair[order] >> 32] = pair[order] & 0xFFFFFFFF
        return most

    def _names(self, benchmarks: Ints) -> pa.Array:
        indices = pa.array(benchmarks, mask=benchmarks < 0)
        return pa.array(self.grams.names, pa.string()).take(indices)


def _remainders(offsets: Ints, cuts: Ints) -> tuple[Ints, Ints, Ints, npt.NDArray[np.bool_]]:
    """What the cuts leave, without empty pieces: row, start, end, whether the document is uncut."""
    sizes = np.diff(offsets)
    n = len(sizes)
    # A cut closes the piece before it and opens the one behind it: a document has one piece more than cuts.
    n_cuts = np.bincount(cuts[:, 0], minlength=n)
    rows = np.repeat(np.arange(n), n_cuts + 1)
    opens = np.zeros(len(rows), np.int64)
    closes = np.repeat(sizes, n_cuts + 1)
    behind = np.arange(len(cuts)) + cuts[:, 0] + 1
    opens[behind] = cuts[:, 2]
    closes[behind - 1] = cuts[:, 1]
    whole = np.repeat(n_cuts == 0, n_cuts + 1)
    stays = whole | (opens < closes)
    return rows[stays], opens[stays], closes[stays], whole[stays]


def _pieces(
    texts: pa.Array | pa.ChunkedArray,
    buffer: TextBuffer,
    rows: Ints,
    starts: Ints,
    ends: Ints,
    whole: npt.NDArray[np.bool_],
) -> pa.Table:
    """The PIECES table; the text of batches in which nothing is cut is not copied."""
    number = np.arange(len(rows)) - np.searchsorted(rows, rows)
    untouched = len(rows) == len(texts) and bool(whole.all())
    origins = buffer.offsets[rows]
    text = texts if untouched else _slices(buffer, origins + starts, origins + ends)
    return _table([rows, number, whole, starts, ends, text.cast(pa.large_string())], PIECES)


def _slices(buffer: TextBuffer, starts: Ints, ends: Ints) -> pa.Array:
    """Byte ranges of the buffer as large_string."""
    offsets = np.concatenate([[0], np.cumsum(ends - starts)]).astype(np.int64)
    data = gather(buffer.data, starts, ends)
    return pa.LargeStringArray.from_buffers(len(starts), pa.py_buffer(offsets), pa.py_buffer(data))


def _table(columns: list[Any], schema: pa.Schema) -> pa.Table:
    arrays = [pa.array(column) if isinstance(column, np.ndarray) else column for column in columns]
    cast = [array.cast(field.type) for array, field in zip(arrays, schema, strict=True)]
    return pa.table(cast, schema=schema)
