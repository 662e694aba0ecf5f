"""A quality model's report as tables, for the Dagster UI, the artifact's page and a terminal."""

from collections.abc import Mapping
from typing import Any

from pipelines.markdown import code_block, markdown_rows
from quality.classifiers.report import CLASSES

Tables = dict[str, list[list[Any]]]

_FIGURES = (
    ("ROC AUC", ("roc_auc",)),
    ("average precision, classes 1:1", ("average_precision",)),
    ("Brier score, classes 1:1", ("brier",)),
    ("precision at 0.5, classes 1:1", ("at_half", "precision")),
    ("recall at 0.5", ("at_half", "recall")),
    ("best threshold (Youden)", ("threshold",)),
    ("precision at it, classes 1:1", ("at_threshold", "precision")),
    ("recall at it", ("at_threshold", "recall")),
    ("precision of the Pareto keep, classes 1:1", ("pareto_keep", "precision")),
    ("curated documents held out", ("n_positive",)),
    ("crawled documents held out", ("n_negative",)),
)


def tables(card: Mapping[str, Any], report: Mapping[str, Any]) -> Tables:
    """All tables of a model by name, the first row of each being its header."""
    found: Tables = {"model": model_rows(card, report)}
    if report["figures"] is not None:
        found |= {
            "figures": figure_rows(report["figures"]),
            "keep rates": keep_rate_rows(report["keep_rates"]),
            "calibration": calibration_rows(report["figures"]),
            "confusion by source": source_rows(report["by_source"]),
        }
    if candidates := (card.get("chosen") or {}).get("candidates"):
        found["kinds compared"] = candidate_rows(candidates, card["kind"])
    if card.get("languages"):
        found["languages"] = language_rows(card["languages"], report["languages"])
    found["words that weigh most"] = word_rows(card["top_words"])
    found["documents to read"] = document_rows(report["documents"])
    return found


def page(card: Mapping[str, Any], report: Mapping[str, Any]) -> str:
    """The report as one markdown page, documents with their beginnings."""
    parts = ["# The quality model, on documents that it has not seen\n"]
    if report["note"] is not None:
        parts.append(f"No figures: {report['note']}. The documents below are those that it was fitted on.\n")
    for title, rows in tables(card, report).items():
        if title != "documents to read":
            parts.append(f"## {title.capitalize()}\n\n{markdown_rows(rows[0], rows[1:])}\n")
    parts.append("## Documents to read\n")
    heading = None
    for row in report["documents"]:
        named = f"{row['class']}, {row['place']}"
        if named != heading:
            parts.append(f"### {named}\n")
            heading = named
        told = [f"{row['score']:.4f}", row["source"], row["language"], row["url"]]
        parts.append(" · ".join(str(one) for one in told if one) + f"\n\n{code_block(row['text'])}\n")
    return "\n".join(parts)


def model_rows(card: Mapping[str, Any], report: Mapping[str, Any]) -> list[list[Any]]:
    """Kind, rows, how the classes are balanced, and the fitted alpha."""
    rows: list[list[Any]] = [["", "value"], ["kind", card["kind"]]]
    for name in ("positive", "negative"):
        rows += [[f"{name} rows fitted", card["rows"][name]["fitted"]]]
        rows += [[f"{name} rows held out", card["rows"][name]["held_out"]]]
    rows += [[f"balance: {key.replace('_', ' ')}", value] for key, value in sorted(card["balance"].items())]
    if (chosen := card.get("chosen")) is not None:
        rows.append(["chosen by", chosen["by"] or chosen["note"]])
    fitted = report["pareto_fit"]
    if fitted is not None:
        at_bound = f", the {fitted['at_bound']} bound of the search" if fitted["at_bound"] else ""
        rows += [
            ["Pareto alpha that fits", f"{fitted['alpha']:.4g}{at_bound}"],
            ["it is fitted to the scores of", ", ".join(fitted["sources"])],
            ["distance of kept crawl to their scores", fitted["distance"]],
            ["the same at alpha 9", fitted["distance_gpt3"]],
            ["the same unfiltered", fitted["distance_unfiltered"]],
        ]
    return rows


