"""The two passes of decontamination as stages over shards, and the merge between them.

    documents + selected -> CountGramsStage -> gram_counts
    gram_counts -> merged_counts (in the driver) -> merged_gram_counts, of one shard
    documents + selected + merged_gram_counts -> DecontaminateStage
        -> corpus, contamination, decontaminated, personal_data

Only documents that `selected` keeps are counted and cut. `decontaminated` is row-aligned with documents.
Where passage_cuts are given, their spans are taken out of the texts first: evidence and counted bytes are
then those of the texts without them. Personal data is treated last, in the pieces that go into the corpus.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dedup.spans import remove_spans
from pipelines.decontaminate import Counts, Decontaminated, Decontaminator
from pipelines.engine.dataset import DatasetError, iter_shard, read_shard, shard_path
from pipelines.engine.runner import RECORDS, ShardOutput, Stage, Task
from pipelines.ids import piece_id
from pipelines.personal_data import PersonalDataConfig, treat
from pipelines.schemas import (
    CONTAMINATION,
    CORPUS,
    DOCUMENTS,
    PASSAGE_CUTS,
    PERSONAL_DATA,
    SELECTED,
    DatasetSchema,
)
from text.words import count_words

NOT_SELECTED = "not_selected"
PASSAGES_CUT_OUT = "passages_cut_out"
MERGED_SHARD = "merged"

_COUNT_COLUMNS = pa.schema(
    [
        pa.field(
            "gram", pa.int64(), False, {"meaning": "hash of the benchmark gram (text.ngrams), as signed"}
        ),
        pa.field(
            "n_documents", pa.int64(), False, {"meaning": "selected documents that hold the gram, above 0"}
        ),
    ]
)
GRAM_COUNTS = DatasetSchema("gram_counts", 1, _COUNT_COLUMNS)
MERGED_GRAM_COUNTS = DatasetSchema("merged_gram_counts", 1, _COUNT_COLUMNS)

DECONTAMINATED = DatasetSchema(
    "decontaminated",
    1,
    pa.schema(
        [
            pa.field(
                "doc_id", pa.string(), False, {"meaning": "id of the document; row-aligned with documents"}
            ),
            pa.field(
                "outcome",
                pa.string(),
                False,
                {
                    "meaning": "kept, too_many_pieces, pieces_too_short; or not looked at: not_selected, "
                    "passages_cut_out (too few words left once repeated passages were cut)"
                },
            ),
            pa.field(
                "n_split", pa.int64(), False, {"meaning": "pieces that the cuts left, before any was dropped"}
            ),
            pa.field(
                "n_pieces", pa.int64(), False, {"meaning": "pieces in the corpus; 1 where nothing was cut"}
            ),
            pa.field(
                "cut_bytes",
                pa.int64(),
                False,
                {"meaning": "UTF-8 bytes of the text that are not in the corpus; cut passages do not count"},
            ),
            pa.field(
                "benchmark",
                pa.string(),
                True,
                {"meaning": "benchmark with most cut grams; null: nothing cut"},
            ),
        ]
    ),
)


@dataclass(frozen=True)
class CountGramsStage(Stage):
    """First pass: in how many selected documents of a shard each benchmark gram is found.

    `documents` and `selected` are folders of dataset versions, `decontaminator` is one that
    `Decontaminator.save` wrote, `cuts` is the folder of passage_cuts, or empty where nothing is cut before.
    A task is a shard of `documents`.
    """

    documents: str
    selected: str
    decontaminator: str
    cuts: str = ""

    name: ClassVar[str] = "count_grams"
    version: ClassVar[int] = 1

    @property
    def outputs(self) -> tuple[DatasetSchema, ...]:
        """Counts of the shard's grams."""
        return (GRAM_COUNTS,)

    def process(self, task: Task, out: ShardOutput) -> None:
        """Count one shard, row group by row group."""
        decontaminator = _decontaminator(self.decontaminator)
        counts = decontaminator.merge([])
        folders = (self.documents, self.selected, self.cuts)
        for documents, _, keep in _cut_groups(folders, task.name, ["doc_id", "text"]):
            texts = documents["text"].filter(keep)
            counts += decontaminator.count(texts)
            out.count(RECORDS, len(texts))
        out.write(GRAM_COUNTS.name, counts_table(decontaminator, counts))


