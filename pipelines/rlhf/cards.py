"""The README.md beside each instruction dataset: what `datasets.load_dataset(folder)` reads, and under what licences.

Licences are counted by row: what no source names is told as unknown, never guessed.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import yaml

from pipelines.engine import storage
from pipelines.engine.dataset import DatasetVersion, dataset_folder
from pipelines.markdown import markdown_rows
from pipelines.rlhf.splits import SPLITS
from pipelines.schemas import DatasetSchema

UNKNOWN = "unknown"
_SIZES = (
    (10**3, "n<1K"),
    (10**4, "1K<n<10K"),
    (10**5, "10K<n<100K"),
    (10**6, "100K<n<1M"),
    (10**7, "1M<n<10M"),
)
_TITLES = {
    "sft": ("Instruction demonstrations", "A prompt, and one answer of the assistant that alone has a loss."),
    "comparisons": (
        "Comparisons",
        "One judgement a row: a prompt, K answers and their ranks. Equal ranks are ties, null is not judged.",
    ),
    "pairs": ("Preference pairs", "Two answers to a prompt of which a judge ranked one better."),
    "prompts": ("Prompts", "Prompts without answers, disjoint from those of the other datasets by group."),
}


class CardFacts(NamedTuple):
    """What a card says beside the data: job, code commit and config that made it; further lines; tables by title."""

    made_by: str
    notes: Sequence[str] = ()
    tables: Sequence[tuple[str, list[list[Any]]]] = ()


def licence_counts(table: pa.Table) -> list[tuple[str, str, int]]:
    """(licence, source, rows), most rows first; of a dataset with the columns licence and source."""
    keys = zip(table["licence"].to_pylist(), table["source"].to_pylist(), strict=True)
    counts = Counter((UNKNOWN if licence is None else licence, source) for licence, source in keys)
    return [(*key, n) for key, n in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]


def write_card(
    root: str, version: DatasetVersion, schema: DatasetSchema, table: pa.Table, facts: CardFacts
) -> str:
    """Write the card of `version` (its rows are `table`) beside the versions; return its path.

    Written after the version is published, in one atomic step: readers go from the last version to this one.
    """
    path = storage.join(dataset_folder(root, version.name), "README.md")
    storage.write_bytes(path, card(version, schema, table, facts).encode())
    return path


def card(version: DatasetVersion, schema: DatasetSchema, table: pa.Table, facts: CardFacts) -> str:
    """The card's text: YAML head with a data_files entry a split that has shards, then the tables.

    A shard is of the split that its name begins with (train-00000).
    """
    title, meaning = _TITLES.get(schema.name, (schema.name, ""))
    splits = _split_rows(version)
    licensed = {"licence", "source"} <= set(table.column_names)
    front = yaml.safe_dump(
        _front(title, version, splits, table, licensed), sort_keys=False, allow_unicode=True
    )
    parts = [
        f"---\n{front}---\n",
        f"# {title}\n",
        f"{meaning} Version `{version.version}`. {facts.made_by}\n",
        *(f"{note}\n" for note in facts.notes),
        '```python\nimport datasets\n\ndataset = datasets.load_dataset("path/to/this/folder")\n```\n',
        "## Splits\n",
        markdown_rows(["split", "rows"], list(splits.items())) + "\n",
        "No split group (user, conversation, prefix, near-duplicates) is in two splits.\n",
        "## Columns\n",
        markdown_rows(["column", "type", "null", "meaning"], _columns(schema)) + "\n",
        "## Licences\n",
        "Texts keep the licences of their sources; nothing is granted here. `unknown`: the source names none.\n",
        markdown_rows(["licence", "source", "rows"], licence_counts(table)) + "\n"
        if licensed
        else "Those of `comparisons`, joined by `judgement_id`.\n",
    ]
    for name, rows in facts.tables:
        parts += [f"## {name}\n", markdown_rows(rows[0], rows[1:]) + "\n"]
    return "\n".join(parts)


def _split_rows(version: DatasetVersion) -> dict[str, int]:
    rows: dict[str, int] = {}
    for shard in version.manifest["shards"]:
        split = str(shard["name"]).rpartition("-")[0]
        rows[split] = rows.get(split, 0) + int(shard["rows"])
    return {split: rows[split] for split in SPLITS if rows.get(split)}


def _front(
    title: str, version: DatasetVersion, splits: dict[str, int], table: pa.Table, licensed: bool
) -> dict[str, Any]:
    total = sum(splits.values())
    front: dict[str, Any] = {
        "pretty_name": title,
        "task_categories": ["text-generation"],
        "size_categories": [next((name for limit, name in _SIZES if total < limit), "n>10M")],
    }
    if "language" in table.column_names:
        front["language"] = sorted({code for code in table["language"].to_pylist() if code})
    if licensed:
        named = sorted({licence for licence, _, _ in licence_counts(table)})
        # The hub knows one licence, or "other" with a name for what is mixed or its own.
        front |= {"license": "other", "license_name": "by-row", "licences": named}
    files = [{"split": split, "path": f"{version.version}/{split}-*.parquet"} for split in splits]
    return front | {"configs": [{"config_name": "default", "data_files": files}]}


def _columns(schema: DatasetSchema) -> list[list[str]]:
    return [
        [field.name, str(field.type), "yes" if field.nullable else "no", field.metadata[b"meaning"].decode()]
        for field in schema.schema
    ]
