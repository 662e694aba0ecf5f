"""How often each source is drawn: weights by role, a token budget, epochs, and the paper's table beside
ours.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field

from pipelines.schemas import MIXTURE_PLAN
from text.hashing import uniform

Role = Literal["crawl", "webtext", "books1", "books2", "wikipedia", "other"]

SOURCE_STATS = pa.schema(
    [
        pa.field("source", pa.string(), False),
        pa.field("role", pa.string(), False),
        pa.field("documents", pa.int64(), False),
        pa.field("tokens", pa.int64(), False),
    ]
)


class MixtureError(ValueError):
    """The mixture cannot be drawn as configured; the message names the key or the source."""


class PaperRow(NamedTuple):
    """One line of GPT-3's Table 2.2: tokens, weight 0..1 and epochs at 300 B tokens."""

    tokens: float
    weight: float
    epochs: float


# arXiv 2005.14165, Table 2.2. The printed weights sum to 1.01, which is why ours are normalised.
PAPER: dict[str, PaperRow] = {
    "crawl": PaperRow(410e9, 0.60, 0.44),
    "webtext": PaperRow(19e9, 0.22, 2.9),
    "books1": PaperRow(12e9, 0.08, 1.9),
    "books2": PaperRow(55e9, 0.08, 0.43),
    "wikipedia": PaperRow(3e9, 0.03, 3.4),
}


class RoleWeights(BaseModel):
    """Weight of each role in points; normalised over the roles that have text."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    crawl: float = Field(default=60.0, description="points of the filtered crawl (GPT-3 Table 2.2: 60)", ge=0)
    webtext: float = Field(default=22.0, description="points of curated web text (GPT-3 Table 2.2: 22)", ge=0)
    books1: float = Field(default=8.0, description="points of the first books (GPT-3 Table 2.2: 8)", ge=0)
    books2: float = Field(default=8.0, description="points of the second books (GPT-3 Table 2.2: 8)", ge=0)
    wikipedia: float = Field(default=3.0, description="points of Wikipedia (GPT-3 Table 2.2: 3)", ge=0)
    other: float = Field(default=1.0, description="points of sources outside the paper's table", ge=0)


class SourceWeight(BaseModel):
    """A weight for one source in place of its part of the role's weight."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str = Field(..., description="name of the source in the run config")
    weight: float = Field(..., description="points, on the scale of the role weights", ge=0)