def figure_rows(figures: Mapping[str, Any]) -> list[list[Any]]:
    """The single figures, and documents on either side of 0.5."""
    rows: list[list[Any]] = [["held out", "value"]]
    for name, path in _FIGURES:
        value: Any = figures
        for key in path:
            value = value[key]
        rows.append([name, value])
    counts = ("true_positive", "false_negative", "false_positive", "true_negative")
    rows += [[f"{key.replace('_', ' ')} at 0.5", figures["confusion"][key]] for key in counts]
    return rows


def keep_rate_rows(rates: list[dict[str, Any]]) -> list[list[Any]]:
    """What rules keep, ours and others'."""
    header = ["whose", "rule", "of the crawl", "of the curated", "precision, classes 1:1", "told by"]
    shares = ("crawl", "curated", "precision")
    return [
        header,
        *[
            [row["who"], row["rule"], *[_percent(row[key]) for key in shares], row["told_by"]]
            for row in rates
        ],
    ]


def calibration_rows(figures: Mapping[str, Any]) -> list[list[Any]]:
    """Scores by tenth beside the share of curated documents in it."""
    header = ["score", "documents", "mean score", "curated, classes 1:1"]
    return [
        header,
        *[
            [f"{row['from']:.1f} to {row['to']:.1f}", row["n"], row["mean_score"], row["observed_share"]]
            for row in figures["calibration"]
        ],
    ]


def source_rows(sources: Mapping[str, list[dict[str, Any]]]) -> list[list[Any]]:
    """Each source's scores and what would be kept of it."""
    keys = ["n", "mean_score", "median_score", "at_half", "at_threshold", "pareto_keep"]
    header = ["class", "source", "documents", "mean score", "median", "at 0.5", "at the threshold", "P(keep)"]
    return [
        header,
        *[[name, row["source"], *[row[key] for key in keys]] for name in CLASSES for row in sources[name]],
    ]


def candidate_rows(candidates: Mapping[str, dict[str, Any]], chosen: str) -> list[list[Any]]:
    """The held-out figures of each kind that was compared."""
    keys = ("roc_auc", "average_precision", "brier", "threshold")
    rows: list[list[Any]] = [["kind", "ROC AUC", "average precision", "Brier score", "threshold", "kept"]]
    for kind, figures in sorted(candidates.items()):
        rows.append([kind, *[figures[key] for key in keys], "yes" if kind == chosen else "no"])
    return rows


def language_rows(
    languages: Mapping[str, dict[str, Any]], measured: list[dict[str, Any]] | None
) -> list[list[Any]]:
    """Each language's own classifier beside the general one, or why it has none."""
    aucs = {row["language"]: row for row in measured or []}
    rows: list[list[Any]] = [["language", "positive", "negative", "own ROC AUC", "general ROC AUC", ""]]
    for code, told in sorted(languages.items()):
        found = aucs.get(code, {})
        own, general = found.get("own_roc_auc"), found.get("general_roc_auc")
        rows.append(
            [code, told["positive"], told["negative"], own, general, told["note"] or "own classifier"]
        )
    return rows


def word_rows(words: Mapping[str, list[list[Any]]]) -> list[list[Any]]:
    """The words of most weight on either side, rank by rank."""
    rows: list[list[Any]] = [["curated", "weight", "crawl", "weight"]]
    for place in range(max(len(words["positive"]), len(words["negative"]))):
        sides = [
            side[place] if place < len(side) else ["", None]
            for side in (words["positive"], words["negative"])
        ]
        rows.append([*sides[0], *sides[1]])
    return rows


def document_rows(documents: list[dict[str, Any]]) -> list[list[Any]]:
    """Documents with their scores and first characters."""
    keys = ("class", "place", "score", "source", "language", "url", "text")
    return [[*keys], *[[row[key] for key in keys] for row in documents]]


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.2%}"
