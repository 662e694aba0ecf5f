"""How varied instructions and answers are: by source, use case, language, form and format, by length and words.

Distinct n-grams are measured on about equally many words of every dataset and side, whole texts drawn until there
are so many, since their share falls with the length of any text.
"""

import re
from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.mixing.diversity import distinct_ngrams
from pipelines.rlhf.normalise import turns
from pipelines.rlhf.statistics import DATASETS, UNKNOWN
from pipelines.schemas import DatasetSchema
from text.hashing import uniform
from text.words import count_words

SAMPLE_WORDS = 200_000
_QUANTILES = (0, 10, 25, 50, 75, 90, 100)


def _column(name: str, kind: pa.DataType, meaning: str, nullable: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable, {"meaning": meaning})


VARIETY = DatasetSchema(
    "rlhf_variety",
    1,
    pa.schema(
        [
            _column("dataset", pa.string(), "sft, comparisons or prompts"),
            _column(
                "figure",
                pa.string(),
                "source, use_case, language, licence, form (sft), turns (of the prompt) or format (of answers)",
            ),
            _column("key", pa.string(), "the source, use case ...; unknown where there is none"),
            _column("n", pa.int64(), "rows; for format answers"),
        ]
    ),
)

TEXTS = DatasetSchema(
    "rlhf_texts",
    1,
    pa.schema(
        [
            _column("dataset", pa.string(), "sft, comparisons or prompts"),
            _column("side", pa.string(), "prompt (users' turns) or answer"),
            _column("texts", pa.int64(), "different texts"),
            *(
                _column(f"words_p{q}", pa.float64(), f"words of a text, {q}th percentile", True)
                for q in _QUANTILES
            ),
            _column("sample_words", pa.int64(), "words of the sample behind the next three"),
            _column("distinct_1grams", pa.float64(), "distinct words / words", True),
            _column("distinct_2grams", pa.float64(), "distinct word 2-grams / 2-grams", True),
            _column("distinct_3grams", pa.float64(), "distinct word 3-grams / 3-grams", True),
        ]
    ),
)

# The first that fits is a text's format.
_FORMATS = (
    (
        "code",
        re.compile(
            r"```|^(?:def|class|import|from \w+ import|#include|function|public|<\?php)\b", re.MULTILINE
        ),
    ),
    ("json", re.compile(r"\A\s*[{\[][\s\S]*[}\]]\s*\Z")),
    ("table", re.compile(r"^\s*\|.*\|\s*$", re.MULTILINE)),
    ("list", re.compile(r"^\s*(?:[-*•]|\d{1,3}[.)、])\s*\S", re.MULTILINE)),
    ("paragraphs", re.compile(r"\S\s*\n\s*\S")),
)
ONE_LINE = "one_line"


def format_of(answer: str) -> str:
    """The format of an answer: code, json, table, list, paragraphs or one_line.

    >>> format_of("1. Milk\\n2. Bread"), format_of("Yes.")
    ('list', 'one_line')
    """
    return next((name for name, pattern in _FORMATS if pattern.search(answer)), ONE_LINE)


def variety(sft: pa.Table, comparisons: pa.Table, prompts: pa.Table) -> pa.Table:
    """VARIETY of the three datasets, the most frequent keys of a figure first."""
    lines: list[dict[str, Any]] = []
    for dataset, table in zip(DATASETS, (sft, comparisons, prompts), strict=True):
        figures = {name: table[name].to_pylist() for name in ("source", "use_case", "language", "licence")}
        if "form" in table.column_names:
            figures["form"] = table["form"].to_pylist()
        figures["turns"] = pc.list_value_length(table["prompt"]).to_pylist()
        figures["format"] = [format_of(answer) for answer in _answers(table).to_pylist()]
        for figure, keys in figures.items():
            counts = Counter(UNKNOWN if key is None else str(key) for key in keys)
            ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
            lines += [{"dataset": dataset, "figure": figure, "key": key, "n": n} for key, n in ordered]
    return pa.Table.from_pylist(lines, schema=VARIETY.schema)


def texts(
    sft: pa.Table, comparisons: pa.Table, prompts: pa.Table, sample_words: int = SAMPLE_WORDS, seed: int = 0
) -> pa.Table:
    """TEXTS of the three datasets, a line for each side that has texts; n-grams of at most `sample_words` words."""
    sides: list[tuple[str, str, pa.Array]] = []
    for dataset, table in zip(DATASETS, (sft, comparisons, prompts), strict=True):
        sides += [(dataset, "prompt", _asked(table)), (dataset, "answer", _answers(table))]
    found = [(dataset, side, pc.unique(values)) for dataset, side, values in sides if len(values)]
    counts = [count_words(values) for _, _, values in found]
    limit = min([sample_words, *(int(words.sum()) for words in counts)])
    lines = []
    for (dataset, side, values), words in zip(found, counts, strict=True):
        quantiles = np.percentile(words, _QUANTILES).tolist()
        line = {"dataset": dataset, "side": side, "texts": len(values)}
        line |= {f"words_p{q}": value for q, value in zip(_QUANTILES, quantiles, strict=True)}
        lines.append(line | distinct_ngrams(_sample(values, words, limit, seed)))
    return pa.Table.from_pylist(lines, schema=TEXTS.schema)


def _asked(table: pa.Table) -> pa.Array:
    flat = turns(table["prompt"])
    return flat.contents.filter(pc.equal(flat.roles, "user"))


def _answers(table: pa.Table) -> pa.Array:
    if "completions" in table.column_names:
        return table["completions"].combine_chunks().flatten().cast(pa.large_string())
    if "completion" in table.column_names:
        return turns(table["completion"]).contents
    return pa.array([], pa.large_string())


def _sample(values: pa.Array, words: npt.NDArray[np.int64], limit: int, seed: int) -> pa.Array:
    """Whole texts in the order of a draw until they have `limit` words."""
    draws = uniform(values, seed, "distinct n-grams")
    order = np.argsort(draws, kind="stable")
    upto = np.cumsum(words[order]) - words[order]
    return values.take(pa.array(order[upto < limit]))
