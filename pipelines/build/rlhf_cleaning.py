"""Raw records of all kinds → those that can be examples: sources, code pairs and finished rounds in one place."""

from collections import Counter
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field

from pipelines.build.built import Built, Check
from pipelines.build.rlhf_code import CODE_JUDGEMENTS
from pipelines.build.rlhf_reading import RAW, SHARD
from pipelines.engine.artifact import build_table
from pipelines.engine.dataset import DatasetVersion, open_version, read_dataset
from pipelines.engine.lineage import current_inputs
from pipelines.engine.mill import Mill
from pipelines.rlhf.cleaning import clean_demonstrations, clean_judgements, clean_prompts
from pipelines.rlhf.cleaning_config import CleaningConfig
from pipelines.rlhf.code_pairs import CODE_PAIRS
from pipelines.rlhf.decisions import Ledger
from pipelines.rlhf.labelling.tables import LABELLED_DEMONSTRATIONS, LABELLED_JUDGEMENTS
from pipelines.rlhf.languages import unwanted_languages, with_languages
from pipelines.rlhf.rounds import of_round
from pipelines.rlhf.schemas import RAW_DEMONSTRATIONS, RAW_JUDGEMENTS, RAW_PROMPTS, RLHF_DECISIONS
from pipelines.schemas import DatasetSchema

CLEAN_DEMONSTRATIONS = DatasetSchema("clean_demonstrations", 1, RAW_DEMONSTRATIONS.schema)
CLEAN_JUDGEMENTS = DatasetSchema("clean_judgements", 1, RAW_JUDGEMENTS.schema)
CLEAN_PROMPTS = DatasetSchema("clean_prompts", 1, RAW_PROMPTS.schema)
CLEAN_DECISIONS = DatasetSchema("clean_decisions", 1, RLHF_DECISIONS.schema)
CLEAN = (CLEAN_DEMONSTRATIONS, CLEAN_JUDGEMENTS, CLEAN_PROMPTS)

_CODE_VERSION = 1


