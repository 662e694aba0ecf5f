"""More rows of `sft` made from its own: few-shot and task-conditioned forms, each naming what it was made of.

Only single questions of the train split are parents and examples, so no text of validation or test gets into
train. `form` says which augmentation a row is of, `made_from` lists the record_id of its parent and then those of
its examples; the answer is the parent's.
"""

from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field

from pipelines.rlhf.chat_tokenizer import ChatTokenizer
from pipelines.rlhf.demonstrations import PLAIN
from pipelines.rlhf.few_shot import examples_of
from pipelines.rlhf.forms import few_shot_text, has_task, task_text
from pipelines.rlhf.lengths import LengthConfig
from pipelines.rlhf.licences import joined
from pipelines.rlhf.normalise import prompt_ids
from pipelines.rlhf.records import record_id
from pipelines.rlhf.schemas import SFT
from pipelines.rlhf.splits import TRAIN
from text.hashing import uniform

Ints = npt.NDArray[np.int64]

FEW_SHOT, TASK, CODE = "few_shot", "task_conditioned", "code"


class AugmentConfig(BaseModel):
    """How many rows get further forms."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    few_shot_share: float = Field(
        default=0.0,
        description="share of the single questions of train that get a few-shot form, 0..1",
        ge=0,
        le=1,
    )
    examples: int = Field(default=3, description="worked examples of a few-shot form", ge=1, le=16)
    max_example_tokens: int = Field(
        default=200, description="most tokens of a worked example, question and answer together", ge=1
    )
    task_share: float = Field(
        default=0.0,
        description="share of the single questions of train that get a task-conditioned form, 0..1",
        ge=0,
        le=1,
    )
    seed: int = Field(default=0, description="seed of which rows, and of the examples")


class Augmented(NamedTuple):
    """New rows of SFT, and counts by form: made, without_examples, too_long."""

    rows: pa.Table
    counts: dict[str, int]


def augment(
    sft: pa.Table, tokenizer: ChatTokenizer, config: AugmentConfig, limits: LengthConfig
) -> Augmented:
    """The further forms of SFT's rows, ordered by record_id; forms over the limits are left out and counted."""
    sft = sft.sort_by("record_id")
    parents = _parents(sft)
    made: list[dict[str, Any]] = []
    counts: dict[str, int] = {}
    chosen = _chosen(sft, parents, config.few_shot_share, FEW_SHOT, config.seed)
    if len(chosen):
        found = examples_of(sft, chosen, _pool(sft, parents, config), config.examples, config.seed)
        counts[f"{FEW_SHOT}:without_examples"] = len(chosen) - len(found)
        made += [_few_shot(sft, parent, examples) for parent, examples in found.items()]
    chosen = _chosen(sft, parents, config.task_share, TASK, config.seed)
    made += [_task(sft, parent) for parent in chosen.tolist()]
    rows = _measured(made, tokenizer)
    fits = pc.less_equal(rows["n_prompt_tokens"], limits.max_prompt_tokens)
    for form in (FEW_SHOT, TASK):
        of_form = pc.equal(rows["form"], form)
        kept = int(pc.sum(pc.and_(of_form, fits)).as_py() or 0)
        counts[f"{form}:made"] = kept
        counts[f"{form}:too_long"] = int(pc.sum(of_form).as_py() or 0) - kept
    return Augmented(rows.filter(fits).sort_by("record_id"), counts)


def mark_code(sft: pa.Table, sources: Collection[str]) -> pa.Table:
    """SFT with the form code for all rows of these sources."""
    is_code = pc.is_in(sft["source"], value_set=pa.array(sorted(sources), pa.string()))
    place = sft.schema.get_field_index("form")
    forms = pc.if_else(is_code, CODE, sft["form"])
    return SFT.conform(sft.set_column(place, "form", forms), SFT.name)


def _parents(sft: pa.Table) -> Ints:
    """Single questions of train with a use case, without a system's turn and without augmentation."""
    fits = pc.and_(pc.equal(sft["split"], TRAIN), pc.equal(sft["form"], PLAIN))
    fits = pc.and_(fits, pc.equal(pc.list_value_length(sft["prompt"]), 1))
    known = np.array([has_task(case) for case in sft["use_case"].to_pylist()], np.bool_)
    return np.flatnonzero(np.asarray(fits) & known)


def _chosen(sft: pa.Table, parents: Ints, share: float, form: str, seed: int) -> Ints:
    draws = uniform(sft["record_id"].combine_chunks().take(pa.array(parents)), seed, f"form {form}")
    return parents[draws < share]


def _pool(sft: pa.Table, parents: Ints, config: AugmentConfig) -> Ints:
    tokens = np.asarray(sft["n_prompt_tokens"]) + np.asarray(sft["n_completion_tokens"])
    return parents[tokens[parents] <= config.max_example_tokens]


def _pair(sft: pa.Table, row: int) -> tuple[str, str]:
    asked, answered = sft["prompt"][row].as_py(), sft["completion"][row].as_py()
    return asked[0]["content"], answered[0]["content"]


def _few_shot(sft: pa.Table, parent: int, examples: list[int]) -> dict[str, Any]:
    row = sft.slice(parent, 1).to_pylist()[0]
    text = few_shot_text(
        row["prompt"][0]["content"], [_pair(sft, example) for example in examples], row["language"]
    )
    licences = [row["licence"], *(sft["licence"][example].as_py() for example in examples)]
    made_from = [row["record_id"], *(sft["record_id"][example].as_py() for example in examples)]
    return _form(row, FEW_SHOT, text) | {"licence": joined(licences), "made_from": made_from}


def _task(sft: pa.Table, parent: int) -> dict[str, Any]:
    row = sft.slice(parent, 1).to_pylist()[0]
    text = task_text(row["prompt"][0]["content"], row["use_case"], row["language"])
    return _form(row, TASK, text) | {"made_from": [row["record_id"]]}


def _form(row: dict[str, Any], form: str, text: str) -> dict[str, Any]:
    prompt = [{"role": "user", "content": text}]
    origin = f"{row['origin']}#{form}"
    return row | {
        "record_id": record_id(row["source"], origin),
        "origin": origin,
        "form": form,
        "prompt": prompt,
        "messages": prompt + row["completion"],
    }


def _measured(made: list[dict[str, Any]], tokenizer: ChatTokenizer) -> pa.Table:
    """Rows of SFT with the ids and lengths of their new prompts."""
    table = pa.Table.from_pylist(made, schema=SFT.schema)
    if not table.num_rows:
        return table
    for name, values in (
        ("prompt_id", prompt_ids(table["prompt"])),
        ("n_prompt_tokens", pa.array(tokenizer.count_prompts(table["prompt"]), pa.int32())),
    ):
        place = table.schema.get_field_index(name)
        table = table.set_column(place, table.schema.field(name), values)
    return table
