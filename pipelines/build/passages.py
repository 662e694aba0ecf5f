"""selected → passage_cuts: which passages stand elsewhere too, counted over all selected documents."""

from pydantic import Field

from dedup.passages import PassageConfig
from pipelines.build.built import Built, Check, aligned
from pipelines.build.removals import source_ranks
from pipelines.deduplication.passages import CutPassagesStage, MergePassagesStage, PassageRowsStage
from pipelines.engine import storage
from pipelines.engine.artifact import build_table
from pipelines.engine.dataset import POINTER, DatasetVersion, current
from pipelines.engine.lineage import current_inputs
from pipelines.engine.mill import Mill
from pipelines.engine.runner import Task, run_stage
from pipelines.schemas import PASSAGE_CUTS, PASSAGES_CUT

_CODE_VERSION = 1


class PassagesConfig(PassageConfig):
    """Which passages are cut out of the selected documents, and from which sources they are kept."""

    roles: list[str] = Field(
        default=["wikipedia", "books1", "books2", "webtext", "other", "crawl"],
        description="roles from the one that keeps its copy of a passage to the one that loses it",
    )
    min_words_left: int = Field(
        default=50, description="words that cuts must leave, or the document goes as a whole", ge=1
    )
    hash_ranges: int = Field(
        default=16,
        description="ranges of hashes that are merged one by one; memory of a merge falls in proportion",
        ge=1,
        le=4096,
    )


def build_passages(mill: Mill, config: PassagesConfig) -> Built:
    """Find the repeated passages of the selected documents; with the rule "off" nothing is read."""
    if config.rule == "off":
        key = {"rule": "off", "code": _CODE_VERSION}
        empty = [
            build_table(mill.root, schema, key, lambda: ({}, {"rule": "off"}))
            for schema in (PASSAGE_CUTS, PASSAGES_CUT)
        ]
        nothing = Check("aligned_with_documents", True, "rule 'off': nothing is cut")
        return Built(tuple(empty), PASSAGE_CUTS, (nothing,))
    inputs = list(current_inputs(mill.root, "documents", "selected").values())
    documents, selected = inputs
    ranks = source_ranks(documents.manifest["details"]["roles"], config.roles, "ops.passages.config.roles")
    core = PassageConfig.model_validate(config.model_dump(include=set(PassageConfig.model_fields)))
    folders = (documents.folder, selected.folder)
    first = PassageRowsStage(*folders, ranks, config.hash_ranges, core)
    merged = _merged(mill, config, core, first, inputs)
    if config.rule == "substring":
        again = PassageRowsStage(
            *folders, ranks, config.hash_ranges, core, merged.folder, tuple(merged.shards)
        )
        merged = _merged(mill, config, core, again, [*inputs, merged])
    stage = CutPassagesStage(*folders, merged.folder, tuple(merged.shards), config.min_words_left, core)
    made = run_stage(
        mill.spark, mill.root, stage, _tasks(documents), [*inputs, merged], details={"rule": config.rule}
    )
    cuts = made["passage_cuts"]
    told = Built((cuts, made["passages_cut"]), PASSAGE_CUTS, (aligned(cuts, documents),))
    share = cuts.counts.get("cut_bytes", 0) / max(1, cuts.counts.get("selected_bytes", 0))
    told.metadata["share of bytes cut"] = share
    return told


def current_cuts(mill: Mill) -> DatasetVersion | None:
    """The published passage_cuts; None where there are none or their rule is "off"."""
    if not storage.exists(mill.path(PASSAGE_CUTS.name, POINTER)):
        return None
    cuts = current(mill.root, PASSAGE_CUTS.name)
    return None if cuts.manifest["details"]["rule"] == "off" else cuts


def _merged(
    mill: Mill,
    config: PassagesConfig,
    core: PassageConfig,
    stage: PassageRowsStage,
    inputs: list[DatasetVersion],
) -> DatasetVersion:
    """The repeated passages, a shard for each range of hashes."""
    rows = run_stage(mill.spark, mill.root, stage, _tasks(inputs[0]), inputs)["passage_rows"]
    merging = MergePassagesStage(rows.folder, tuple(rows.shards), config.hash_ranges, core)
    tasks = [Task(f"range-{number:05d}", {"range": number}) for number in range(config.hash_ranges)]
    return run_stage(mill.spark, mill.root, merging, tasks, [rows])["repeated_passages"]


def _tasks(documents: DatasetVersion) -> list[Task]:
    return [Task(shard, {"number": number}) for number, shard in enumerate(documents.shards)]
