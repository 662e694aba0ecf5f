"""Which document of a cluster stays: the best one, and only in place of documents that are similar to it.

Removal needs a right (dedup.removal): by default every document may remove every other.

A connected component may chain documents that have little in common (A like B, B like C, A unlike C). So
the documents of a component are taken from the best to the worst by the policy; the first one stays and
removes every other that is similar to it, the next one left stays and removes again, until none is left.
Every removed document then has a similarity to its own survivor that reaches the threshold.

Similarities that the candidate search did not verify are estimated from the signatures. Beyond three
standard errors of the threshold an estimate stands; between there and the threshold it only proposes, and
`measure` has the last word. After `MEASURE_PASSES` rounds of proposals a pair that nobody measured counts
as different. Copies (equal exact hashes) follow the best of them, so 100 000 copies cost one comparison.

Cost: within a component the first `SCANNING_SURVIVORS` survivors are compared with all that is left, later
ones along verified pairs alone, so a component of n documents and e verified pairs costs
O(SCANNING_SURVIVORS * n + e) and never n**2. A pair lost by that is a duplicate kept, not a document lost.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from dedup.config import DedupConfig
from dedup.removal import Rights
from dedup.verify import equal_share, estimate, margin
from text.jit import kernel

SCANNING_SURVIVORS = 256
MEASURE_PASSES = 4

Int64s = npt.NDArray[np.int64]
Float64s = npt.NDArray[np.float64]
Measure = Callable[[Int64s, Int64s], Float64s]


class Members(NamedTuple):
    """Documents that have a verified duplicate, one row each.

    component: label of the connected component. source: number of the source in the rights. figures: what
    the survivor policy compares, by name; NaN is the worst. doc_id: hex. exact_codes: equal for equal exact
    hashes. signatures: uint32[n, num_perm].
    """

    component: Int64s
    source: Int64s
    figures: Mapping[str, Float64s]
    doc_id: Any
    exact_codes: Int64s
    signatures: npt.NDArray[np.uint32]


class Links(NamedTuple):
    """Known similarities between rows of Members, verified or rejected."""

    left: Int64s
    right: Int64s
    jaccard: Float64s


class Verdicts(NamedTuple):
    """For each row of Members its survivor (its own row if it stays), the similarity, whether it is a copy.

    cluster_size counts the survivor and all that it removed.
    """

    survivor: Int64s
    jaccard: Float64s
    exact: npt.NDArray[np.bool_]
    cluster_size: Int64s


def choose_survivors(
    members: Members, links: Links, measure: Measure, rights: Rights, config: DedupConfig
) -> Verdicts:
    """Who stays and who goes for whom; `measure(left, right)` gives exact similarities of pairs of rows.

    The result depends on the rows' content alone, not on their order.
    """
    rows, group_of = _best_copies(members, policy_order(members, rights, config), rights.may_remove)
    if config.chain_break:
        owner, jaccard = _break_chains(members, links, rows, group_of, measure, rights, config.threshold)
    else:
        owner = _first_with_right(members.component[rows], members.source[rows], rights.may_remove)
        jaccard = estimate(members.signatures, rows, rows[owner])
    survivor = rows[owner[group_of]]
    exact = members.exact_codes == members.exact_codes[survivor]
    sizes = np.bincount(survivor, minlength=len(survivor))
    # The signatures of copies without words are empty and estimate nothing.
    return Verdicts(survivor, np.where(exact, 1.0, jaccard[group_of]), exact, sizes[survivor])


def policy_order(members: Members, rights: Rights, config: DedupConfig) -> Int64s:
    """Rows of `members` by component, and within each from the first to stay to the last."""
    keys: list[Any] = [members.component, rights.level[members.source]]
    for preference in config.survivor_order:
        figure = members.figures[preference.by]
        worst_last = np.where(np.isnan(figure), np.inf, figure if preference.keep == "lowest" else -figure)
        keys.append(worst_last)
    keys.append(np.asarray(pc.rank(members.doc_id, tiebreaker="dense")))
    return np.lexsort(keys[::-1]).astype(np.int64)


def _best_copies(members: Members, order: Int64s, may_remove: npt.NDArray[np.bool_]) -> tuple[Int64s, Int64s]:
    """The best row of each group of copies, in policy order, and for each row the number of its group.

    A group holds the copies in one component whose sources have the same rights, one over the other among
    them; a copy whose source has none over itself is a group alone.
    """
    _, alike = np.unique(np.hstack([may_remove, may_remove.T]), axis=0, return_inverse=True)
    source = members.source[order]
    alone = np.where(may_remove.diagonal()[source], -1, np.arange(len(order)))
    first, inverse = _numbered(
        members.component[order], members.exact_codes[order], alike.reshape(-1)[source], alone
    )
    heads = np.sort(first)
    group_of = np.empty(len(order), dtype=np.int64)
    group_of[order] = np.searchsorted(heads, first)[inverse]
    return order[heads], group_of


def _numbered(*columns: Int64s) -> tuple[Int64s, Int64s]:
    """The first row of each distinct combination of the columns' values, and for each row its combination."""
    rows = np.lexsort(columns)
    changed = np.ones(len(rows), dtype=np.bool_)
    if len(rows):
        changed[1:] = np.any([column[rows][1:] != column[rows][:-1] for column in columns], axis=0)
    inverse = np.empty(len(rows), dtype=np.int64)
    inverse[rows] = np.cumsum(changed) - 1
    return rows[changed], inverse


