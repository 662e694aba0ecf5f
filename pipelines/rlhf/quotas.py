"""Sizes and use-case mix of the datasets: InstructGPT's Tables 1 and 6 as a preset.

A quota counts prompts: all rows of a prompt that is drawn come with it. Which prompts are drawn depends on their
ids and the seed, stratum by stratum. What a stratum lacks is reported and never made up from another.
"""

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipelines.rlhf.decisions import Drops
from pipelines.rlhf.duplicates import codes
from pipelines.rlhf.reasons import Reason
from pipelines.rlhf.splits import SPLITS
from pipelines.rlhf.user_limit import prompt_places

Ints = npt.NDArray[np.int64]

DatasetName = Literal["sft", "comparisons", "prompts"]
SplitName = Literal["train", "validation", "test"]

SHORTFALLS = pa.schema(
    [
        pa.field("dataset", pa.string(), False),
        pa.field("split", pa.string(), False),
        pa.field("use_case", pa.string()),  # null: all use cases together
        pa.field("wanted", pa.int64(), False),  # prompts
        pa.field("available", pa.int64(), False),
        pa.field("taken", pa.int64(), False),
        pa.field("shortfall", pa.int64(), False),
    ]
)

# InstructGPT, Table 6, labelers and customers together.
PAPER_SIZES: tuple[tuple[DatasetName, SplitName, int], ...] = (
    ("sft", "train", 12_725),
    ("sft", "validation", 1_653),
    ("comparisons", "train", 33_207),
    ("comparisons", "validation", 17_887),
    ("prompts", "train", 31_144),
    ("prompts", "validation", 16_185),
)
# InstructGPT, Table 1, per cent; the printed column sums to 99.9.
PAPER_MIX = {
    "generation": 45.6,
    "open_qa": 12.4,
    "brainstorming": 11.2,
    "chat": 8.4,
    "rewrite": 6.6,
    "summarization": 4.2,
    "classification": 3.5,
    "other": 3.5,
    "closed_qa": 2.6,
    "extract": 1.9,
}


class Size(BaseModel):
    """Prompts wanted in one split of one dataset."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: DatasetName = Field(description="dataset that is limited")
    split: SplitName = Field(description="its split")
    prompts: int = Field(description="most prompts that it gets", ge=0)


class UseCaseShare(BaseModel):
    """Weight of one use case among the prompts of a dataset."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    use_case: str = Field(description="category, as in the column use_case", min_length=1)
    share: float = Field(description="its weight; weights are divided by their sum", gt=0)


class QuotaConfig(BaseModel):
    """How many prompts each dataset gets, and of which use cases; a split without a size gets all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sizes: list[Size] = Field(
        default=[], description="prompts by dataset and split; not named: all there are"
    )
    mix: list[UseCaseShare] = Field(
        default=[], description="use cases of every dataset that has a size; empty: as they come"
    )
    seed: int = Field(default=0, description="seed of the draw")

    @model_validator(mode="after")
    def _each_once(self) -> "QuotaConfig":
        named = [f"{size.dataset} {size.split}" for size in self.sizes]
        cases = [share.use_case for share in self.mix]
        for key, values in (("sizes", named), ("mix", cases)):
            repeated = sorted({value for value in values if values.count(value) > 1})
            if repeated:
                raise ValueError(f"quotas.{key} names {repeated[0]} twice; name each at most once")
        return self


class Quota(NamedTuple):
    """Rows over their quota, and what was wanted and there (SHORTFALLS)."""

    drops: Drops
    shortfalls: pa.Table


def paper_quotas(seed: int = 0) -> QuotaConfig:
    """InstructGPT's sizes (Table 6) and use cases (Table 1)."""
    sizes = [Size(dataset=dataset, split=split, prompts=prompts) for dataset, split, prompts in PAPER_SIZES]
    mix = [UseCaseShare(use_case=name, share=share) for name, share in PAPER_MIX.items()]
    return QuotaConfig(sizes=sizes, mix=mix, seed=seed)


