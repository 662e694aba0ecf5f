"""What a selection would keep, from the signals alone, before it is run.

    python -m pipelines.preview [--root DATA] [--config RUN.yaml] [--shards 50]

reads `ops.selection.config` of the run config (defaults where there is none) and tells what each source would keep
and lose, what each rule does alone and beside the others, and what other thresholds of the quality score would keep.
No text is read and nothing is written; the signals must have been measured.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import yaml
from pydantic import ValidationError

from pipelines.engine.dataset import DatasetError
from pipelines.engine.lineage import current_inputs
from pipelines.engine.mill import data_root
from pipelines.fitted_alpha import AlphaError, fitted, told, with_alpha
from pipelines.judge import Judged, SignalError, count_failures, judge
from pipelines.reasons import REASONS, Reason
from pipelines.report import funnel_rows, rule_rows, text_table
from pipelines.select_stages import read_narrow
from pipelines.selection_config import SelectionConfig
from quality.list_files import ListFileError
from quality.pareto import keep_probability

ALPHAS = (1.0, 2.0, 3.0, 5.0, 9.0)
THRESHOLDS = (0.1, 0.25, 0.5, 0.75, 0.9)
CONFIG_KEY = "ops.selection.config"


class PreviewError(ValueError):
    """The run config's selection cannot be read; the message names file and key."""


class Preview(NamedTuple):
    """Counters as a selection has them, and of the crawl that passes all rules but the quality score: documents,
    those that each alpha would keep on average, those that each threshold would keep. `fit` is the fit of the
    quality model's alpha, None where it has none.
    """

    counts: dict[str, int]
    crawled: int
    passing: int
    by_alpha: dict[float, float]
    by_threshold: dict[float, int]
    fit: dict[str, Any] | None = None


def preview(root: str, config: SelectionConfig, max_shards: int | None = None) -> Preview:
    """Judge the documents of the data root by `config`; of `max_shards` shards, evenly chosen, where it is given.

    Ids that are seen twice are not looked for. DatasetError where documents or signals are missing, SignalError
    where a rule's signal was not measured, AlphaError where a fitted alpha is asked for and there is none.
    """
    documents, signals = current_inputs(root, "documents", "signals").values()
    config, _ = with_alpha(root, signals, config)
    fit = fitted(root, signals)
    alphas = sorted({*ALPHAS, *([] if fit is None else [fit["alpha"]])})
    roles: dict[str, str] = documents.manifest["details"]["roles"]
    curated = sorted(source for source, role in roles.items() if role != "crawl")
    counts: Counter[str] = Counter()
    by_alpha, by_threshold = dict.fromkeys(alphas, 0.0), dict.fromkeys(THRESHOLDS, 0)
    n_crawled = n_passing = 0
    for shard in _chosen(documents.shards, max_shards):
        narrow, measured, blocked = read_narrow(documents.folder, signals.folder, shard, config)
        judged = judge(narrow, measured, curated, config, None, blocked)
        counts.update(_reasons(narrow["source"], judged))
        counts.update(count_failures(judged))
        crawled = ~np.asarray(pc.is_in(narrow["source"], value_set=pa.array(curated, pa.string())))
        scores = measured["quality_score"].to_numpy()[crawled & _passing(judged)]
        n_crawled, n_passing = n_crawled + int(crawled.sum()), n_passing + len(scores)
        for alpha in alphas:
            by_alpha[alpha] += float(keep_probability(scores, alpha).sum())
        for threshold in THRESHOLDS:
            by_threshold[threshold] += int((scores >= threshold).sum())
    return Preview(dict(counts), n_crawled, n_passing, by_alpha, by_threshold, fit)


def tables(found: Preview) -> dict[str, list[list[Any]]]:
    """The preview as tables, the first row of each being its header."""
    rates: list[list[Any]] = [["quality rule", "crawled documents kept", "of the crawl"]]
    for name, kept in (
        *((f"pareto, alpha {_alpha(alpha, found.fit)}", round(n)) for alpha, n in found.by_alpha.items()),
        *((f"threshold {threshold:g}", n) for threshold, n in found.by_threshold.items()),
        ("off", found.passing),
    ):
        rates.append([name, kept, f"{kept / max(1, found.crawled):.2%}"])
    return {
        "What the selection would keep and drop (documents)": funnel_rows(found.counts),
        "What each rule does": rule_rows(found.counts),
        "What other quality rules would keep of the crawl, duplicates not yet taken": rates,
    }


def read_selection(path: str | None) -> SelectionConfig:
    """The selection of a run config's file, the default without one; PreviewError names what is wrong in it."""
    if path is None:
        return SelectionConfig()
    try:
        given: Any = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        for key in CONFIG_KEY.split("."):
            given = (given or {}).get(key)
        return SelectionConfig.model_validate(given or {})
    except (OSError, yaml.YAMLError, AttributeError) as error:
        raise PreviewError(f"{path}: not a run config ({error})") from None
    except ValidationError as error:
        told = error.errors()[0]
        key = ".".join([CONFIG_KEY, *map(str, told["loc"])])
        raise PreviewError(f"{path}: {key}: {told['msg']} (found {told.get('input')!r})") from None


def _alpha(alpha: float, fit: dict[str, Any] | None) -> str:
    return told(fit) if fit is not None and alpha == fit["alpha"] else f"{alpha:g}"


def _chosen(shards: Sequence[str], limit: int | None) -> list[str]:
    if limit is None or limit >= len(shards):
        return list(shards)
    return [shards[number * len(shards) // limit] for number in range(limit)]


def _passing(judged: Judged) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Rows that fail no rule but perhaps the one on quality."""
    failed = np.zeros(len(judged.reasons), np.bool_)
    for reason, mask in judged.failures.items():
        if reason != Reason.QUALITY:
            failed |= mask
    return ~failed


def _reasons(sources: pa.ChunkedArray, judged: Judged) -> Counter[str]:
    counts: Counter[str] = Counter()
    for source, code in zip(sources.to_pylist(), judged.reasons.tolist(), strict=True):
        counts[f"reason:{REASONS[code]}"] += 1
        counts[f"source:{source}:{REASONS[code]}"] += 1
    return counts


def main() -> int:
    """Print the preview."""
    parser = argparse.ArgumentParser(description="What a selection would keep, from the signals alone.")
    parser.add_argument("--root", default="", help="data root; default GRISTMILL_DATA, else ./data")
    parser.add_argument("--config", help="run config whose ops.selection.config is tried")
    parser.add_argument("--shards", type=int, help="look at so many shards only")
    arguments = parser.parse_args()
    try:
        found = preview(data_root(arguments.root), read_selection(arguments.config), arguments.shards)
    except (DatasetError, PreviewError, SignalError, AlphaError, ListFileError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for title, rows in tables(found).items():
        sys.stdout.write(f"{title}\n{text_table(rows)}\n\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
