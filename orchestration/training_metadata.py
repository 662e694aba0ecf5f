"""What the Dagster UI shows of a finished training: figures, curves, sample texts, where it stands."""

import fnmatch
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from orchestration.plots import markdown_image, panels, svg
from pipelines.build.training import METRICS_FILE, SAMPLES_FILE, read_lines, read_summary
from pipelines.engine.dataset import DatasetVersion
from pipelines.markdown import markdown_rows

MOST_FIGURES = 15  # the UI plots the first twenty numbers of an asset
MOST_SAMPLES = 8
CURVES_FILE = "curves.svg"


def training_metadata(
    version: DatasetVersion, figures: Sequence[str], curves: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """Path, the figures that match the patterns `figures` in their order, curves and the last samples."""
    folder = Path(version.folder)
    found: dict[str, Any] = {"path": dg.MetadataValue.path(version.folder)}
    found |= chosen(read_summary(folder), figures)
    found["seconds"] = version.manifest["seconds"]
    diagrams = panels(read_lines(folder / METRICS_FILE), curves)
    if diagrams:
        drawn = svg(diagrams)
        (folder / CURVES_FILE).write_text(drawn, encoding="utf-8")
        found["curves"] = dg.MetadataValue.md(markdown_image(drawn, f"curves of {version.name}"))
    if samples := sample_rows(read_lines(folder / SAMPLES_FILE)):
        found["samples"] = dg.MetadataValue.md(markdown_rows(samples[0], samples[1:]))
    if version.manifest["inputs"]:
        rows = [[name, made] for name, made in sorted(version.manifest["inputs"].items())]
        found["inputs"] = dg.MetadataValue.md(markdown_rows(["dataset", "version"], rows))
    return found


def chosen(summary: Mapping[str, Any], patterns: Sequence[str]) -> dict[str, Any]:
    """The numbers and words of a summary whose names match, at most fifteen, in the order of the patterns."""
    names = [name for pattern in patterns for name in summary if fnmatch.fnmatchcase(name, pattern)]
    shown = {name: summary[name] for name in names if isinstance(summary[name], (int, float, str))}
    return dict(list(shown.items())[:MOST_FIGURES])


def sample_rows(lines: Sequence[Mapping[str, Any]]) -> list[list[Any]]:
    """Header and rows of the newest set of samples; nothing where there is none."""
    newest = [line for line in lines if line.get("step") == lines[-1].get("step")][:MOST_SAMPLES]
    if not newest:
        return []
    header = list(newest[0])
    return [header, *([line.get(name) for name in header] for line in newest)]
