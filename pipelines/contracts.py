"""The datasets as a page for readers, written from the schemas alone.

python -m pipelines.contracts --write docs/data-contracts.md
"""

import sys
from pathlib import Path

from pipelines import schemas
from pipelines.decontamination import decontaminate_stage
from pipelines.deduplication import dedup_index, repeated
from pipelines.markdown import markdown_rows
from pipelines.mixing import diversity
from pipelines.rlhf import schemas as rlhf
from pipelines.rlhf import statistics
from pipelines.rlhf.agreement import AGREEMENT, LABELERS
from pipelines.rlhf.candidates import CANDIDATES
from pipelines.rlhf.judge import JUDGE_SCORES
from pipelines.rlhf.rank_table import RANK_TABLE
from pipelines.rlhf.rounds import ROUNDS
from pipelines.schemas import DatasetSchema
from pipelines.signals import SignalsConfig, signals_schema

EXAMPLE_CONTEXT = 2048
EXAMPLE_PERMUTATIONS, EXAMPLE_BANDS = 112, 14
_HEAD = """# Data contracts

A dataset is a folder under the data root: `CURRENT.json` names the version folder that readers take, in it are the
shards and `_manifest.json` (counts, config, inputs, code commit, row hash). Every file is plain Parquet. This page is
written from the schemas in `pipelines`; writers and readers are held to it. `survivors` and `bands` are those of
an index of earlier snapshots ([incremental deduplication](incremental-deduplication.md)) and stand below its path.

```python
import json
import pathlib

import pyarrow.parquet as pq

folder = pathlib.Path("data/decisions")
version = json.loads((folder / "CURRENT.json").read_text())["version"]
decisions = pq.read_table(folder / version)
print(decisions.group_by("reason").aggregate([("doc_id", "count")]).to_pylist())
```
"""


def datasets() -> list[DatasetSchema]:
    """Every dataset that a run publishes or keeps, in the order of the recipe; then those of an index."""
    return [
        schemas.DOCUMENTS,
        signals_schema(SignalsConfig()),
        repeated.REPEATED,
        schemas.SELECTION,
        schemas.sketches_schema(EXAMPLE_PERMUTATIONS, EXAMPLE_BANDS),
        schemas.DUPLICATES,
        schemas.SELECTED,
        schemas.PASSAGE_CUTS,
        schemas.PASSAGES_CUT,
        schemas.CORPUS,
        schemas.CONTAMINATION,
        schemas.PERSONAL_DATA,
        decontaminate_stage.DECONTAMINATED,
        schemas.DECISIONS,
        diversity.DIVERSITY,
        schemas.TOKENS,
        schemas.MIXTURE_PLAN,
        schemas.pretraining_schema(EXAMPLE_CONTEXT),
        *instruction_datasets(),
        schemas.DEAD_LETTERS,
        dedup_index.survivors_schema(EXAMPLE_PERMUTATIONS),
        dedup_index.BANDS,
    ]


def instruction_datasets() -> list[DatasetSchema]:
    """The datasets of the job build_rlhf; clean_… and labelled_… have the columns of the raw ones."""
    return [
        rlhf.RAW_DEMONSTRATIONS,
        rlhf.RAW_JUDGEMENTS,
        rlhf.RAW_PROMPTS,
        rlhf.SFT,
        rlhf.COMPARISONS,
        rlhf.PAIRS,
        rlhf.PROMPTS,
        rlhf.RLHF_DECISIONS,
        CANDIDATES,
        JUDGE_SCORES,
        ROUNDS,
        *(statistics.USE_CASES, statistics.SIZES, statistics.PER_USER, statistics.LENGTHS),
        RANK_TABLE,
        AGREEMENT,
        LABELERS,
    ]


def page() -> str:
    """The page as markdown."""
    parts = [_HEAD]
    for schema in datasets():
        rows = [
            [f"`{field.name}`", str(field.type), (field.metadata or {}).get(b"meaning", b"").decode()]
            for field in schema.schema
        ]
        parts.append(f"## {schema.name}\n\n{markdown_rows(['column', 'type', 'meaning'], rows)}\n")
    return "\n".join(parts)


def main() -> int:
    """Write the page, or check that the written one is up to date."""
    if len(sys.argv) != 3 or sys.argv[1] not in ("--write", "--check"):
        sys.stderr.write("usage: python -m pipelines.contracts --write|--check PAGE\n")
        return 2
    path = Path(sys.argv[2])
    if sys.argv[1] == "--write":
        path.write_text(page(), encoding="utf-8")
        return 0
    if path.read_text(encoding="utf-8") == page():
        return 0
    sys.stderr.write(f"{path}: out of date; run 'make docs'\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
