"""Raw datasets → sft, comparisons, pairs, prompts: all rules in one pass, one build step for all of them."""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field

from pipelines.build import rlhf_contracts as contracts
from pipelines.build.built import Built, Check
from pipelines.build.chat_tokenizer import CHAT_TOKENIZER
from pipelines.build.cleaning import GRAMS
from pipelines.build.rlhf_cleaning import CLEAN, CLEAN_DECISIONS, raw_tables, round_records
from pipelines.build.rlhf_models import USE_CASE_MODEL
from pipelines.build.rlhf_reading import SHARD
from pipelines.decontaminate import DecontaminationConfig, Decontaminator
from pipelines.decontamination.benchmarks import BenchmarkConfig, benchmark_files
from pipelines.engine import storage
from pipelines.engine.artifact import build_artifact, build_table
from pipelines.engine.dataset import POINTER, DatasetVersion, current, read_dataset
from pipelines.engine.lineage import current_inputs
from pipelines.engine.mill import Mill
from pipelines.rlhf import chat_tokenizer, use_case
from pipelines.rlhf.augment import AugmentConfig, augment, mark_code
from pipelines.rlhf.cards import CardFacts, write_card
from pipelines.rlhf.code_pairs import CODE_PAIRS
from pipelines.rlhf.quotas import SHORTFALLS
from pipelines.rlhf.schemas import (
    COMPARISONS,
    PAIRS,
    PROMPTS,
    READ_DECISIONS,
    RLHF_DECISIONS,
    SFT,
)
from pipelines.rlhf.selection import Datasets, RulesConfig, build_datasets
from pipelines.rlhf.splits import SPLITS
from pipelines.rlhf.votes import CYCLES
from pipelines.schemas import DatasetSchema

RLHF_GRAMS = "rlhf_benchmark_grams"
RLHF_SHORTFALLS = DatasetSchema("rlhf_shortfalls", 1, SHORTFALLS)
MAJORITY_CYCLES = DatasetSchema("majority_cycles", 1, CYCLES)
BY_SPLIT = (SFT, COMPARISONS, PAIRS, PROMPTS)
BENCHMARKS_KEY = "ops.instruction_datasets.config.benchmarks"
_ROWS_PER_SHARD = 50_000
_CODE_VERSION = 3


