"""documents → quality_model → signals, and documents → sketches."""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from dedup.bands import hit_curve
from dedup.minhash import MinHashConfig
from pipelines.build.built import Built, aligned
from pipelines.classifier_tables import page, tables
from pipelines.classify import ClassifierConfig, fit_classifier
from pipelines.deduplication.sketch import SketchStage, schema_of
from pipelines.engine.artifact import build_artifact
from pipelines.engine.lineage import current_inputs
from pipelines.engine.mill import Mill
from pipelines.engine.runner import run_stage, shard_tasks
from pipelines.perplexity import PerplexityConfig, fit_models, model_rows
from pipelines.schemas import SIGNALS, SKETCHES
from pipelines.signals import SignalsConfig, SignalsStage

MODEL = "quality_model"
REPORT_PAGE, REPORT_FILE = "report.md", "report.json"
PERPLEXITY_MODEL = "perplexity_model"
_MODEL_CODE_VERSION = 4
_PERPLEXITY_CODE_VERSION = 1


class SketchesConfig(BaseModel):
    """How documents are sketched for deduplication."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    minhash: MinHashConfig = Field(MinHashConfig(), description="permutations, shingle and bands")


def build_quality_model(mill: Mill, config: ClassifierConfig) -> Built:
    """Fit the quality classifier on the curated sources against the unfiltered crawl, and report on it."""
    documents = current_inputs(mill.root, "documents")["documents"]
    roles: dict[str, str] = documents.manifest["details"]["roles"]

    def make(folder: Path) -> dict[str, Any]:
        model, report = fit_classifier(documents.folder, documents.shards, roles, config)
        model.save(folder)
        (folder / REPORT_PAGE).write_text(page(model.card, report), encoding="utf-8")
        (folder / REPORT_FILE).write_text(json.dumps(report, indent=2, ensure_ascii=False), encoding="utf-8")
        return {"card": model.card, "report": report}

    key = {"config": config.model_dump(mode="json"), "code": _MODEL_CODE_VERSION}
    version = build_artifact(mill.root, MODEL, key, make, {"documents": documents})
    card, report = (version.manifest["details"][name] for name in ("card", "report"))
    return Built((version,), metadata=_metrics(report), tables=tables(card, report))


def build_perplexity_model(mill: Mill, config: PerplexityConfig) -> Built:
    """Fit a language model for each language of the curated sources; with mode "off" nothing is read."""
    key = {"mode": "off", "code": _PERPLEXITY_CODE_VERSION}
    if config.mode == "off":
        return Built((build_artifact(mill.root, PERPLEXITY_MODEL, key, lambda _: {"mode": "off"}),))
    documents = current_inputs(mill.root, "documents")["documents"]
    roles: dict[str, str] = documents.manifest["details"]["roles"]

    def make(folder: Path) -> dict[str, Any]:
        models = fit_models(documents.folder, documents.shards, roles, config)
        models.save(folder)
        return {"mode": "fit", "card": models.card}

    key |= {"mode": "fit", "config": config.model_dump(mode="json")}
    version = build_artifact(mill.root, PERPLEXITY_MODEL, key, make, {"documents": documents})
    languages = version.manifest["details"]["card"]["languages"]
    held_out = {f"held-out perplexity, {name}": (told["held_out"] or {}) for name, told in languages.items()}
    metadata = {name: told["perplexity"] for name, told in held_out.items() if told}
    return Built((version,), metadata=metadata, tables={"languages": model_rows(languages)})


def build_signals(mill: Mill, config: SignalsConfig) -> Built:
    """Measure language, quality and what `config` asks for of every document."""
    names = ["documents", MODEL, *([PERPLEXITY_MODEL] if config.perplexity else [])]
    inputs = current_inputs(mill.root, *names)
    documents = inputs["documents"]
    models = inputs[PERPLEXITY_MODEL].folder if config.perplexity else ""
    stage = SignalsStage.of(documents.folder, inputs[MODEL].folder, config, models)
    tasks = shard_tasks(documents)
    version = run_stage(mill.spark, mill.root, stage, tasks, list(inputs.values()))[SIGNALS.name]
    return Built((version,), stage.outputs[0], (aligned(version, documents),))


def build_sketches(mill: Mill, config: SketchesConfig) -> Built:
    """Hash and sketch every document."""
    documents = current_inputs(mill.root, "documents")["documents"]
    stage = SketchStage(documents.folder, config.minhash)
    details = {"minhash": config.minhash.model_dump(mode="json")}
    version = run_stage(mill.spark, mill.root, stage, shard_tasks(documents), [documents], details=details)[
        SKETCHES
    ]
    banding = {"bands": config.minhash.bands, "rows": config.minhash.rows}
    return Built(
        (version,),
        schema_of(config.minhash),
        (aligned(version, documents),),
        metadata=banding,
        tables={"hit_curve": _hit_curve_rows(**banding)},
    )


def _hit_curve_rows(bands: int, rows: int) -> list[list[Any]]:
    """How likely a pair becomes a candidate by its similarity."""
    curve = [[f"{jaccard:.2f}", f"{hit:.4f}"] for jaccard, hit in hit_curve(bands, rows)]
    return [["Jaccard similarity", f"P(candidate), {bands} bands of {rows}"], *curve]


def _metrics(report: dict[str, Any]) -> dict[str, Any]:
    figures = {k: v for k, v in (report["figures"] or {}).items() if isinstance(v, (int, float))}
    fitted = report["pareto_fit"]
    return figures if fitted is None else figures | {"pareto_alpha_fitted": fitted["alpha"]}
