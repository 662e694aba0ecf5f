"""Selection over shards: what passes by itself, what is left after deduplication, and the final decisions."""

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.decontaminate import PIECES_TOO_SHORT, TOO_MANY_PIECES
from pipelines.decontamination.decontaminate_stage import DECONTAMINATED, PASSAGES_CUT_OUT
from pipelines.deduplication.repeated import REPEATED
from pipelines.engine.dataset import read_shard
from pipelines.engine.runner import RECORDS, ShardOutput, Stage, Task
from pipelines.judge import count_failures, judge
from pipelines.list_files import blocklist_files
from pipelines.reasons import Reason
from pipelines.schemas import DECISIONS, DOCUMENTS, DUPLICATES, SELECTED, SELECTION, SIGNALS, DatasetSchema
from pipelines.select import as_decisions, check_aligned, decide
from pipelines.selection_config import SelectionConfig
from quality.blocklists import BlocklistConfig, Blocklists

_LOSSES = {
    PASSAGES_CUT_OUT: Reason.PASSAGES,
    TOO_MANY_PIECES: Reason.TOO_MANY_PIECES,
    PIECES_TOO_SHORT: Reason.CONTAMINATED,
}
"""Outcomes of decontamination that take a document as a whole, and what they are called in `decisions`."""


@dataclass(frozen=True)
class SelectStage(Stage):
    """documents + signals + repeated → selection, row for row: each document judged by itself.

    No text is read. `lists` is the digest of the block lists, which are not part of the config's text.
    """

    name: ClassVar[str] = "select"
    version: ClassVar[int] = 2

    documents: str
    signals: str
    repeated: str
    curated: list[str]
    config: SelectionConfig
    lists: str = ""

    @property
    def outputs(self) -> tuple[DatasetSchema, ...]:
        """The decisions before deduplication and decontamination."""
        return (SELECTION,)

    def process(self, task: Task, out: ShardOutput) -> None:
        """Judge the rows of one shard."""
        documents, signals, blocked = read_narrow(self.documents, self.signals, task.name, self.config)
        repeated = np.zeros(documents.num_rows, bool)
        repeated[read_shard(self.repeated, task.name, REPEATED)["row"].to_numpy()] = True
        judged = judge(documents, signals, self.curated, self.config, repeated, blocked)
        decided = as_decisions(documents, judged)
        out.write(SELECTION.name, decided)
        count_reasons(decided, out)
        for name, n in count_failures(judged).items():
            out.count(name, n)


def read_narrow(
    documents: str, signals: str, shard: str, config: SelectionConfig
) -> tuple[pa.Table, pa.Table, pa.RecordBatch | None]:
    """What `judge` asks of one shard: documents without their texts, signals, and which addresses are blocked."""
    columns = ["doc_id", "source", "n_words"]
    lists = bool(blocklist_files(config.blocklists))
    narrow = read_shard(documents, shard, DOCUMENTS, [*columns, "url"] if lists else columns)
    measured = read_shard(signals, shard, SIGNALS)
    check_aligned(narrow, measured)
    blocked = None
    if lists:
        blocked = blocklists(config.blocklists.model_dump_json()).check(narrow["url"])
    return narrow, measured, blocked


@lru_cache(maxsize=1)
def blocklists(config: str) -> Blocklists:
    """The lists that the JSON of a BlocklistConfig names, read once a process."""
    return Blocklists(BlocklistConfig.model_validate_json(config))


@dataclass(frozen=True)
class MarkStage(Stage):
    """selection + duplicates → selected: the rows that go on to decontamination."""

    name: ClassVar[str] = "mark_selected"
    version: ClassVar[int] = 1

    signals: str
    selection: str
    duplicates: str

    @property
    def outputs(self) -> tuple[DatasetSchema, ...]:
        """The keep list."""
        return (SELECTED,)

    def process(self, task: Task, out: ShardOutput) -> None:
        """Mark the rows of one shard."""
        selection = read_shard(self.selection, task.name, SELECTION, ["doc_id", "source", "keep"])
        removed = read_shard(self.duplicates, task.name, DUPLICATES, ["doc_id"])
        duplicate = pc.is_in(selection["doc_id"], value_set=removed["doc_id"].combine_chunks())
        keep = pc.and_(selection["keep"], pc.invert(duplicate))
        language = read_shard(self.signals, task.name, SIGNALS, ["language"])["language"]
        columns = {"doc_id": selection["doc_id"], "source": selection["source"], "language": language}
        out.write(SELECTED.name, pa.table({**columns, "keep": keep}))
        out.count("kept", pc.sum(keep).as_py() or 0)


@dataclass(frozen=True)
class DecideStage(Stage):
    """selection + duplicates + outcome of decontamination → decisions, one row a document."""

    name: ClassVar[str] = "decide"
    version: ClassVar[int] = 2

    selection: str
    duplicates: str
    decontaminated: str
    min_jaccard: float
    max_pieces: int

    @property
    def outputs(self) -> tuple[DatasetSchema, ...]:
        """The final decisions."""
        return (DECISIONS,)

    def process(self, task: Task, out: ShardOutput) -> None:
        """Decide on the rows of one shard."""
        selection = read_shard(self.selection, task.name, SELECTION)
        duplicates = read_shard(self.duplicates, task.name, DUPLICATES)
        outcomes = read_shard(self.decontaminated, task.name, DECONTAMINATED)
        losses = whole_losses(outcomes, self.max_pieces)
        decided = decide(selection, duplicates, losses, self.min_jaccard)
        out.write(DECISIONS.name, decided)
        count_reasons(decided, out)


def whole_losses(outcomes: pa.Table, max_pieces: int) -> pa.Table:
    """Of DECONTAMINATED rows the documents that were lost as a whole, as `decide` takes them."""
    reasons = pa.array(list(_LOSSES.values()), pa.string())
    found = pc.index_in(outcomes["outcome"], value_set=pa.array(list(_LOSSES), pa.string()))
    lost = outcomes.append_column("reason", reasons.take(found.combine_chunks())).filter(pc.is_valid(found))
    no_figure = pa.scalar(None, pa.float64())
    split = pc.equal(lost["reason"], str(Reason.TOO_MANY_PIECES))
    cut = pc.equal(lost["reason"], str(Reason.CONTAMINATED))
    cut_bytes = pc.if_else(cut, lost["cut_bytes"].cast(pa.float64()), no_figure)
    return pa.table(
        {
            "doc_id": lost["doc_id"],
            "reason": lost["reason"],
            "figure": pc.if_else(split, lost["n_split"].cast(pa.float64()), cut_bytes),
            "limit": pc.if_else(split, pa.scalar(float(max_pieces)), no_figure),
            "evidence": lost["benchmark"],
        }
    )


def count_reasons(decided: pa.Table, out: ShardOutput) -> None:
    """Count the rows by reason and by source and reason."""
    out.count(RECORDS, decided.num_rows)
    pairs = zip(decided["source"].to_pylist(), decided["reason"].to_pylist(), strict=True)
    for (source, reason), n in Counter(pairs).items():
        out.count(f"reason:{reason}", n)
        out.count(f"source:{source}:{reason}", n)
