"""Labelled prompts → use_case_model, which tells the category of those that no source labels."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.build.built import Built
from pipelines.build.rlhf_cleaning import CLEAN
from pipelines.engine.artifact import build_artifact
from pipelines.engine.dataset import DatasetVersion, read_dataset
from pipelines.engine.lineage import current_inputs
from pipelines.engine.mill import Mill
from pipelines.rlhf import use_case
from pipelines.rlhf.normalise import records, user_texts
from pipelines.rlhf.use_case import UseCaseConfig
from pipelines.rlhf.use_case_labels import canonical

USE_CASE_MODEL = "use_case_model"
_CODE_VERSION = 2


def build_use_case_model(mill: Mill, config: UseCaseConfig) -> Built:
    """Fit the use-case classifier on the prompts whose sources label them; none where there are no labels."""
    inputs = current_inputs(mill.root, *(schema.name for schema in CLEAN))

    def make(folder: Path) -> dict[str, Any]:
        examples = labelled_prompts(inputs)
        if len(examples["label"].unique()) < 2:
            return {"card": None, "examples": examples.num_rows}
        model = use_case.fit(examples, config)
        model.save(str(folder))
        return {"card": model.card, "examples": examples.num_rows}

    key = {"config": config.model_dump(mode="json"), "code": _CODE_VERSION}
    version = build_artifact(mill.root, USE_CASE_MODEL, key, make, inputs)
    details = version.manifest["details"]
    return Built((version,), None, (), {"examples": details["examples"]}, _accuracy(details["card"]))


def labelled_prompts(inputs: dict[str, DatasetVersion]) -> pa.Table:
    """Text, use case and language of the prompts that a source labels, each prompt once.

    A prompt that two sources label differently is left out.
    """
    tables = [read_dataset(inputs[schema.name], schema) for schema in CLEAN]
    table = records(*tables)
    examples = pa.table(
        {
            "prompt_id": table["prompt_id"],
            "text": user_texts(table["prompt"], []),
            "label": canonical(table["use_case"]),
            "language": table["language"],
        }
    )
    labels = examples.filter(examples["label"].is_valid()).group_by("prompt_id")
    labels = labels.aggregate(
        [("label", "min"), ("label", "count_distinct"), ("text", "min"), ("language", "min")]
    )
    labels = labels.filter(pc.equal(labels["label_count_distinct"], 1)).sort_by("prompt_id")
    return labels.select(["text_min", "label_min", "language_min"]).rename_columns(
        ["text", "label", "language"]
    )


def _accuracy(card: dict[str, Any] | None) -> dict[str, list[list[Any]]]:
    """Header and rows of the cross-validated figures by language."""
    if card is None:
        return {}
    names = ("n", "accuracy", "majority", "macro_recall")
    rows = [
        [language, *(round(figures[name], 3) for name in names)]
        for language, figures in card["cross_validation"].items()
    ]
    return {
        "accuracy": [["language", "prompts", "accuracy", "commonest alone", "mean recall"], *rows],
        "by_use_case": [
            ["use case", "language", "examples", "recall", "precision"],
            *(
                [name, language, n, figures["recall"][name], figures["precision"][name]]
                for name in card["examples"]
                for language, figures in card["cross_validation"].items()
                if (n := figures["examples"].get(name))
            ),
        ],
        "of_the_surest": [
            ["language", "share of the prompts", "accuracy", "probability from"],
            *(
                [language, *(one[name] for name in ("share", "accuracy", "probability"))]
                for language, figures in card["cross_validation"].items()
                for one in figures["surest"]
            ),
        ],
    }