def _break_chains(
    members: Members,
    links: Links,
    rows: Int64s,
    group_of: Int64s,
    measure: Measure,
    rights: Rights,
    threshold: float,
) -> tuple[Int64s, Float64s]:
    """For each group of copies (best row in `rows`) the group that stays for it, and their similarity."""
    signatures, codes = np.ascontiguousarray(members.signatures[rows]), members.exact_codes[rows]
    component, source = members.component[rows], members.source[rows]
    starts = np.flatnonzero(np.r_[True, component[1:] != component[:-1]]) if len(rows) else component
    bounds = np.r_[starts, len(rows)].astype(np.int64)
    clear = threshold + margin(threshold, signatures.shape[1])
    known = Links(group_of[links.left], group_of[links.right], links.jaccard)
    for remaining in range(MEASURE_PASSES, -1, -1):
        offsets, to, jaccards = _neighbours(known, len(rows))
        owner, jaccard, proposed = _greedy(
            signatures,
            codes,
            source,
            rights.may_remove,
            bounds,
            offsets,
            to,
            jaccards,
            threshold,
            clear,
            remaining > 0,
        )
        asked = np.flatnonzero(proposed)
        if not asked.size:
            break
        found = measure(rows[asked], rows[owner[asked]])
        known = Links(
            *(np.concatenate(pair) for pair in zip(known, (asked, owner[asked], found), strict=True))
        )
    return owner, jaccard


def _neighbours(links: Links, n: int) -> tuple[Int64s, Int64s, Float64s]:
    """Links in both directions as adjacency: those of i are `offsets[i]` to `offsets[i + 1]`."""
    source = np.concatenate([links.left, links.right])
    target = np.concatenate([links.right, links.left])
    order = np.lexsort((target, source))
    offsets = np.searchsorted(source[order], np.arange(n + 1)).astype(np.int64)
    return offsets, target[order], np.concatenate([links.jaccard, links.jaccard])[order]


@kernel
def _first_with_right(component: Int64s, source: Int64s, may_remove: npt.NDArray[np.bool_]) -> Int64s:
    """For each row, sorted by component, the first row of its component that stays and may remove it."""
    n_sources = may_remove.shape[0]
    owner = np.arange(component.shape[0])
    best = np.full(n_sources, -1, dtype=np.int64)
    for row in range(component.shape[0]):
        if row == 0 or component[row] != component[row - 1]:
            best[:] = -1
        for other in range(n_sources):
            if best[other] >= 0 and best[other] < owner[row] and may_remove[other, source[row]]:
                owner[row] = best[other]
        if owner[row] == row and best[source[row]] < 0:
            best[source[row]] = row
    return owner


@kernel
def _greedy(
    signatures: npt.NDArray[np.uint32],
    codes: Int64s,
    source: Int64s,
    may_remove: npt.NDArray[np.bool_],
    bounds: Int64s,
    offsets: Int64s,
    to: Int64s,
    jaccards: Float64s,
    threshold: float,
    clear: float,
    propose: bool,
) -> tuple[Int64s, Float64s, npt.NDArray[np.bool_]]:
    n = signatures.shape[0]
    owner = np.full(n, -1, dtype=np.int64)
    jaccard = np.ones(n, dtype=np.float64)
    proposed = np.zeros(n, dtype=np.bool_)
    answered_by = np.full(n, -1, dtype=np.int64)
    for component in range(bounds.shape[0] - 1):
        survivors = 0
        for best in range(bounds[component], bounds[component + 1]):
            if owner[best] >= 0:
                continue
            owner[best] = best
            removes = may_remove[source[best]]
            if not removes.any():
                continue
            survivors += 1
            for link in range(offsets[best], offsets[best + 1]):
                other = to[link]
                answered_by[other] = best
                if owner[other] < 0 and jaccards[link] >= threshold and removes[source[other]]:
                    owner[other] = best
                    jaccard[other] = jaccards[link]
            if survivors > SCANNING_SURVIVORS:
                continue
            for other in range(best + 1, bounds[component + 1]):
                if owner[other] >= 0 or answered_by[other] == best or not removes[source[other]]:
                    continue
                copy = codes[best] == codes[other]
                share = 1.0 if copy else equal_share(signatures[best], signatures[other])
                if copy or share > clear or (propose and share >= threshold):
                    owner[other] = best
                    jaccard[other] = share
                    proposed[other] = not copy and share <= clear
    return owner, jaccard, proposed
