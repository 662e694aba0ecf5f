"""The signals of the crawl for a reader: how each is spread, and the pages with the highest and lowest scores."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.engine.dataset import DatasetVersion, read_shard
from pipelines.explaining.places import Place, row_at
from pipelines.judge import rules_by_language
from pipelines.schemas import DECISIONS, DOCUMENTS, SIGNALS
from pipelines.selection_config import SelectionConfig

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
MOST_SHARDS = 64
"""So many shards, evenly chosen, are looked at: quantiles need no more, and a driver cannot hold a web crawl's."""

SAMPLES, SAMPLE_CHARACTERS, SAMPLE_WORDS = 3, 500, 50


def some_shards(version: DatasetVersion, most: int = MOST_SHARDS) -> list[str]:
    """At most so many of the shards, evenly chosen."""
    shards = version.shards
    if len(shards) <= most:
        return shards
    return [shards[number * len(shards) // most] for number in range(most)]


def signal_rows(
    signals: DatasetVersion, decisions: DatasetVersion, crawled: Sequence[str], config: SelectionConfig
) -> list[list[Any]]:
    """Header and rows: by signal its quantiles over the crawl, the median of what is kept, and the default limits.

    Crawled documents of some shards. A limit is that of the rule sets for English.
    """
    parts, kept = [], []
    for shard in some_shards(signals):
        told = read_shard(decisions.folder, shard, DECISIONS, ["source", "keep"])
        mask = pc.is_in(told["source"], value_set=pa.array(crawled, pa.string()))
        parts.append(read_shard(signals.folder, shard, SIGNALS).filter(mask))
        kept.append(np.asarray(told["keep"].filter(mask)))
    header = ["signal", *(f"{q:.0%}" for q in QUANTILES), "median kept", "limits"]
    if not parts:
        return [header]
    table, keeps = pa.concat_tables(parts), np.concatenate(kept)
    limits = _limits(config)
    rows: list[list[Any]] = []
    for field in table.schema:
        if not pa.types.is_floating(field.type) and not pa.types.is_integer(field.type):
            continue
        values = table[field.name].to_numpy().astype(np.float64)
        told = [f"{value:.4g}" for value in _quantiles(values, QUANTILES)]
        rows.append(
            [field.name, *told, f"{_quantiles(values[keeps], [0.5])[0]:.4g}", limits.get(field.name, "-")]
        )
    return [header, *rows]


def score_samples(
    documents: DatasetVersion, signals: DatasetVersion, crawled: Sequence[str]
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Crawled pages of some shards with the highest and the lowest quality score and nearest to 0.5; ties by id."""
    found: dict[str, list[tuple[float, str, float, Place]]] = {"highest": [], "lowest": [], "borderline": []}
    for shard in some_shards(signals):
        narrow = read_shard(documents.folder, shard, DOCUMENTS, ["doc_id", "source", "n_words"])
        scores = read_shard(signals.folder, shard, SIGNALS, ["quality_score"])["quality_score"].to_numpy()
        mask = pc.is_in(narrow["source"], value_set=pa.array(crawled, pa.string()))
        rows = np.flatnonzero(np.asarray(pc.and_(mask, pc.greater_equal(narrow["n_words"], SAMPLE_WORDS))))
        ids = narrow["doc_id"].take(pa.array(rows)).to_pylist()
        for name, keys in (("highest", -scores), ("lowest", scores), ("borderline", np.abs(scores - 0.5))):
            ranked = [
                (float(keys[row]), doc_id, float(scores[row]), Place(shard, int(row)))
                for row, doc_id in zip(rows.tolist(), ids, strict=True)
            ]
            found[name] = sorted({*found[name], *ranked})[:SAMPLES]
    for name, chosen in found.items():
        yield name, [_page(documents, place, score) for _, _, score, place in chosen]


def _page(documents: DatasetVersion, place: Place, score: float) -> dict[str, Any]:
    row = row_at(documents, DOCUMENTS, place, columns=["doc_id", "source", "url", "text"]).to_pylist()[0]
    return {**row, "text": row["text"][:SAMPLE_CHARACTERS], "score": score}


def _limits(config: SelectionConfig) -> dict[str, str]:
    found: dict[str, str] = {"language_score": f"≥ {config.min_language_score:g}"}
    for _, rules in rules_by_language(pa.chunked_array([["en"]]), config):
        for rule in rules:
            bounds = (("≥", rule.least), ("≤", rule.most))
            told = " ".join(f"{sign} {bound:g}" for sign, bound in bounds if bound is not None)
            found.setdefault(rule.signal, told)
    return found


def _quantiles(values: npt.NDArray[np.float64], wanted: Sequence[float]) -> list[float]:
    known = values[~np.isnan(values)]
    return [float(q) for q in np.quantile(known, wanted)] if len(known) else [float("nan")] * len(wanted)
