"""The report: the run's tables and samples of kept and dropped text as one markdown file."""

from pathlib import Path
from typing import Any

from pipelines import report, report_signals
from pipelines.build.built import Built
from pipelines.engine.artifact import build_artifact
from pipelines.engine.dataset import DatasetVersion, read_dataset
from pipelines.engine.lineage import current_inputs
from pipelines.engine.mill import Mill
from pipelines.markdown import code_block, markdown_rows
from pipelines.mixing.diversity import DIVERSITY
from pipelines.schemas import MIXTURE_PLAN
from pipelines.selection_config import SelectionConfig

_CODE_VERSION = 2
_INPUTS = (
    "documents",
    "quality_model",
    "signals",
    "selection",
    "duplicates",
    "contamination",
    "decisions",
    "diversity",
    "mixture_plan",
    "pretraining",
)


def build_report(mill: Mill) -> Built:
    """Write report.md from the published datasets."""
    inputs = current_inputs(mill.root, *_INPUTS)

    def make(folder: Path) -> dict[str, Any]:
        (folder / "report.md").write_text(_markdown(inputs), encoding="utf-8")
        return {}

    version = build_artifact(mill.root, "report", {"code": _CODE_VERSION}, make, inputs)
    funnel = report.funnel(inputs["decisions"])
    mixture = report.mixture_rows(read_dataset(inputs["mixture_plan"], MIXTURE_PLAN))
    return Built((version,), tables={"funnel": funnel, "mixture": mixture})


def _markdown(inputs: dict[str, DatasetVersion]) -> str:
    parts = ["# What this run kept, what it dropped, and why\n"]
    for title, rows in _tables(inputs).items():
        parts.append(f"## {title}\n\n{markdown_rows(rows[0], rows[1:])}\n")
    crawled = _crawled(inputs["documents"])
    parts.append("## Crawled pages by quality score\n")
    for name, pages in report_signals.score_samples(inputs["documents"], inputs["signals"], crawled):
        parts.append(f"### {name}\n")
        parts += [_scored(page) for page in pages]
    parts.append("## Samples by reason\n")
    for reason, found in report.samples(inputs["documents"], inputs["decisions"]):
        parts.append(f"### {reason}\n")
        parts += [_sample(row) for row in found]
    return "\n".join(parts)


def _tables(inputs: dict[str, DatasetVersion]) -> dict[str, list[list[Any]]]:
    card = inputs["quality_model"].manifest["details"]["card"]
    diversity = read_dataset(inputs["diversity"], DIVERSITY)
    selection = inputs["selection"]
    config = SelectionConfig.model_validate(selection.manifest["config"]["config"])
    crawled = _crawled(inputs["documents"])
    return {
        "Documents": report.funnel(inputs["decisions"]),
        "Rules of the selection": report.rule_rows(selection.counts),
        "Signals of the crawl": report_signals.signal_rows(
            inputs["signals"], inputs["decisions"], crawled, config
        ),
        "Mixture": report.mixture_rows(read_dataset(inputs["mixture_plan"], MIXTURE_PLAN)),
        "Quality classifier": [["figure", "value"], *_flat(card)],
        "Duplicates": [["figure", "value"], *map(list, sorted(inputs["duplicates"].counts.items()))],
        "Contamination": report.contamination_rows(inputs["contamination"]),
        "Diversity": [diversity.column_names, *[list(row.values()) for row in diversity.to_pylist()]],
        "Reading": [["counter", "records"], *map(list, sorted(inputs["documents"].counts.items()))],
    }


def _flat(card: dict[str, Any], prefix: str = "") -> list[list[Any]]:
    rows: list[list[Any]] = []
    for key, value in card.items():
        if isinstance(value, dict):
            rows += _flat(value, f"{prefix}{key}.")
        elif not isinstance(value, list):
            rows.append([f"{prefix}{key}", value])
    return rows


def _crawled(documents: DatasetVersion) -> list[str]:
    roles: dict[str, str] = documents.manifest["details"]["roles"]
    return [source for source, role in roles.items() if role == "crawl"]


def _scored(page: dict[str, Any]) -> str:
    told = f"`{page['source']}` · {page['url']} · score {page['score']:.4f} · {page['doc_id']}"
    return told + "\n\n" + code_block(page["text"]) + "\n"


def _sample(row: dict[str, Any]) -> str:
    facts = [f"`{row['source']}`", row["url"], row["doc_id"]]
    for name in ("figure", "limit", "evidence"):
        if row[name] is not None:
            value = f"{row[name]:.4g}" if isinstance(row[name], float) else row[name]
            facts.append(f"{name} {value}")
    return " · ".join(facts) + "\n\n" + code_block(row["text"]) + "\n"
