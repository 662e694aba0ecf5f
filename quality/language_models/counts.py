"""Training of the n-gram model: counts of n-grams, and interpolated modified Kneser-Ney from them.

After Chen and Goodman 1998 (An Empirical Study of Smoothing Techniques for Language Modeling, section 3.2) as
Heafield et al. 2013 (Scalable Modified Kneser-Ney Language Model Estimation) write it down. With a(g) the count of an
n-gram of the highest order, or of one that begins with BEGIN, and else the number of different tokens before it,
D the order's discount for that count, and c the context g without its last word w:

    p(w | c) = (a(c w) - D(a(c w))) / A(c) + b(c) p(w | c without its first token),    A(c) = sum of a(c x) over x
    b(c) = (sum over x of D(a(c x)), and of a(c x) where c x is pruned) / A(c)

The unigrams interpolate with 1 / V, V counting the words, END and the unknown word, which has nothing else. Counting
sorts keys of n-grams, so the result depends on neither the order of the texts nor where they are cut.
"""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from quality.language_models.tables import BEGIN, Keys, Places, fill_tokens, keys_at
from text.words import segment

FALLBACK = (0.5, 1.0, 1.5)
"""Discounts of an order whose counts of counts give none (as lmplz --discount_fallback has them)."""
NO_LOG = -99.0

Numbers = NDArray[np.float64]


class Tokens(NamedTuple):
    """BEGIN, words and END of all documents in a row, and how far each is behind its BEGIN (255: or further)."""

    values: Keys
    places: NDArray[np.uint8]


class Counted(NamedTuple):
    """Different n-grams of one order, by ascending key: (adjusted) counts, and a place where each one ends."""

    keys: Keys
    counts: Places
    ends: Places


class Estimated(NamedTuple):
    """N-grams of one order by ascending key, their log10 probabilities and log10 backoff weights (float64)."""

    keys: Keys
    logs: Numbers
    backoffs: Numbers


class Estimates(NamedTuple):
    """A model: its orders from the unigrams up, the unknown word's log10 probability, each order's discounts."""

    orders: list[Estimated]
    unknown: float
    discounts: list[tuple[float, float, float]]


def tokens_of(texts: pa.ChunkedArray) -> Tokens:
    """All documents that have words, marked at both ends."""
    values, places = [np.empty(0, np.uint64)], [np.empty(0, np.uint8)]
    for chunk in texts.chunks:
        words = segment(chunk)
        size = len(words.hashes) + 2 * int(np.count_nonzero(np.diff(words.offsets)))
        values.append(np.empty(size, np.uint64))
        places.append(np.empty(size, np.uint8))
        fill_tokens(words.hashes, words.offsets, values[-1], places[-1])
    return Tokens(np.concatenate(values), np.concatenate(places))


def estimate(tokens: Tokens, order: int, min_count: int) -> Estimates:
    """The model of `order` whose highest order keeps n-grams seen `min_count` times."""
    counted = count(tokens, order)
    lower = Estimated(np.array([BEGIN | np.uint64(1)], np.uint64), np.array([NO_LOG]), np.zeros(1))
    orders: list[Estimated] = []
    discounts = []
    unknown = 0.0
    probabilities = np.zeros(1)
    for length, grams in enumerate(counted, 1):
        discounts.append(discounts_of(grams.counts))
        keep = grams.counts >= (min_count if length == order else 1)
        if length == 1:
            context = suffix = np.zeros(len(grams.keys), np.int64)
        else:
            context = np.searchsorted(lower.keys, keys_at(tokens.values, grams.ends - 1, length - 1))
            suffix = np.searchsorted(lower.keys, keys_at(tokens.values, grams.ends, length - 1))
        shares, weights = _shares(grams.counts, keep, context, len(lower.keys), discounts[-1])
        if length == 1:
            uniform = weights[0] / (len(grams.keys) + 1)
            unknown = float(np.log10(uniform))
            values = shares + uniform
        else:
            orders.append(lower._replace(backoffs=np.log10(weights)))
            values = shares + weights[context] * probabilities[suffix]
        lower, probabilities = _next(grams.keys[keep], values[keep], with_begin=length == 1)
    return Estimates([*orders, lower], unknown, discounts)


def count(tokens: Tokens, order: int) -> list[Counted]:
    """N-grams of the orders 1 to `order`. A lower order counts what ends the different n-grams of the next one."""
    counted = [_distinct(tokens, np.flatnonzero(tokens.places >= order - 1).astype(np.int64), order)]
    for length in range(order - 1, 0, -1):
        # An n-gram that begins with BEGIN has nothing before it: its occurrences count.
        begun = tokens.places == length - 1 if length > 1 else np.zeros(len(tokens.places), np.bool_)
        ends = np.concatenate([counted[0].ends, np.flatnonzero(begun).astype(np.int64)])
        counted.insert(0, _distinct(tokens, ends, length))
    return counted


def discounts_of(counts: Places) -> tuple[float, float, float]:
    """D1, D2 and D3+ by Chen and Goodman's formula; FALLBACK where it gives none between 0 and the count."""
    n = np.bincount(np.minimum(counts, 5), minlength=6)[1:5].astype(np.float64)
    if n.all():
        y = n[0] / (n[0] + 2 * n[1])
        found = tuple(float(j - (j + 1) * y * n[j] / n[j - 1]) for j in (1, 2, 3))
        if all(0 < discount <= j for j, discount in enumerate(found, 1)):
            return found[0], found[1], found[2]
    return FALLBACK


def _distinct(tokens: Tokens, ends: Places, length: int) -> Counted:
    keys = keys_at(tokens.values, ends, length)
    ranked = np.argsort(keys)
    keys = keys[ranked]
    fresh = np.ones(len(keys), np.bool_)
    fresh[1:] = keys[1:] != keys[:-1]
    firsts = np.flatnonzero(fresh)
    return Counted(keys[firsts], np.diff(np.append(firsts, len(keys))), ends[ranked[firsts]])


def _shares(
    counts: Places,
    keep: NDArray[np.bool_],
    context: NDArray[np.int64],
    n_contexts: int,
    discounts: tuple[float, float, float],
) -> tuple[Numbers, Numbers]:
    """Discounted share of each n-gram in its context, and the weight that each context leaves to the lower order."""
    totals = np.bincount(context, counts, n_contexts)
    kinds = np.where(keep, np.minimum(counts, 3), 0)
    freed = np.bincount(context[~keep], counts[~keep], n_contexts).astype(np.float64)
    for j, discount in enumerate(discounts, 1):
        freed += discount * np.bincount(context[kinds == j], minlength=n_contexts)
    weights = np.divide(freed, totals, out=np.ones(n_contexts), where=totals > 0)
    taken = np.array([0.0, *discounts])[np.minimum(counts, 3)]
    return (counts - taken) / totals[context], weights


def _next(keys: Keys, probabilities: Numbers, with_begin: bool) -> tuple[Estimated, Numbers]:
    """The order as the contexts of the next one; among the unigrams BEGIN has a place, though no probability."""
    if with_begin:
        place = np.searchsorted(keys, BEGIN | np.uint64(1))
        keys = np.insert(keys, place, BEGIN | np.uint64(1))
        probabilities = np.insert(probabilities, place, 10.0**NO_LOG)
    return Estimated(keys, np.log10(probabilities), np.zeros(len(keys))), probabilities
