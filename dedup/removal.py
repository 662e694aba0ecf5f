"""Which sources may lose documents to which: within sources, across them, or one source to another.

A document is removed only for a survivor whose source has the right to remove it. Where rights run one way
(WebText removes from the crawl, never the reverse), the source that stays has to be dealt with first, or a
crawl page could claim others before the WebText page claims it: sources get levels, and the survivor policy
decides within a level. Sources that may remove each other, directly or in a circle, share one.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dedup.config import DedupConfig


class Rights(NamedTuple):
    """may_remove[a, b], bool[n, n]: a document of source a may remove one of b. level, int64[n]: the lower
    is dealt with first."""

    may_remove: npt.NDArray[np.bool_]
    level: npt.NDArray[np.int64]


def rights(sources: Sequence[str], config: DedupConfig) -> Rights:
    """The rights that `config.within` and `config.across` give `sources`; they may name no other source."""
    number = {source: i for i, source in enumerate(sources)}
    n = len(sources)
    own = range(n) if config.within is None else _numbers(config.within, number, "within")
    may_remove = np.full((n, n), config.across is None, dtype=np.bool_)
    np.fill_diagonal(may_remove, False)
    may_remove[list(own), list(own)] = True
    for i, rule in enumerate(config.across or []):
        keep = _numbers(rule.keep, number, f"across[{i}].keep")
        remove = _numbers(rule.remove, number, f"across[{i}].remove")
        may_remove[np.ix_(keep, remove)] = True
    return Rights(may_remove, _levels(may_remove))


def _levels(may_remove: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """For each source the number of sources that can reach it and that it cannot reach."""
    reach = may_remove.copy()
    for middle in range(len(reach)):
        reach |= np.outer(reach[:, middle], reach[middle])
    return (reach & ~reach.T).sum(axis=0).astype(np.int64)


def _numbers(names: Sequence[str], number: dict[str, int], key: str) -> list[int]:
    unknown = [name for name in names if name not in number]
    if unknown:
        raise ValueError(f"dedup.{key}: no source is called '{unknown[0]}'; there are {sorted(number)}")
    return [number[name] for name in names]
