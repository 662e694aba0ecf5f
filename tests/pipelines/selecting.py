"""Documents and signals of a few rows, for tests of the selection."""

import pyarrow as pa

from pipelines.select import SelectionConfig
from quality.rule_sets import RulesConfig

CURATED = {"wiki"}
NO_RULES = RulesConfig(rule_sets=[], by_language=[])


def chosen(**settings) -> SelectionConfig:
    """A config without rule sets, which ask for signals of their own."""
    return SelectionConfig(**{"rules": NO_RULES, **settings})


def tables(*rows):
    """Documents and signals of (source, words, language, language score, quality score)."""
    ids = pa.array([f"id{number}" for number in range(len(rows))], pa.string())
    columns = list(zip(*rows, strict=True)) if rows else [[]] * 5
    source, n_words, language, language_score, quality = columns
    documents = pa.table(
        {
            "doc_id": ids,
            "source": pa.array(source, pa.string()),
            "n_words": pa.array(n_words, pa.int64()),
        }
    )
    signals = pa.table(
        {
            "doc_id": ids,
            "language": pa.array(language, pa.string()),
            "language_score": pa.array(language_score, pa.float32()),
            "quality_score": pa.array(quality, pa.float64()),
        }
    )
    return documents, signals
