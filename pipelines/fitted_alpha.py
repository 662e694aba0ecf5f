"""The Pareto alpha that was fitted with the quality model, for a selection that names none of its own.

The fit stands in the manifest of the model version that the signals were scored by, so that a decision with it reads
no text, and is of the same model as the scores that it is applied to.
"""

from typing import Any, NamedTuple

from pipelines.engine.dataset import DatasetVersion, open_version
from pipelines.selection_config import SelectionConfig

MODEL = "quality_model"


class AlphaError(ValueError):
    """The fitted alpha is asked for and there is none; the message says what to set."""


class Alpha(NamedTuple):
    """A selection whose alpha is a number, and the fit (quality.pareto.AlphaFit as JSON) where it comes from one."""

    config: SelectionConfig
    fit: dict[str, Any] | None


def with_alpha(root: str, signals: DatasetVersion, config: SelectionConfig) -> Alpha:
    """`config` with the fitted alpha in place of null; AlphaError where the quality model has none."""
    if config.pareto_alpha is not None or config.quality != "pareto":
        return Alpha(config, None)
    fit = fitted(root, signals)
    if fit is None:
        raise AlphaError(
            "ops.selection.config.pareto_alpha: null takes the alpha that was fitted with the quality model, but "
            "that model holds out too few documents to fit one, or is gone; set a number, raise "
            "ops.quality_model.config.fit.held_out_share, or materialise quality_model and signals again"
        )
    return Alpha(config.model_copy(update={"pareto_alpha": fit["alpha"]}), fit)


def fitted(root: str, signals: DatasetVersion) -> dict[str, Any] | None:
    """The fit of the model that scored `signals`; None where it has none or its version is gone."""
    version = signals.manifest.get("inputs", {}).get(MODEL)
    model = None if version is None else open_version(root, MODEL, version)
    if model is None:
        return None
    report = model.manifest.get("details", {}).get("report") or {}
    found: dict[str, Any] | None = report.get("pareto_fit")
    return found


def told(fit: dict[str, Any]) -> str:
    """The fit in a few words."""
    at_bound = f", the {fit['at_bound']} bound of the search" if fit["at_bound"] else ""
    return f"{fit['alpha']:.4g}, fitted{at_bound}"
