"""Rounds: prompts that no other round has, K answers of the current policy to each, and where all of it is from.

A round is a partition by its number. Its prompts are written to Parquet and answered by `python -m model.generate`
with K samples; what comes back joins them by row. The candidates then go to labelers
(`pipelines.rlhf.labelling`) or to an automatic judge (`pipelines.rlhf.judge`), and the judgements are raw ones of
the next build.
"""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field

from pipelines.rlhf.candidates import CANDIDATES, candidates
from pipelines.rlhf.records import record_id
from pipelines.rlhf.schemas import PROMPTS, RAW_PROMPTS
from pipelines.rlhf.splits import TRAIN
from pipelines.schemas import DatasetSchema
from text.hashing import digest128, uniform


def _column(name: str, kind: pa.DataType, meaning: str, nullable: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable, {"meaning": meaning})


ROUND_PROMPTS = DatasetSchema(
    "round_prompts",
    1,
    pa.schema(
        [
            *(PROMPTS.schema.field(name) for name in PROMPTS.schema.names if name != "prompt"),
            _column("round", pa.int32(), "the round, from 0"),
        ]
    ),
)
"""`messages` is what `python -m model.generate` answers, in the order of rows."""

ROUNDS = DatasetSchema(
    "rounds",
    1,
    pa.schema(
        [
            _column("round", pa.int32(), "the round, from 0"),
            _column("prompts", pa.int64(), "prompts drawn"),
            _column("samples", pa.int64(), "answers sampled"),
            _column("candidates", pa.int64(), "prompts with at least two different answers"),
            _column("policy", pa.string(), "path or name of the checkpoint that was sampled"),
            _column("policy_digest", pa.string(), "digest of its weights"),
            _column("sampling", pa.string(), "settings of the sampling, JSON with sorted keys"),
            _column("prompts_version", pa.string(), "version of the dataset prompts that was drawn from"),
            _column("prompts_digest", pa.string(), "128-bit xxh3 of the drawn prompt_ids in order; hex"),
            _column("judge", pa.string(), "label_studio, or name and version of the automatic judge"),
            _column("judge_kind", pa.string(), "human or model"),
        ]
    ),
)
"""One row a round: the lineage of its judgements, whose source is `source_of(round)`."""


class RoundConfig(BaseModel):
    """How a round's prompts are drawn."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompts: int = Field(default=1000, description="most prompts of a round", ge=1)
    again: bool = Field(default=False, description="whether a prompt may be in several rounds")
    seed: int = Field(default=0, description="seed of the draw")


class Policy(NamedTuple):
    """What answered: the checkpoint's path or name, the digest of its weights, the settings of sampling."""

    name: str
    digest: str
    sampling: Mapping[str, Any]


class Round(NamedTuple):
    """CANDIDATES of a round, and its row of ROUNDS."""

    candidates: pa.Table
    lineage: pa.Table


def source_of(number: int) -> str:
    """Name under which a round's candidates and judgements run.

    >>> source_of(3)
    'round-003'
    """
    return f"round-{number:03d}"


def of_round(schema: DatasetSchema, number: int) -> DatasetSchema:
    """The same columns as a dataset of their own for each round, such as round_prompts-003."""
    return DatasetSchema(f"{schema.name}-{number:03d}", schema.version, schema.schema)


def draw_prompts(
    prompts: pa.Table, used: pa.Array | pa.ChunkedArray, number: int, config: RoundConfig
) -> pa.Table:
    """ROUND_PROMPTS of a round from the train split of PROMPTS, ordered by prompt_id.

    `used` are prompt_ids of all other rounds; they are left out unless `again`. Without `again` all rounds go
    through one permutation, so a round that is drawn again draws the same; with it each round has its own.
    """
    rows = prompts.filter(pc.equal(prompts["split"], TRAIN)).drop_columns(["prompt"])
    rows = rows.take(_first_rows(rows["prompt_id"]))
    if not config.again:
        taken = used.combine_chunks() if isinstance(used, pa.ChunkedArray) else used
        rows = rows.filter(pc.invert(pc.is_in(rows["prompt_id"], value_set=taken.cast(pa.string()))))
    purpose = f"prompts of round {number}" if config.again else "prompts of rounds"
    ids = rows["prompt_id"].combine_chunks()
    ranks = np.asarray(pc.rank(ids)) if len(ids) else np.empty(0, np.int64)
    order = np.lexsort([ranks, uniform(ids, config.seed, purpose)])[: config.prompts]
    drawn = rows.take(pa.array(order)).sort_by("prompt_id")
    rounds = pa.array(np.full(drawn.num_rows, number, np.int32))
    return ROUND_PROMPTS.conform(drawn.append_column("round", rounds), ROUND_PROMPTS.name)