class MixtureConfig(BaseModel):
    """Weights, budget and the limit on repetition."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    roles: RoleWeights = Field(default=RoleWeights(), description="weight of each role")
    sources: list[SourceWeight] = Field(
        default=[], description="weights by source; such a source leaves its role's share"
    )
    token_budget: int | None = Field(
        default=None, description="tokens to draw; none: as many as there are, all sources together", ge=1
    )
    max_epochs: float = Field(
        default=4.0, description="no source is drawn more often than this on average", gt=0
    )


def plan(source_stats: pa.Table, config: MixtureConfig, key: str = "ops.mixture_plan.config") -> pa.Table:
    """Weights and epochs by source as a mixture_plan table, one row a source, sorted by source.

    `source_stats` has the columns of SOURCE_STATS, one row a source. Weights are normalised over the
    sources that have tokens; sources of one role share its weight in proportion to their tokens. A source
    whose part of the budget exceeds `max_epochs` is drawn `max_epochs` times and what it cannot give goes
    to the others in proportion to their weights, until no source exceeds the limit. If all are at the limit
    the budget is not reached: see `shortfall`. The paper's columns show the row of the source's role;
    sources of one role show the same row. Raises MixtureError for a repeated or unknown source, an unknown
    role, or weights that are all zero; `key` is where `config` stands in the run config.
    """
    stats = _sorted_stats(source_stats)
    names, roles = stats["source"].to_pylist(), stats["role"].to_pylist()
    tokens = stats["tokens"].to_numpy().astype(np.int64)
    weights = _weights(names, roles, tokens, config, key)
    shares = fill(weights, tokens * config.max_epochs, float(budget(stats, config)))
    # Rounding down keeps both promises: no more than the budget, no more than max_epochs.
    drawn = np.floor(shares).astype(np.int64)
    total = max(int(drawn.sum()), 1)
    paper = [PAPER.get(role) for role in roles]
    return pa.table(
        {
            "source": names,
            "role": roles,
            "documents": stats["documents"],
            "tokens": tokens,
            "weight": weights,
            "epochs": np.divide(drawn, tokens, out=np.zeros(len(tokens)), where=tokens > 0),
            "drawn_tokens": drawn,
            "drawn_share": drawn / total,
            "paper_tokens": [row and row.tokens for row in paper],
            "paper_weight": [row and row.weight for row in paper],
            "paper_epochs": [row and row.epochs for row in paper],
        },
        schema=MIXTURE_PLAN.schema,
    )


def budget(source_stats: pa.Table, config: MixtureConfig) -> int:
    """Tokens that the plan aims at: the configured budget, else all tokens at hand.

    The default is always in reach when `max_epochs` is 1 or more: what curated sources are repeated, the
    crawl is thinned by.
    """
    if config.token_budget is not None:
        return config.token_budget
    return int(pc.sum(source_stats["tokens"]).as_py() or 0)


def shortfall(mixture_plan: pa.Table, config: MixtureConfig) -> int:
    """Tokens of the budget that no source could give within `max_epochs`, 0 where only rounding is."""
    missing = budget(mixture_plan, config) - int(pc.sum(mixture_plan["drawn_tokens"]).as_py() or 0)
    return missing if missing > mixture_plan.num_rows else 0


def fill(weights: np.ndarray, limits: np.ndarray, amount: float) -> np.ndarray:
    """`amount` dealt out in proportion to `weights`, none above its limit; float64, one a source.

    What a limited source cannot take goes to the others in proportion to their weights, to a fixpoint:
    at most one round a source.
    """
    dealt = np.zeros(len(weights))
    open_ = weights > 0
    left = amount
    while open_.any() and left > 0:
        asked = left * weights / weights[open_].sum()
        full = open_ & (asked >= limits)
        if not full.any():
            dealt[open_] = asked[open_]
            break
        dealt[full] = limits[full]
        left -= limits[full].sum()
        open_ &= ~full
    return dealt


def repeats(doc_ids: pa.Array, epochs: float, seed: int) -> np.ndarray:
    """How often each document is drawn at `epochs` on average: int64, from the id alone.

    Every document is drawn floor(epochs) times, and once more where its uniform draw falls below the
    fraction.
    """
    whole = int(np.floor(epochs))
    return whole + (uniform(doc_ids, seed, "epoch fraction") < epochs - whole).astype(np.int64)


def counted_stats(counts: Mapping[str, int], roles: Mapping[str, str]) -> pa.Table:
    """SOURCE_STATS of the training documents out of the counts of TokenizeStage, end of text counted in.

    `roles` maps each source to its role; a source that has tokens and is missing there is a MixtureError, and
    so are counts that tell nothing by source. A source that has no tokens is listed with zeros, so that the
    plan shows it.
    """
    by_source = [key.split(":", 2) for key in counts if key.startswith("documents:")]
    if sum(counts[":".join(key)] for key in by_source) != counts.get("documents", 0):
        raise MixtureError(
            "dataset 'tokens' was made by an earlier version, which did not count by source; "
            "materialise tokens again"
        )
    stray = sorted({source for _, _, source in by_source} - set(roles))
    if stray:
        raise MixtureError(f"source '{stray[0]}' has tokens but no role; known: {sorted(roles)}")
    names = sorted(roles)
    documents = [counts.get(f"documents:train:{name}", 0) for name in names]
    tokens = [counts.get(f"tokens:train:{name}", 0) for name in names]
    with_ends = [n + ends for n, ends in zip(tokens, documents, strict=True)]
    return pa.table([names, [roles[name] for name in names], documents, with_ends], schema=SOURCE_STATS)


def _sorted_stats(source_stats: pa.Table) -> pa.Table:
    missing = [name for name in SOURCE_STATS.names if name not in source_stats.column_names]
    if missing:
        raise MixtureError(f"source statistics lack the columns {missing}")
    stats = source_stats.select(SOURCE_STATS.names).cast(SOURCE_STATS).sort_by("source")
    names = stats["source"].to_pylist()
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise MixtureError(f"source statistics name {repeated} more than once; add them up first")
    return stats


def _weights(
    names: Sequence[str], roles: Sequence[str], tokens: np.ndarray, config: MixtureConfig, key: str
) -> np.ndarray:
    """Normalised weights, float64: 0 for a source without tokens, else its own or its part of the role's."""
    own = {entry.source: entry.weight for entry in config.sources}
    unknown = sorted(set(own) - set(names))
    if unknown:
        raise MixtureError(f"{key}.sources: names {unknown}; the sources are {list(names)}")
    by_role = config.roles.model_dump()
    strange = sorted(set(roles) - set(by_role))
    if strange:
        raise MixtureError(f"unknown roles {strange}; the roles are {list(by_role)}")
    role_tokens = dict.fromkeys(by_role, 0)
    for name, role, n in zip(names, roles, tokens, strict=True):
        if name not in own:
            role_tokens[role] += int(n)
    weights = np.zeros(len(names))
    for i, (name, role, n) in enumerate(zip(names, roles, tokens, strict=True)):
        if n > 0:
            weights[i] = own[name] if name in own else by_role[role] * n / role_tokens[role]
    total = weights.sum()
    if total == 0 and tokens.sum() > 0:
        raise MixtureError(f"{key}.roles and {key}.sources: all sources with text have weight 0; raise one")
    return weights / total if total else weights
