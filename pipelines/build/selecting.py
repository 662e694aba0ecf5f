"""signals → selection → duplicates → selected: what is good enough, and one document of each cluster."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, model_validator

from dedup.config import DedupConfig, Removal
from dedup.minhash import MinHashConfig
from pipelines.build.built import Built, Check, aligned
from pipelines.build.indexing import ROLES_KEY, IndexConfig, build_indexed_duplicates, index_criteria
from pipelines.build.removals import by_shard, source_ranks, survivors_stay
from pipelines.deduplication.deduplicate import deduplicate
from pipelines.deduplication.document_rows import StoredRows
from pipelines.deduplication.repeated import REPEATED, repeated_rows
from pipelines.engine.artifact import build_table
from pipelines.engine.dataset import read_shard
from pipelines.engine.lineage import current_inputs
from pipelines.engine.mill import Mill
from pipelines.engine.runner import run_stage, shard_tasks
from pipelines.fitted_alpha import told, with_alpha
from pipelines.list_files import blocklist_files, digest_files
from pipelines.report import funnel, rule_rows
from pipelines.schemas import DUPLICATES, SELECTED, SELECTION
from pipelines.select_stages import MarkStage, SelectStage
from pipelines.selection_config import SelectionConfig

_CODE_VERSION = 1
_DUPLICATES_CODE_VERSION = 4


class DuplicatesConfig(BaseModel):
    """What is a duplicate and which copy stays."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    roles: list[str] = Field(
        default=["wikipedia", "books1", "books2", "webtext", "other", "crawl"],
        description="roles from the one whose copy stays to the one whose copy goes",
    )
    dedup: DedupConfig = Field(default=DedupConfig(), description="similarity, candidates, survivor policy")
    index: IndexConfig | None = Field(
        default=None, description="earlier snapshots to deduplicate against; null: these documents alone"
    )

    @model_validator(mode="after")
    def _index_can_honour(self) -> Self:
        if self.index is not None:
            index_criteria(self.dedup)
        return self


def build_selection(mill: Mill, config: SelectionConfig) -> Built:
    """Judge every document by itself: address, length, language, rule sets, quality, an id that was seen before.

    A null alpha is filled in from the quality model that the signals were scored by.
    """
    documents, signals = current_inputs(mill.root, "documents", "signals").values()
    config, fit = with_alpha(mill.root, signals, config)
    repeated = build_table(
        mill.root,
        REPEATED,
        {"code": _CODE_VERSION},
        lambda: (repeated_rows(mill.spark(), documents), {}),
        {"documents": documents},
    )
    roles: dict[str, str] = documents.manifest["details"]["roles"]
    curated = sorted(source for source, role in roles.items() if role != "crawl")
    files = blocklist_files(config.blocklists)
    lists = digest_files(files) if files else ""
    stage = SelectStage(documents.folder, signals.folder, repeated.folder, curated, config, lists)
    inputs = [documents, signals, repeated]
    details = None if fit is None else {"pareto_fit": fit}
    made = run_stage(mill.spark, mill.root, stage, shard_tasks(documents), inputs, details=details)
    version = made["selection"]
    tables = {"rules": rule_rows(version.counts), "funnel": funnel(version)}
    metadata = {} if fit is None else {"pareto_alpha": told(fit), "pareto_distance": fit["distance"]}
    return Built(
        (version, repeated), SELECTION, (aligned(version, documents),), metadata=metadata, tables=tables
    )


def build_duplicates(mill: Mill, config: DuplicatesConfig) -> Built:
    """Find the duplicates among the selected documents, and the survivor of each cluster.

    With `index` they are held against earlier snapshots too, by the rule of the index (dedup.online).
    """
    inputs = current_inputs(mill.root, "documents", "signals", "sketches", "selection")
    if config.index is not None:
        return build_indexed_duplicates(mill, config.index, config.dedup, config.roles)
    documents, selection = inputs["documents"], inputs["selection"]
    minhash = MinHashConfig.model_validate(inputs["sketches"].manifest["details"]["minhash"])
    ranks = source_ranks(documents.manifest["details"]["roles"], config.roles, ROLES_KEY)
    dedup = by_source(config.dedup, documents.manifest["details"]["roles"], config.roles)
    rows = StoredRows(
        documents.folder,
        inputs["signals"].folder,
        inputs["sketches"].folder,
        tuple(documents.shards),
        minhash,
    )
    folder = selection.folder

    def eligible(shard: str, documents: pa.Table) -> npt.NDArray[np.bool_]:
        return np.asarray(read_shard(folder, shard, SELECTION, ["keep"])["keep"])

    def make() -> tuple[dict[str, pa.Table], dict[str, Any]]:
        counts: Counter[str] = Counter()
        found = deduplicate(mill.spark(), rows, eligible, ranks, dedup, counts)
        kinds = Counter(found["kind"].to_pylist())
        told = {**counts, **{f"{kind}_duplicates": n for kind, n in kinds.items()}}
        return by_shard(found, documents), {"counts": told}

    key = {"config": config.model_dump(mode="json"), "ranks": ranks, "code": _DUPLICATES_CODE_VERSION}
    version = build_table(mill.root, DUPLICATES, key, make, inputs)
    return Built((version,), DUPLICATES, (survivors_stay(version),))


def build_selected(mill: Mill) -> Built:
    """Mark the documents that passed the selection and are no duplicates."""
    inputs = list(current_inputs(mill.root, "signals", "selection", "duplicates").values())
    signals, selection, duplicates = inputs
    stage = MarkStage(signals.folder, selection.folder, duplicates.folder)
    version = run_stage(mill.spark, mill.root, stage, shard_tasks(selection), inputs)["selected"]
    kept = version.counts.get("kept", 0)
    some = Check("something_is_kept", kept > 0, f"{kept} of {version.rows} documents are kept")
    return Built((version,), SELECTED, (aligned(version, selection), some))


def by_source(config: DedupConfig, roles: Mapping[str, str], known: Sequence[str]) -> DedupConfig:
    """`config` with each role in `within` and `across` replaced by the sources that have it.

    `roles` holds the role of each source. The sources of one role in `within` are one collection: they also
    lose documents to each other. A role of `known` that no source has stands for none, so that one config
    serves several corpora; a rule that is left without sources on one side says nothing.
    """

    def sources(names: Sequence[str]) -> list[str]:
        found: list[str] = []
        for name in names:
            of_role = sorted(source for source, role in roles.items() if role == name)
            found += of_role or ([] if name in known else [name])
        return found

    within = None if config.within is None else sources(config.within)
    across = None
    if config.across is not None:
        sides = [(sources(rule.keep), sources(rule.remove)) for rule in config.across]
        sides += [(sources([name]), sources([name])) for name in config.within or []]
        across = [Removal(keep=keep, remove=remove) for keep, remove in sides if keep and remove]
    return config.model_copy(update={"within": within, "across": across})
