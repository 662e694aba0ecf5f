"""The README.md that makes `datasets.load_dataset(folder)` read the current version of the packed dataset."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa
import yaml

from pipelines.engine import storage
from pipelines.engine.dataset import DatasetVersion, dataset_folder
from pipelines.mixing.tokenize import TRAIN, VALIDATION
from pipelines.schemas import pretraining_schema

_SIZES = [
    (10**3, "n<1K"),
    (10**4, "1K<n<10K"),
    (10**5, "10K<n<100K"),
    (10**6, "100K<n<1M"),
    (10**7, "1M<n<10M"),
]


class CardFacts(NamedTuple):
    """What a card says beside the data: mixture plan, lost tokens by stream, where the text is from.

    `provenance` is a line a source (files or addresses, snapshot); `licences` a line a source; `made_by`
    names the job, code commit and config that made it.
    """

    context: int
    mixture_plan: pa.Table
    lost_tokens: Mapping[str, int]
    provenance: Sequence[str]
    licences: Sequence[str]
    made_by: str


def write_card(root: str, version: DatasetVersion, facts: CardFacts) -> str:
    """Write the card of the packed dataset `version` under the data root; return its path.

    Written after the version is complete, in one atomic step: readers go from the last version to this one.
    """
    path = storage.join(dataset_folder(root, version.name), "README.md")
    storage.write_bytes(path, card(version, facts).encode())
    return path


def card(version: DatasetVersion, facts: CardFacts) -> str:
    """The card's text: YAML head with one data_files entry a split that has files, then the tables."""
    rows = split_rows(version)
    front = yaml.safe_dump(_front(version.version, rows, facts.context), sort_keys=False, allow_unicode=True)
    parts = [
        f"---\n{front}---\n",
        "# Packed pretraining corpus\n",
        f"Sequences of {facts.context + 1:,} tokens, documents joined by `<|endoftext|>`, no padding, in "
        f"globally shuffled order. Version `{version.version}`. {facts.made_by}\n",
        '```python\nimport datasets\n\ndataset = datasets.load_dataset("path/to/this/folder")\n```\n',
        "## Splits\n",
        _table(["split", "sequences", "tokens"], [[s, n, n * (facts.context + 1)] for s, n in rows.items()]),
        "Training and validation share no document. Validation holds each document once and each sequence is "
        "of one source. Tokens that fill no sequence at the end of a stream: "
        + (", ".join(f"{stream} {n:,}" for stream, n in facts.lost_tokens.items()) or "none")
        + ".\n",
        "## Features\n",
        _table(["column", "type", "meaning"], _features(facts.context)),
        "## Mixture\n",
        "Ours beside GPT-3's Table 2.2 (arXiv 2005.14165).\n",
        _mixture(facts.mixture_plan),
        "## Provenance\n",
        _list(facts.provenance),
        "## Licence\n",
        "The texts keep the licences of their sources; nothing is granted here. Check before you publish.\n",
        _list(facts.licences),
    ]
    return "\n".join(parts)


def split_rows(version: DatasetVersion) -> dict[str, int]:
    """Sequences by split, of the splits that have files."""
    rows: dict[str, int] = {}
    for shard in version.manifest["shards"]:
        split = str(shard["name"]).rpartition("-")[0]
        rows[split] = rows.get(split, 0) + int(shard["rows"])
    return {split: rows[split] for split in (TRAIN, VALIDATION) if split in rows}


def _front(folder: str, rows: Mapping[str, int], context: int) -> dict[str, object]:
    total = sum(rows.values())
    return {
        "pretty_name": "Packed pretraining corpus",
        "task_categories": ["text-generation"],
        "size_categories": [next((name for limit, name in _SIZES if total < limit), "n>10M")],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": split, "path": f"{folder}/{split}-*.parquet"} for split in rows],
            }
        ],
        "context": context,
    }


def _features(context: int) -> list[list[object]]:
    schema = pretraining_schema(context).schema
    return [[field.name, str(field.type), field.metadata[b"meaning"].decode()] for field in schema]


def _mixture(plan: pa.Table) -> str:
    head = ["source", "role", "documents", "tokens", "weight", "epochs", "drawn", "share"]
    head += ["paper tokens", "paper weight", "paper epochs"]
    lines: list[list[object]] = []
    for row in plan.to_pylist():
        paper: list[object] = ["-", "-", "-"]
        if row["paper_tokens"] is not None:
            paper = [
                f"{row['paper_tokens'] / 1e9:.0f} B",
                f"{row['paper_weight']:.0%}",
                f"{row['paper_epochs']:g}",
            ]
        ours = [row["source"], row["role"], row["documents"], row["tokens"], f"{row['weight']:.1%}"]
        lines.append(
            [*ours, f"{row['epochs']:.2f}", row["drawn_tokens"], f"{row['drawn_share']:.1%}", *paper]
        )
    return _table(head, lines)


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *([_cell(value) for value in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _cell(value: object) -> str:
    text = f"{value:,}" if isinstance(value, int) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {' '.join(line.split())}" for line in lines) + "\n"
