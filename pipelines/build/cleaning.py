"""selected → corpus and contamination → decisions: benchmarks cut out, one decision for every document."""

import dataclasses
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from pipelines.build.built import Built, Check, aligned, not_empty
from pipelines.build.passages import current_cuts
from pipelines.decontaminate import DecontaminationConfig, Decontaminator
from pipelines.decontamination.benchmarks import BenchmarkConfig, benchmark_files
from pipelines.decontamination.decontaminate_stage import (
    MERGED_GRAM_COUNTS,
    MERGED_SHARD,
    CountGramsStage,
    DecontaminateStage,
    merged_counts,
)
from pipelines.demo.questions import build_demo_benchmarks
from pipelines.engine import storage
from pipelines.engine.artifact import build_artifact, build_table
from pipelines.engine.dataset import DatasetVersion, current
from pipelines.engine.lineage import consistent, current_inputs
from pipelines.engine.mill import Mill
from pipelines.engine.runner import run_stage, shard_tasks
from pipelines.personal_data import PersonalDataConfig
from pipelines.schemas import CORPUS, DECISIONS
from pipelines.select_stages import DecideStage

GRAMS = "benchmark_grams"
_CODE_VERSION = 1


class CorpusConfig(BaseModel):
    """The benchmarks to keep out of the corpus, and the rule."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    benchmarks: list[BenchmarkConfig] = Field(
        [], description="benchmarks whose n-grams are cut out of the corpus"
    )
    rule: DecontaminationConfig = Field(DecontaminationConfig(), description="GPT-3's rule in numbers")
    personal_data: PersonalDataConfig = Field(
        PersonalDataConfig(), description="what is done about personal data in the corpus"
    )


def build_corpus(mill: Mill, config: CorpusConfig) -> Built:
    """Cut the benchmarks' n-grams out of what was selected: counted over all shards first, then applied.

    Where the asset `passages` has found repeated passages, they are cut out before; personal data is treated last.
    """
    documents, selected = current(mill.root, "documents"), current(mill.root, "selected")
    passages = current_cuts(mill)
    read = [documents, selected, *([passages] if passages else [])]
    consistent(mill.root, {version.name: version for version in read})
    grams = _benchmark_grams(mill, config)
    local = grams.folder
    cuts = passages.folder if passages else ""
    counting = CountGramsStage(documents.folder, selected.folder, local, cuts)
    tasks = shard_tasks(documents)
    inputs = [documents, selected, grams, *([passages] if passages else [])]
    counted = run_stage(mill.spark, mill.root, counting, tasks, inputs)["gram_counts"]
    merged = build_table(
        mill.root,
        MERGED_GRAM_COUNTS,
        {"code": _CODE_VERSION},
        lambda: (
            {MERGED_SHARD: merged_counts(Decontaminator.load(local), counted.folder, counted.shards)},
            {},
        ),
        {"gram_counts": counted, GRAMS: grams},
    )
    folders = (documents.folder, selected.folder, local, merged.folder, cuts)
    stage = DecontaminateStage(*folders, config.personal_data)
    made = run_stage(mill.spark, mill.root, stage, tasks, [*inputs, merged])
    corpus, outcome = made["corpus"], made["decontaminated"]
    checks = (not_empty(corpus), aligned(outcome, documents))
    beside = (made["contamination"], outcome, made["personal_data"], counted, merged, grams)
    return Built((corpus, *beside), CORPUS, checks)


def build_decisions(mill: Mill) -> Built:
    """One row a document: kept or not, and why."""
    inputs = current_inputs(mill.root, "selection", "duplicates", "decontaminated", GRAMS)
    selection = inputs["selection"]
    min_jaccard = inputs["duplicates"].manifest["config"]["config"]["dedup"]["threshold"]
    max_pieces = inputs[GRAMS].manifest["config"]["config"]["rule"]["max_pieces"]
    stage = DecideStage(
        selection.folder,
        inputs["duplicates"].folder,
        inputs["decontaminated"].folder,
        min_jaccard,
        max_pieces,
    )
    upstream = list(inputs.values())
    version = run_stage(mill.spark, mill.root, stage, shard_tasks(selection), upstream)["decisions"]
    return Built((version,), DECISIONS, (aligned(version, selection), _sums_up(version)))


def _benchmark_grams(mill: Mill, config: CorpusConfig) -> DatasetVersion:
    benchmarks = config.benchmarks or _demo_benchmarks(mill)

    def make(folder: Path) -> dict[str, Any]:
        decontaminator = Decontaminator.from_files(benchmarks, config.rule)
        decontaminator.save(str(folder))
        return {"summaries": [dataclasses.asdict(summary) for summary in decontaminator.summaries]}

    paths = [path for benchmark in benchmarks for path in benchmark_files(benchmark)]
    key = {
        "config": config.model_dump(mode="json", exclude={"personal_data"}),
        "files": [[path, storage.size(path), storage.modified(path)] for path in paths],
        "code": _CODE_VERSION,
    }
    return build_artifact(mill.root, GRAMS, key, make)


def _demo_benchmarks(mill: Mill) -> list[BenchmarkConfig]:
    """The demo's own benchmark where the demo was crawled, else none: then nothing is cut."""
    if not current(mill.root, "documents").manifest["details"]["is_demo"]:
        return []
    return build_demo_benchmarks(mill.path("demo"))


def _sums_up(version: DatasetVersion) -> Check:
    reasons = sum(n for name, n in version.counts.items() if name.startswith("reason:"))
    return Check(
        "one_reason_each", reasons == version.rows, f"{reasons} reasons for {version.rows} documents"
    )