@dataclass(frozen=True)
class DecontaminateStage(Stage):
    """Second pass: cut the selected documents of a shard by the merged counts.

    `merged_counts` is the folder of a version of MERGED_GRAM_COUNTS; the others are as in CountGramsStage.
    """

    documents: str
    selected: str
    decontaminator: str
    merged_counts: str
    cuts: str = ""
    personal_data: PersonalDataConfig = field(default_factory=PersonalDataConfig)

    name: ClassVar[str] = "decontaminate"
    version: ClassVar[int] = 2

    @property
    def outputs(self) -> tuple[DatasetSchema, ...]:
        """What stays, what was hit, what became of each document, and the personal data in what stays."""
        return (CORPUS, CONTAMINATION, DECONTAMINATED, PERSONAL_DATA)

    def process(self, task: Task, out: ShardOutput) -> None:
        """Cut one shard, row group by row group."""
        decontaminator = _decontaminator(self.decontaminator)
        counts = _merged(self.decontaminator, self.merged_counts)
        columns = ["doc_id", "source", "url", "text", "n_words"]
        folders = (self.documents, self.selected, self.cuts)
        for documents, selected, keep in _cut_groups(folders, task.name, columns):
            kept = documents.append_column("language", selected["language"]).filter(keep)
            result = decontaminator.apply(kept["text"], counts)
            out.count(RECORDS, kept.num_rows)
            out.count("pieces", result.pieces.num_rows)
            out.count("cut_bytes", pc.sum(result.outcomes["cut_bytes"], min_count=0).as_py())
            corpus, found = treat(_corpus(kept, result.pieces), self.personal_data)
            out.count("personal_data", found.num_rows)
            out.write(CORPUS.name, corpus)
            out.write(PERSONAL_DATA.name, found)
            out.write(CONTAMINATION.name, _contamination(kept, result.evidence))
            out.write(DECONTAMINATED.name, _outcomes(documents["doc_id"], selected["keep"], keep, result))


def counts_table(decontaminator: Decontaminator, counts: Counts) -> pa.Table:
    """The counts above 0, in the form of GRAM_COUNTS and MERGED_GRAM_COUNTS."""
    found = np.flatnonzero(counts)
    grams = decontaminator.grams.hashes[found].view(np.int64)
    return pa.table([pa.array(grams), pa.array(counts[found])], schema=_COUNT_COLUMNS)


def counts_from_table(decontaminator: Decontaminator, table: pa.Table, where: str) -> Counts:
    """The counts in a table of `counts_table`; DatasetError where its grams are not the decontaminator's."""
    hashes = decontaminator.grams.hashes
    grams = table["gram"].to_numpy().view(np.uint64)
    index = np.searchsorted(hashes, grams)
    if len(grams) and (index.max() == len(hashes) or not np.array_equal(hashes[index], grams)):
        raise DatasetError(
            f"{where}: counts a gram that the benchmarks do not hold; run the counting pass again"
        )
    counts = decontaminator.merge([])
    np.add.at(counts, index, table["n_documents"].to_numpy())
    return counts


def merged_counts(decontaminator: Decontaminator, folder: str, shards: Sequence[str]) -> pa.Table:
    """Sum of the GRAM_COUNTS `shards` in `folder`: the one shard MERGED_SHARD of MERGED_GRAM_COUNTS."""
    parts = (
        counts_from_table(decontaminator, read_shard(folder, shard, GRAM_COUNTS), shard_path(folder, shard))
        for shard in shards
    )
    return counts_table(decontaminator, decontaminator.merge(parts))


@lru_cache(maxsize=1)
def _decontaminator(folder: str) -> Decontaminator:
    """Loaded once a worker process, not once a shard."""
    return Decontaminator.load(folder)


@lru_cache(maxsize=1)
def _merged(decontaminator: str, folder: str) -> Counts:
    table = read_shard(folder, MERGED_SHARD, MERGED_GRAM_COUNTS)
    return counts_from_table(_decontaminator(decontaminator), table, shard_path(folder, MERGED_SHARD))


