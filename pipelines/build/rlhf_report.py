"""The instruction datasets → rlhf_report: the paper's tables, judges' agreement, diversity, samples by reason.

`python -m pipelines.build.rlhf_report` prints what the last run kept and dropped, and the sizes.
"""

import sys
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.build.built import Built
from pipelines.build.rlhf_cleaning import CLEAN, raw_tables
from pipelines.build.rlhf_datasets import RLHF_SHORTFALLS, reasons
from pipelines.build.rlhf_reading import SHARD
from pipelines.engine.artifact import build_artifact, build_table
from pipelines.engine.dataset import DatasetError, current, read_dataset
from pipelines.engine.lineage import current_inputs
from pipelines.engine.mill import Mill, data_root
from pipelines.markdown import code_block, first_rows, markdown_rows
from pipelines.rlhf.agreement import AGREEMENT, CONFLICTS, LABELERS, agreement
from pipelines.rlhf.instruction_diversity import TEXTS, VARIETY, texts, variety
from pipelines.rlhf.rank_table import RANK_TABLE
from pipelines.rlhf.schemas import COMPARISONS, PROMPTS, RLHF_DECISIONS, SFT
from pipelines.rlhf.statistics import LENGTHS, PER_USER, SIZES, USE_CASES, shown, statistics
from pipelines.schemas import DatasetSchema
from text.hashing import uniform

REPORT = "rlhf_report"
_SAMPLES = 5
_SAMPLE_CHARACTERS = 700
_MOST_ROWS = 60
_CODE_VERSION = 2
_TITLES = {
    USE_CASES.name: "Use cases beside InstructGPT's Table 1",
    SIZES.name: "Sizes beside Table 6",
    PER_USER.name: "Prompts a user beside Table 8",
    LENGTHS.name: "Lengths of prompts beside Table 9",
    RANK_TABLE.name: "Judgements by answers, judge and order",
    AGREEMENT.name: "Agreement of judges",
    LABELERS.name: "Labelers",
    CONFLICTS.name: "Pairs on which judges differ",
    VARIETY.name: "Variety",
    TEXTS.name: "Texts",
}


def build_rlhf_report(mill: Mill) -> Built:
    """Measure the published datasets, and write report.md."""
    names = [SFT.name, COMPARISONS.name, PROMPTS.name, RLHF_DECISIONS.name, RLHF_SHORTFALLS.name]
    inputs = current_inputs(mill.root, *names, CLEAN[0].name)
    sft, comparisons, prompts = (read_dataset(inputs[s.name], s) for s in (SFT, COMPARISONS, PROMPTS))
    told = measured(sft, comparisons, prompts)
    key = {"code": _CODE_VERSION}
    datasets = [
        build_table(mill.root, schema, key, partial(_one_shard, table), inputs) for schema, table in told
    ]
    shortfalls = read_dataset(inputs[RLHF_SHORTFALLS.name], RLHF_SHORTFALLS)
    decisions = read_dataset(inputs[RLHF_DECISIONS.name], RLHF_DECISIONS)
    tables = {
        _TITLES[schema.name]: first_rows(shown(table), _MOST_ROWS, f"the dataset {schema.name}")
        for schema, table in told
    }
    tables |= {"Wanted and there": shown(shortfalls), "Decisions": reasons(decisions)}

    def make(folder: Path) -> dict[str, Any]:
        raw = raw_tables(mill.root, inputs[CLEAN[0].name])
        (folder / "report.md").write_text(_markdown(tables, decisions, raw), encoding="utf-8")
        return {}

    version = build_artifact(mill.root, REPORT, key, make, inputs)
    return Built(
        (version, *datasets), tables={name.lower().replace(" ", "_"): rows for name, rows in tables.items()}
    )


def _one_shard(table: pa.Table) -> tuple[dict[str, pa.Table], dict[str, Any]]:
    return {SHARD: table}, {}


def measured(sft: pa.Table, comparisons: pa.Table, prompts: pa.Table) -> list[tuple[DatasetSchema, pa.Table]]:
    """All tables of the report with their schemas."""
    found = statistics(sft, comparisons, prompts)
    judges = agreement(comparisons)
    return [
        (USE_CASES, found.use_cases),
        (SIZES, found.sizes),
        (PER_USER, found.per_user),
        (LENGTHS, found.lengths),
        (RANK_TABLE, found.ranks),
        (AGREEMENT, judges.agreement),
        (LABELERS, judges.labelers),
        (CONFLICTS, judges.conflicts),
        (VARIETY, variety(sft, comparisons, prompts)),
        (TEXTS, texts(sft, comparisons, prompts)),
    ]


def _markdown(tables: dict[str, list[list[Any]]], decisions: pa.Table, raw: dict[str, pa.Table]) -> str:
    parts = ["# What the instruction datasets hold, what was dropped, and why\n"]
    parts += [f"## {title}\n\n{markdown_rows(rows[0], rows[1:])}\n" for title, rows in tables.items()]
    parts.append("## Samples by dataset and reason\n")
    for dataset, table in raw.items():
        decided = decisions.filter(pc.equal(decisions["dataset"], dataset))
        for reason in sorted(set(decided["reason"].to_pylist())):
            parts.append(f"### {dataset}: {reason}\n")
            parts += _samples(decided.filter(pc.equal(decided["reason"], reason)), table)
    return "\n".join(parts)


def _samples(decided: pa.Table, raw: pa.Table) -> list[str]:
    draws = uniform(decided["record_id"].combine_chunks(), 0, "samples of the report")
    taken = decided.take(pa.array(draws.argsort(kind="stable")[:_SAMPLES]))
    at = pc.index_in(taken["record_id"], value_set=raw["record_id"].combine_chunks())
    told = []
    for row, place in zip(taken.to_pylist(), at.to_pylist(), strict=True):
        facts = [f"`{row['source']}`"]
        facts += [f"{name} {row[name]}" for name in ("figure", "limit", "evidence") if row[name] is not None]
        record = raw.slice(place, 1).to_pylist()[0] if place is not None else None
        told.append(" · ".join(facts) + "\n\n" + code_block(_text(record)) + "\n")
    return told


def _text(record: dict[str, Any] | None) -> str:
    """The record as it was read, or that its reader gave none."""
    if record is None:
        return "(left out by the reader)"
    turns = [f"{turn['role']}: {turn['content']}" for turn in record["messages"]]
    turns += [
        f"answer, rank {rank}: {text}"
        for text, rank in zip(record.get("completions", []), record.get("ranks", []), strict=True)
    ]
    return "\n".join(turns)[:_SAMPLE_CHARACTERS]


def main() -> int:
    """Print decisions and sizes of the last run."""
    root = data_root()
    try:
        decisions = read_dataset(current(root, RLHF_DECISIONS.name), RLHF_DECISIONS)
        sizes = read_dataset(current(root, SIZES.name), SIZES)
        report = current(root, REPORT).folder
    except DatasetError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for title, rows in (("Decisions", reasons(decisions)), (_TITLES[SIZES.name], shown(sizes))):
        sys.stdout.write(f"\n{title}\n\n{markdown_rows(rows[0], rows[1:])}\n")
    sys.stdout.write(f"\nSamples and all tables: {report}/report.md\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