def apportion(total: int, shares: dict[str, float]) -> dict[str, int]:
    """`total` divided by `shares`: whole numbers by largest remainder, ties to the name that sorts first.

    >>> apportion(10, {"a": 1.0, "b": 1.0, "c": 1.0})
    {'a': 4, 'b': 3, 'c': 3}
    """
    weight = sum(shares.values())
    exact = {name: total * share / weight for name, share in shares.items()}
    parts = {name: int(value) for name, value in exact.items()}
    by_remainder = sorted(shares, key=lambda name: (parts[name] - exact[name], name))
    for name in by_remainder[: total - sum(parts.values())]:
        parts[name] += 1
    return parts


def over_quota(records: pa.Table, dataset: str, config: QuotaConfig) -> Quota:
    """Rows of one dataset's `records` (prompt_id, use_case, split) beyond what the config wants of it."""
    drops: list[Drops] = []
    lines: list[dict[str, object]] = []
    wanted_of = {size.split: size.prompts for size in config.sizes if size.dataset == dataset}
    split = np.asarray(records["split"].to_numpy(zero_copy_only=False))
    for name in SPLITS:
        if name not in wanted_of:
            continue
        rows = np.flatnonzero(split == name)
        found, part = _split_quota(records.take(pa.array(rows)), dataset, name, wanted_of[name], config)
        drops.append(found._replace(rows=rows[found.rows]))
        lines += part
    return Quota(_joined(drops), pa.Table.from_pylist(lines, schema=SHORTFALLS))


def _split_quota(
    records: pa.Table, dataset: str, split: str, wanted: int, config: QuotaConfig
) -> tuple[Drops, list[dict[str, object]]]:
    """Rows over the quota of one split, and its lines of SHORTFALLS."""
    prompts = records["prompt_id"].combine_chunks()
    names: list[str | None] = [None]
    strata, limits = np.zeros(records.num_rows, np.int64), np.array([wanted])
    if config.mix:
        parts = apportion(wanted, {share.use_case: share.share for share in config.mix})
        names = [*sorted(parts), None]
        limits = np.array([*(parts[name] for name in sorted(parts)), 0])
        number_of = {name: number for number, name in enumerate(names)}
        strata = np.array([number_of.get(case, len(parts)) for case in _of_prompt(records)], np.int64)
    places = prompt_places(strata, prompts, config.seed, f"quota {dataset} {split}")
    rows = np.flatnonzero(places > limits[strata])
    labels = [f"{split}, {name or ('no use case of the mix' if config.mix else 'all')}" for name in names]
    stratum = pa.array(labels, pa.string()).take(pa.array(strata[rows]))
    drops = Drops.of(rows, Reason.OVER_QUOTA, places[rows], limits[strata[rows]], stratum)
    lines: list[dict[str, object]] = []
    for number, name in enumerate(names):
        available = int(places[strata == number].max(initial=0))
        taken = min(available, int(limits[number]))
        if name is None and config.mix:
            continue
        lines.append(
            {"dataset": dataset, "split": split, "use_case": name, "wanted": int(limits[number]),
             "available": available, "taken": taken, "shortfall": int(limits[number]) - taken}
        )  # fmt: skip
    return drops, lines


def _of_prompt(records: pa.Table) -> list[str | None]:
    """The use case of each row's prompt: the least one given to any of its rows, so that they stay together."""
    prompt = codes(records["prompt_id"])
    cases = records["use_case"].to_pylist()
    least: dict[int, str] = {}
    for number, case in zip(prompt.tolist(), cases, strict=True):
        if case is not None and (number not in least or case < least[number]):
            least[number] = case
    return [least.get(number) for number in prompt.tolist()]


def _joined(drops: list[Drops]) -> Drops:
    if not drops:
        return Drops.of(np.empty(0, np.int64), Reason.OVER_QUOTA)
    return Drops(
        np.concatenate([part.rows for part in drops]),
        pa.concat_arrays([part.reason for part in drops]),
        np.concatenate([part.figure for part in drops]),
        np.concatenate([part.limit for part in drops]),
        pa.concat_arrays([part.evidence for part in drops]),
    )