def selected_groups(
    documents: str, selected: str, shard: str, columns: Sequence[str]
) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Row groups of a documents shard, each with its rows of `selected`."""
    choice = read_shard(selected, shard, SELECTED, ["doc_id", "language", "keep"])
    row = 0
    for group in iter_shard(documents, shard, DOCUMENTS, columns):
        rows = choice.slice(row, group.num_rows)
        row += group.num_rows
        if not rows["doc_id"].combine_chunks().equals(group["doc_id"].combine_chunks()):
            raise _not_aligned(selected, documents, shard, SELECTED)
        yield group, rows
    if row != choice.num_rows:
        raise _not_aligned(selected, documents, shard, SELECTED)


def _cut_groups(
    folders: tuple[str, str, str], shard: str, columns: Sequence[str]
) -> Iterator[tuple[pa.Table, pa.Table, pa.ChunkedArray]]:
    """`selected_groups` without the cut passages, and which rows are selected and have words enough left."""
    documents, selected, folder = folders
    cuts = read_shard(folder, shard, PASSAGE_CUTS) if folder else None
    row = 0
    for group, rows in selected_groups(documents, selected, shard, columns):
        if cuts is None:
            yield group, rows, rows["keep"]
            continue
        own = cuts.slice(row, group.num_rows)
        row += group.num_rows
        if not own["doc_id"].combine_chunks().equals(group["doc_id"].combine_chunks()):
            raise _not_aligned(folder, documents, shard, PASSAGE_CUTS)
        yield _without(group, own), rows, pc.and_(rows["keep"], own["keep"])
    if cuts is not None and row != cuts.num_rows:
        raise _not_aligned(folder, documents, shard, PASSAGE_CUTS)


def _without(documents: pa.Table, cuts: pa.Table) -> pa.Table:
    """The documents without the spans; words are counted anew where any were."""
    starts, ends = cuts["starts"].combine_chunks(), cuts["ends"].combine_chunks()
    offsets = starts.offsets.to_numpy().astype(np.int64)
    spans = (starts.flatten().to_numpy(), ends.flatten().to_numpy(), offsets - offsets[0])
    texts = remove_spans(documents["text"], *spans)
    documents = documents.set_column(documents.schema.get_field_index("text"), "text", texts)
    if "n_words" in documents.column_names:
        n_words = documents["n_words"].to_numpy().copy()
        touched = np.flatnonzero(np.diff(offsets))
        n_words[touched] = count_words(texts.take(pa.array(touched)))
        place = documents.schema.get_field_index("n_words")
        documents = documents.set_column(place, "n_words", pa.array(n_words))
    return documents


def _not_aligned(folder: str, documents: str, shard: str, schema: DatasetSchema) -> DatasetError:
    return DatasetError(
        f"{shard_path(folder, shard)}: rows are not those of {shard_path(documents, shard)}; "
        f"make '{schema.name}' again from these documents"
    )


def _corpus(kept: pa.Table, pieces: pa.Table) -> pa.Table:
    """Rows of CORPUS: a piece of a cut document has an id of its own and its words counted anew."""
    parents = kept.select(["doc_id", "source", "url", "language", "n_words"]).take(pieces["row"])
    ids = parents["doc_id"].to_pylist()
    n_words = parents["n_words"].to_numpy().copy()
    cut = np.flatnonzero(~pieces["whole"].to_numpy())
    numbers = pieces["number"].to_numpy()
    for row in cut.tolist():
        ids[row] = piece_id(ids[row], int(numbers[row]))
    n_words[cut] = count_words(pieces["text"].take(pa.array(cut)))
    columns = {
        "doc_id": pa.array(ids, pa.string()),
        "parent_id": parents["doc_id"],
        "source": parents["source"],
        "url": parents["url"],
        "language": parents["language"],
        "text": pieces["text"],
        "n_bytes": pc.subtract(pieces["end"], pieces["start"]),
        "n_words": pa.array(n_words),
    }
    return pa.table(columns)


def _contamination(kept: pa.Table, evidence: pa.Table) -> pa.Table:
    parents = kept.select(["doc_id", "source"]).take(evidence["row"])
    columns = {name: evidence[name] for name in CONTAMINATION.schema.names if name in evidence.schema.names}
    return pa.table({"doc_id": parents["doc_id"], "source": parents["source"], **columns})


def _outcomes(
    doc_ids: pa.ChunkedArray, selected: pa.ChunkedArray, keep: pa.ChunkedArray, result: Decontaminated
) -> pa.Table:
    """Rows of DECONTAMINATED for all documents of the group, kept or not."""
    mask = keep.to_numpy()
    index = pa.array(np.cumsum(mask) - 1, mask=~mask)
    rows = result.outcomes.take(index)
    columns = {name: rows[name] for name in rows.schema.names}
    left_out = pc.if_else(selected, PASSAGES_CUT_OUT, NOT_SELECTED)
    columns["outcome"] = pc.coalesce(columns["outcome"], left_out)
    for name in ("n_split", "n_pieces", "cut_bytes"):
        columns[name] = pc.fill_null(columns[name], 0)
    return pa.table({"doc_id": doc_ids, **columns})
