"""The rule on perplexity: limits by language, else by CCNet's buckets, from the signals alone."""

from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from quality.perplexity import BUCKETS, SIGNALS


class PerplexityLimit(BaseModel):
    """A largest perplexity for some languages."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    languages: list[str] = Field(description="lid.176 codes")
    most: float = Field(description="largest perplexity of a crawled document that stays", gt=0)


class PerplexityRule(BaseModel):
    """Which perplexities stay; they can be compared within a language alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    worst_bucket: Literal["head", "middle", "tail"] = Field(
        default="middle", description="worst bucket that stays: middle drops the tail, tail drops nothing"
    )
    by_language: list[PerplexityLimit] = Field(
        default=[], description="limits that hold for their languages in place of the bucket"
    )


class PerplexityVerdicts(NamedTuple):
    """Row by row: whether the rule takes it, perplexity and limit (NaN where there is none), language and bucket."""

    failed: NDArray[np.bool_]
    figures: NDArray[np.float64]
    limits: NDArray[np.float64]
    evidence: pa.Array


def hold(signals: pa.Table, rule: PerplexityRule) -> PerplexityVerdicts:
    """Hold perplexities against the rule; `signals` needs language and the columns of quality.perplexity.

    A null perplexity, or a null bucket where the bucket decides, fails nothing.
    """
    figures = signals[SIGNALS[0]].to_numpy().astype(np.float64)
    languages, buckets = signals["language"].combine_chunks(), signals[SIGNALS[1]].combine_chunks()
    worse = BUCKETS[BUCKETS.index(rule.worst_bucket) + 1 :]
    failed = np.asarray(pc.is_in(buckets, value_set=pa.array(worse, pa.string())))
    limits = np.full(len(figures), np.nan)
    for limit in reversed(rule.by_language):  # the first that names a language holds
        own = np.asarray(pc.is_in(languages, value_set=pa.array(limit.languages, pa.string())))
        limits[own] = limit.most
    given = ~np.isnan(limits)
    # Perplexities are stored in single precision and held against the limit in their own.
    failed = np.where(given, figures > limits.astype(np.float32), failed)
    told = pc.binary_join_element_wise(languages, pc.fill_null(buckets, "-"), ", ")
    return PerplexityVerdicts(failed, figures, limits, told)
