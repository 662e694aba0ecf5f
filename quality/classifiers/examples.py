"""Labelled texts for the quality classifier, and the part of them that is held out for its evaluation."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from text.buffers import Texts, as_texts
from text.hashing import digest128, uniform

UNNAMED_SOURCE = "unnamed"
MIN_HELD_OUT = 10
_COLUMNS = ("groups", "sources", "languages", "urls")


@dataclass(frozen=True)
class Examples:
    """Texts of one class; `groups` (the site, null where there is none), `sources`, `languages` (lid.176 codes)
    and `urls`: row-aligned or absent.

    Rows of one group are held out together, so that a site's template is not learned on one side and met on
    the other. Texts of any kind that `text.buffers.as_texts` takes become a ChunkedArray.
    """

    texts: pa.ChunkedArray
    groups: pa.Array | None = None
    sources: pa.Array | None = None
    languages: pa.Array | None = None
    urls: pa.Array | None = None

    def __post_init__(self) -> None:
        texts = as_texts(self.texts)
        chunked = texts if isinstance(texts, pa.ChunkedArray) else pa.chunked_array([texts])
        object.__setattr__(self, "texts", chunked)
        for name in _COLUMNS:
            column = getattr(self, name)
            if column is None:
                continue
            if len(column) != len(self.texts):
                raise ValueError(f"{len(self.texts)} texts but {len(column)} {name}: each text needs one")
            # A column of nothing but nulls may come as Arrow's null type.
            array = column if isinstance(column, pa.Array | pa.ChunkedArray) else pa.array(column)
            object.__setattr__(self, name, array.cast(pa.string()))

    def __len__(self) -> int:
        return len(self.texts)

    @classmethod
    def of(cls, texts: "Examples | Texts") -> "Examples":
        """`texts` themselves, or plain texts as examples without groups and sources."""
        return texts if isinstance(texts, Examples) else cls(texts)

    def take(self, mask: NDArray[np.bool_]) -> pa.ChunkedArray:
        """The texts where `mask` holds, in order."""
        return self.texts.filter(pa.array(mask))

    def select(self, mask: NDArray[np.bool_]) -> "Examples":
        """The examples where `mask` holds, in order, with all that is known of them."""
        columns = {name: getattr(self, name) for name in _COLUMNS}
        return Examples(
            self.take(mask),
            **{k: None if c is None else c.filter(pa.array(mask)) for k, c in columns.items()},
        )

    def of_language(self, language: str) -> NDArray[np.bool_]:
        """Which rows are in this language; none where the languages are not known."""
        if self.languages is None:
            return np.zeros(len(self), np.bool_)
        return np.asarray(pc.fill_null(pc.equal(self.languages, language), False))

    def names_of_sources(self) -> list[str]:
        """The source of each row, `unnamed` where it is not known."""
        if self.sources is None:
            return [UNNAMED_SOURCE] * len(self)
        return [source or UNNAMED_SOURCE for source in self.sources.to_pylist()]

    def count_by_source(self, mask: NDArray[np.bool_]) -> dict[str, int]:
        """Rows per source where `mask` holds, by name."""
        if self.sources is None:
            return {UNNAMED_SOURCE: int(mask.sum())} if mask.any() else {}
        counted = pc.value_counts(self.sources.filter(pa.array(mask))).to_pylist()
        return {row["values"]: row["counts"] for row in sorted(counted, key=lambda row: row["values"])}


class Split(NamedTuple):
    """The rows of each class that are held out, and why nothing is evaluated on them, None where it is."""

    positive: NDArray[np.bool_]
    negative: NDArray[np.bool_]
    note: str | None = None

    def select(self, positive: NDArray[np.bool_], negative: NDArray[np.bool_]) -> "Split":
        """The same split of some of the rows: what was held out stays so, be it too little to evaluate on."""
        masks = self.positive[positive], self.negative[negative]
        return Split(*masks, self.note or _too_few(masks, "these rows"))

    def counts(self, positive: Examples, negative: Examples) -> dict[str, Any]:
        """Rows fitted and held out by class and source, JSON values."""
        rows = {}
        classes = (("positive", positive, self.positive), ("negative", negative, self.negative))
        for name, examples, mask in classes:
            rows[name] = {
                "fitted": int((~mask).sum()),
                "held_out": int(mask.sum()),
                "fitted_by_source": examples.count_by_source(~mask),
                "held_out_by_source": examples.count_by_source(mask),
            }
        return rows


def split_examples(positive: Examples, negative: Examples, share: float, seed: int) -> Split:
    """What `held_out` says, or nothing held out, with the reason, where it leaves too few rows on a side."""
    masks = held_out(positive, negative, share, seed)
    reason = _too_few(masks, f"a held-out share of {share:g}")
    if reason is None:
        return Split(*masks)
    return Split(
        np.zeros(len(positive), np.bool_),
        np.zeros(len(negative), np.bool_),
        f"not evaluated, fitted on all rows: {reason}",
    )


def held_out(
    positive: Examples, negative: Examples, share: float, seed: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which rows of each class are held out: about `share` of them, whole groups, whatever the order of rows.

    A group with more than `share` of a class's rows (a source that is one site) cannot be held out whole:
    its rows, and those without group, are drawn one by one, equal texts together.
    """
    large = pa.concat_arrays([_large_groups(examples, share) for examples in (positive, negative)])
    return _drawn(positive, large, share, seed), _drawn(negative, large, share, seed)


def _too_few(masks: tuple[NDArray[np.bool_], NDArray[np.bool_]], who: str) -> str | None:
    held = [int(mask.sum()) for mask in masks]
    if min(held) >= MIN_HELD_OUT and all(not mask.all() for mask in masks):
        return None
    return f"{who} gives {held[0]} positive and {held[1]} negative rows, at least {MIN_HELD_OUT} of each are needed"


def _large_groups(examples: Examples, share: float) -> pa.Array:
    if examples.groups is None:
        return pa.array([], pa.string())
    counts = pc.value_counts(examples.groups)
    large = pc.greater(counts.field("counts"), share * len(examples))
    return counts.field("values").filter(large).cast(pa.string())


def _drawn(examples: Examples, large: pa.Array, share: float, seed: int) -> NDArray[np.bool_]:
    keys = pa.chunked_array([digest128(chunk) for chunk in examples.texts.chunks], pa.string())
    keys = keys.combine_chunks()
    if examples.groups is not None:
        alone = pc.or_(pc.is_null(examples.groups), pc.is_in(examples.groups, value_set=large))
        keys = pc.if_else(alone, keys, examples.groups)
    return uniform(keys, seed, "classifier held out") < share