class CleanedConfig(BaseModel):
    """What becomes of raw records before they are compared with each other."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cleaning: CleaningConfig = Field(default=CleaningConfig(), description="rules on single records")
    languages: list[str] = Field(
        default=[],
        description="ISO 639-1 codes of the prompts that stay, besides those of no known language; empty: all",
    )
    rounds: list[int] = Field(
        default=[],
        description="numbers of the finished rounds whose judgements and demonstrations are taken in",
    )


def raw_parts(rounds: list[int]) -> dict[str, list[DatasetSchema]]:
    """By raw dataset, the datasets of its columns whose rows it is made of."""
    parts = {
        RAW_DEMONSTRATIONS.name: [RAW_DEMONSTRATIONS, CODE_PAIRS],
        RAW_JUDGEMENTS.name: [RAW_JUDGEMENTS, CODE_JUDGEMENTS],
        RAW_PROMPTS.name: [RAW_PROMPTS],
    }
    for number in sorted(set(rounds)):
        parts[RAW_DEMONSTRATIONS.name].append(of_round(LABELLED_DEMONSTRATIONS, number))
        parts[RAW_JUDGEMENTS.name].append(of_round(LABELLED_JUDGEMENTS, number))
    return parts


def raw_tables(root: str, cleaned: DatasetVersion) -> dict[str, pa.Table]:
    """The raw records that the version `cleaned` of a CLEAN dataset was made of, by raw dataset."""
    parts = raw_parts(cleaned.manifest["details"]["rounds"])
    inputs = cleaned.manifest["inputs"]
    return {name: _joined(root, schemas, inputs) for name, schemas in parts.items()}


def round_records(root: str, cleaned: DatasetVersion) -> pa.Array:
    """record_ids of the judgements and demonstrations of rounds that the version `cleaned` took in."""
    details, inputs = cleaned.manifest["details"], cleaned.manifest["inputs"]
    labelled = [
        of_round(schema, number)
        for number in details["rounds"]
        for schema in (LABELLED_JUDGEMENTS, LABELLED_DEMONSTRATIONS)
    ]
    tables = [_joined(root, [schema], inputs)["record_id"] for schema in labelled]
    return pa.chunked_array([chunk for ids in tables for chunk in ids.chunks], pa.string()).combine_chunks()


def _joined(root: str, schemas: list[DatasetSchema], inputs: dict[str, str]) -> pa.Table:
    tables = [schemas[0].schema.empty_table()]
    for schema in schemas:
        version = open_version(root, schema.name, inputs[schema.name])
        if version is None:
            raise ValueError(f"{root}/{schema.name}/{inputs[schema.name]} is gone; run the asset again")
        tables.append(read_dataset(version, schema))
    return pa.concat_tables(tables)


def build_cleaned(mill: Mill, config: CleanedConfig) -> Built:
    """Leave out records that cannot be examples whatever stands beside them."""
    parts = raw_parts(config.rounds)
    inputs = current_inputs(mill.root, *(schema.name for schemas in parts.values() for schema in schemas))
    made: dict[str, pa.Table] = {}
    told: dict[str, Any] = {}

    def make(name: str) -> tuple[dict[str, pa.Table], dict[str, Any]]:
        if not made:
            versions = {name: version.version for name, version in inputs.items()}
            raw = {name: _joined(mill.root, schemas, versions) for name, schemas in parts.items()}
            found, counts = clean(raw, config)
            made.update(found)
            told.update(counts)
        return {SHARD: made[name]}, {"counts": told, "rounds": config.rounds}

    key = {"config": config.model_dump(mode="json"), "code": _CODE_VERSION}
    versions = tuple(
        build_table(mill.root, schema, key, partial(make, schema.name), inputs)
        for schema in (*CLEAN, CLEAN_DECISIONS)
    )
    whole = sum(version.rows for version in inputs.values())
    left = sum(version.rows for version in versions)
    checks = (
        Check("not_empty", whole > 0, f"{whole} raw records"),
        Check("every_record_once", whole == left, f"{left} of {whole} raw records are kept or dropped"),
    )
    reasons = Counter(read_dataset(versions[3], CLEAN_DECISIONS, ["reason"])["reason"].to_pylist())
    table = [["reason", "records"], *([name, n] for name, n in reasons.most_common())]
    return Built(versions, CLEAN_DEMONSTRATIONS, checks, tables={"dropped": table})


def clean(raw: dict[str, pa.Table], config: CleanedConfig) -> tuple[dict[str, pa.Table], dict[str, int]]:
    """The CLEAN tables and CLEAN_DECISIONS (dropped records alone) by name, and counts of completions taken out."""
    demonstrations, judgements, prompts = (with_languages(raw[schema.name]) for schema in RAW)
    judged = clean_judgements(judgements, config.cleaning)
    parts = (
        (demonstrations, clean_demonstrations(demonstrations, config.cleaning)),
        (judged.table, judged.drops),
        (prompts, clean_prompts(prompts, config.cleaning)),
    )
    found: dict[str, pa.Table] = {}
    decisions = [CLEAN_DECISIONS.schema.empty_table()]
    for schema, of, (table, drops) in zip(CLEAN, RAW, parts, strict=True):
        ledger = _ledger(table, of.name)
        ledger.drop(unwanted_languages(table, config.languages))
        ledger.drop(drops)
        found[schema.name] = table.take(pa.array(ledger.rows()))
        decided = ledger.decisions()
        decisions.append(decided.filter(pc.invert(decided["keep"])))
    found[CLEAN_DECISIONS.name] = pa.concat_tables(decisions)
    return found, {f"completions {reason}": n for reason, n in judged.lost.items()}


def _ledger(table: pa.Table, dataset: str) -> Ledger:
    names = pa.array([dataset] * table.num_rows, pa.string())
    return Ledger(table.select(["record_id", "source"]).append_column("dataset", names))