class InstructionDatasetsConfig(BaseModel):
    """The rules between the raw datasets and those that a trainer reads."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rules: RulesConfig = Field(
        default=RulesConfig(), description="lengths, duplicates, splits, users, quotas"
    )
    augment: AugmentConfig = Field(
        default=AugmentConfig(),
        description="further forms of demonstrations in train: few-shot, task-conditioned",
    )
    benchmarks: list[BenchmarkConfig] = Field(
        default=[],
        description="benchmarks whose n-grams keep a record out, besides those of the corpus (corpus_benchmarks)",
    )
    corpus_benchmarks: bool = Field(
        default=True,
        description="keep out what holds an n-gram of the benchmarks that the published corpus was held against, "
        "where there is a corpus; off: those of `benchmarks` alone",
    )
    rule: DecontaminationConfig = Field(
        default=DecontaminationConfig(),
        description="n-grams of `benchmarks`; windows and pieces have no meaning here",
    )


def build_instruction_datasets(mill: Mill, config: InstructionDatasetsConfig) -> dict[str, Built]:
    """sft, comparisons, pairs, prompts and rlhf_decisions, by name."""
    names = [schema.name for schema in (READ_DECISIONS, *CLEAN, CLEAN_DECISIONS, CODE_PAIRS)]
    inputs = current_inputs(mill.root, *names, CHAT_TOKENIZER, USE_CASE_MODEL)
    grams = benchmark_grams(mill, config)
    inputs |= {version.name: version for version in grams}
    made: list[Datasets] = []

    def shards(schema: DatasetSchema) -> tuple[dict[str, pa.Table], dict[str, Any]]:
        if not made:
            made.append(_build(mill.root, inputs, config, grams))
        return _shards(schema, made[0], inputs), {"figures": made[0].figures}

    key = {
        "rules": config.rules.model_dump(mode="json"),
        "augment": config.augment.model_dump(mode="json"),
        "code": _CODE_VERSION,
    }
    found = {
        schema.name: build_table(mill.root, schema, key, partial(shards, schema), inputs)
        for schema in (*BY_SPLIT, RLHF_DECISIONS, RLHF_SHORTFALLS, MAJORITY_CYCLES)
    }
    return _built(mill, found, inputs, config.rules, grams)


def _shards(
    schema: DatasetSchema, datasets: Datasets, inputs: dict[str, DatasetVersion]
) -> dict[str, pa.Table]:
    if schema is RLHF_DECISIONS:
        return {SHARD: all_decisions(inputs, datasets.decisions)}
    if schema is RLHF_SHORTFALLS:
        return {SHARD: datasets.shortfalls}
    if schema is MAJORITY_CYCLES:
        return {SHARD: datasets.cycles}
    table: pa.Table = getattr(datasets, schema.name)
    return split_shards(table)


def split_shards(table: pa.Table) -> dict[str, pa.Table]:
    """`table` by split as <split>-00000 and so on; a split without rows has no shard."""
    shards: dict[str, pa.Table] = {}
    for split in SPLITS:
        rows = table.filter(pc.equal(table["split"], split))
        for number, first in enumerate(range(0, rows.num_rows, _ROWS_PER_SHARD)):
            shards[f"{split}-{number:05d}"] = rows.slice(first, _ROWS_PER_SHARD)
    return shards


def all_decisions(inputs: dict[str, DatasetVersion], of_rules: pa.Table) -> pa.Table:
    """Decisions of reading, cleaning and rules as one table, by dataset and record."""
    parts = [
        read_dataset(inputs[schema.name], schema).cast(RLHF_DECISIONS.schema)
        for schema in (READ_DECISIONS, CLEAN_DECISIONS)
    ]
    return pa.concat_tables([*parts, of_rules]).sort_by(
        [("dataset", "ascending"), ("record_id", "ascending")]
    )


def _build(
    root: str,
    inputs: dict[str, DatasetVersion],
    config: InstructionDatasetsConfig,
    grams: Sequence[DatasetVersion],
) -> Datasets:
    """All rules, then the marks of code and the further forms of demonstrations."""
    demonstrations, judgements, prompts = (read_dataset(inputs[schema.name], schema) for schema in CLEAN)
    has_model = inputs[USE_CASE_MODEL].manifest["details"]["card"] is not None
    classifier = use_case.load(inputs[USE_CASE_MODEL].folder) if has_model else None
    tokenizer = chat_tokenizer.load(inputs[CHAT_TOKENIZER].folder)
    decontaminators = [Decontaminator.load(version.folder) for version in grams]
    rules = config.rules
    made = build_datasets(
        demonstrations,
        judgements,
        prompts,
        rules,
        tokenizer,
        decontaminators,
        classifier,
        round_records(root, inputs[CLEAN[0].name]),
    )
    of_code = read_dataset(inputs[CODE_PAIRS.name], CODE_PAIRS, ["source"])["source"].unique().to_pylist()
    forms = augment(made.sft, tokenizer, config.augment, rules.lengths)
    sft = mark_code(made.sft, of_code)
    figures = made.figures | {f"form {name}": n for name, n in forms.counts.items()}
    return made._replace(sft=pa.concat_tables([sft, forms.rows]).sort_by("record_id"), figures=figures)


def benchmark_grams(mill: Mill, config: InstructionDatasetsConfig) -> list[DatasetVersion]:
    """The n-grams of the corpus's benchmarks and of the config's, each under the rule that it was made by."""
    found = []
    if config.corpus_benchmarks and storage.exists(mill.path(GRAMS, POINTER)):
        found.append(current_inputs(mill.root, GRAMS)[GRAMS])
    return [*found, _own_grams(mill, config)] if config.benchmarks else found


def _own_grams(mill: Mill, config: InstructionDatasetsConfig) -> DatasetVersion:
    """The n-grams of the benchmarks that the config names."""
    paths = [path for benchmark in config.benchmarks for path in benchmark_files(benchmark)]
    key = {
        "benchmarks": [benchmark.model_dump(mode="json") for benchmark in config.benchmarks],
        "rule": config.rule.model_dump(mode="json"),
        "files": [[path, storage.size(path), storage.modified(path)] for path in paths],
        "code": _CODE_VERSION,
    }

    def make(folder: Path) -> dict[str, Any]:
        Decontaminator.from_files(config.benchmarks, config.rule).save(str(folder))
        return {"benchmarks": [benchmark.name for benchmark in config.benchmarks]}

    return build_artifact(mill.root, RLHF_GRAMS, key, make)


def _built(
    mill: Mill,
    found: dict[str, DatasetVersion],
    inputs: dict[str, DatasetVersion],
    rules: RulesConfig,
    grams: Sequence[DatasetVersion],
) -> dict[str, Built]:
    tables = {schema.name: read_dataset(found[schema.name], schema) for schema in BY_SPLIT}
    decisions = read_dataset(found[RLHF_DECISIONS.name], RLHF_DECISIONS)
    tokenizer = chat_tokenizer.load(inputs[CHAT_TOKENIZER].folder)
    answered = [tables[SFT.name], tables[COMPARISONS.name]]
    grouped = {schema.name: tables[schema.name] for schema in (SFT, COMPARISONS, PROMPTS)}
    raw = raw_tables(mill.root, inputs[CLEAN[0].name])
    read = read_dataset(inputs[READ_DECISIONS.name], READ_DECISIONS)
    meant = dict(
        zip((SFT.name, COMPARISONS.name, PROMPTS.name), (t.num_rows for t in raw.values()), strict=True)
    )
    sft, judged, asked = SFT.name, COMPARISONS.name, PROMPTS.name
    checks: dict[str, tuple[Check, ...]] = {
        sft: (
            contracts.filled(tables[sft], meant[sft], sft),
            contracts.template_ids(tables[sft]["messages"], tokenizer),
            contracts.groups_in_one_split(grouped),
        ),
        judged: (
            contracts.filled(tables[judged], meant[judged], judged),
            contracts.template_ids(contracts.judged_dialogues(tables[judged]), tokenizer),
            contracts.prompts_in_one_split(tables[judged]),
        ),
        PAIRS.name: (contracts.prompts_in_one_split(tables[PAIRS.name]),),
        asked: (
            contracts.filled(tables[asked], meant[asked], asked),
            contracts.template_ids(tables[asked]["messages"], tokenizer),
            contracts.disjoint_prompts(tables[asked], answered, rules.prompts.shared_groups),
        ),
        RLHF_DECISIONS.name: (contracts.one_decision_each(decisions, raw, read),),
    }
    built = {
        schema.name: Built(
            (found[schema.name],),
            schema,
            checks[schema.name],
            found[schema.name].manifest["details"]["figures"] if schema is SFT else {},
            {"by_split": by_split(tables[schema.name])},
        )
        for schema in BY_SPLIT
    }
    rest = tuple(found[schema.name] for schema in (RLHF_DECISIONS, RLHF_SHORTFALLS, MAJORITY_CYCLES))
    own = tuple(version for version in grams if version.name == RLHF_GRAMS)
    built[RLHF_DECISIONS.name] = Built(
        (*rest, *own),
        RLHF_DECISIONS,
        checks[RLHF_DECISIONS.name],
        {"benchmarks": ", ".join(version.name for version in grams) or "none"},
        {"reasons": reasons(decisions), "shortfalls": _rows(read_dataset(rest[1], RLHF_SHORTFALLS))},
    )
    return built


def by_split(table: pa.Table) -> list[list[Any]]:
    """Header and rows: rows and different prompts by split."""
    grouped = table.group_by("split").aggregate([([], "count_all"), ("prompt_id", "count_distinct")])
    counts = {row["split"]: row for row in grouped.to_pylist()}
    rows = [
        [split, counts[split]["count_all"], counts[split]["prompt_id_count_distinct"]]
        for split in SPLITS
        if split in counts
    ]
    return [["split", "rows", "prompts"], *rows]


def reasons(decisions: pa.Table) -> list[list[Any]]:
    """Header and rows: decisions by raw dataset and reason, the most frequent first; kept ones on top."""
    counts = Counter(zip(decisions["dataset"].to_pylist(), decisions["reason"].to_pylist(), strict=True))
    names = sorted({dataset for dataset, _ in counts})
    totals = Counter(decisions["reason"].to_pylist())
    kept = set(decisions.filter(decisions["keep"])["reason"].to_pylist())
    order = sorted(totals, key=lambda reason: (reason not in kept, -totals[reason], reason))
    rows = [[reason, *(counts[name, reason] for name in names), totals[reason]] for reason in order]
    return [["reason", *names, "all"], *rows]


def _rows(table: pa.Table) -> list[list[Any]]:
    return [table.column_names, *[list(row.values()) for row in table.to_pylist()]]


def write_cards(mill: Mill) -> None:
    """Write the dataset card of each published dataset, by which `datasets` finds the current version's files."""
    for schema in BY_SPLIT:
        version = current(mill.root, schema.name)
        facts = CardFacts(f"Made by Gristmill, job build_rlhf, commit {version.manifest['code_commit']}.")
        write_card(mill.root, version, schema, read_dataset(version, schema), facts)