def _first_rows(ids: pa.ChunkedArray) -> pa.Array:
    """Rows that are the first of their id; a prompt may stand under several record_ids."""
    _, first = np.unique(np.asarray(ids.combine_chunks().dictionary_encode().indices), return_index=True)
    return pa.array(np.sort(first))


def policy_of(run: Mapping[str, Any]) -> Policy:
    """The policy of a generation's run.json, which `python -m model.generate` leaves beside its results."""
    config, inputs = run.get("config", {}), run.get("inputs", {})
    name = config.get("model")
    if name not in inputs or "sampling" not in config:
        raise ValueError(
            "run.json: expected config.model, config.sampling and the model's digest under inputs; take the file "
            "from the folder that model.generate wrote"
        )
    return Policy(str(name), str(inputs[name]), {**config["sampling"], "samples": config.get("samples")})


def gather(
    drawn: pa.Table, generations: pa.Table, policy: Policy, prompts_version: str, judge: str, judge_kind: str
) -> Round:
    """The round of ROUND_PROMPTS (in the order in which they were answered) and the rows of generations.parquet.

    Raises ValueError where the round has no prompts, where a row answers no prompt or another text than its
    prompt's, and where a prompt has no answer: then the generations are of another round.
    """
    if not drawn.num_rows:
        raise ValueError("the round has no prompts: all were in other rounds; add prompts, or set again")
    answers = _answers(drawn, generations)
    rows = [_candidate(prompt, made, policy) for prompt, made in zip(drawn.to_pylist(), answers, strict=True)]
    names = [name for name in CANDIDATES.schema.names if name != "completion_ids"]
    fields = pa.schema([CANDIDATES.schema.field(name) for name in names])
    found, _ = candidates(pa.Table.from_pylist(rows, fields))
    drawn_ids = "\n".join(drawn["prompt_id"].to_pylist())
    lineage = {
        "round": pc.min(drawn["round"]).as_py(),
        "prompts": drawn.num_rows,
        "samples": generations.num_rows,
        "candidates": found.num_rows,
        "policy": policy.name,
        "policy_digest": policy.digest,
        "sampling": json.dumps(dict(policy.sampling), sort_keys=True, ensure_ascii=False),
        "prompts_version": prompts_version,
        "prompts_digest": digest128(pa.array([drawn_ids]))[0].as_py(),
        "judge": judge,
        "judge_kind": judge_kind,
    }
    return Round(found, pa.Table.from_pylist([lineage], schema=ROUNDS.schema))


def _candidate(prompt: dict[str, Any], made: list[tuple[str, str]], policy: Policy) -> dict[str, Any]:
    source = source_of(prompt["round"])
    origin = f"{source}/{prompt['prompt_id']}"
    return {name: prompt.get(name) for name in RAW_PROMPTS.schema.names} | {
        "record_id": record_id(source, origin),
        "source": source,
        "origin": origin,
        "prompt_id": prompt["prompt_id"],
        "completions": [text for text, _ in made],
        "completion_authors": ["model"] * len(made),
        "finish_reasons": [reason for _, reason in made],
        "round": prompt["round"],
        "policy": policy.digest,
    }


def _answers(drawn: pa.Table, generations: pa.Table) -> list[list[tuple[str, str]]]:
    """(text, finish reason) of the samples of each prompt, in the order of samples."""
    asked = [messages[-1]["content"].strip() for messages in drawn["messages"].to_pylist()]
    found: list[list[tuple[str, str]]] = [[] for _ in asked]
    columns = ["row", "sample", "prompt", "completion", "finish_reason"]
    table = generations.select(columns).sort_by([("row", "ascending"), ("sample", "ascending")])
    for made in table.to_pylist():
        row = made["row"]
        if not 0 <= row < len(asked) or asked[row] not in made["prompt"]:
            raise ValueError(
                f"generations: row {row}, sample {made['sample']} does not answer a prompt of this round; "
                f"generate from the round's own prompts ({len(asked)} rows)"
            )
        found[row].append((made["completion"], made["finish_reason"]))
    repeated = [
        key
        for key, n in Counter(zip(*(table[c].to_pylist() for c in columns[:2]), strict=True)).items()
        if n > 1
    ]
    missing = [row for row, answers in enumerate(found) if not answers]
    if repeated or missing:
        told = f"row {missing[0]} has no answer" if missing else f"row {repeated[0][0]} has a sample twice"
        raise ValueError(f"generations: {told}; let model.generate finish, and take one run's results")
    return found
