"""From benchmark items to the set of word n-grams that decontamination looks for (GPT-3, app. C).

**Words** are those of `text.words`: lower case, punctuation dropped. **A gram** that starts at a word is
`ngram_words` words long, or `ngram_characters` where more than half of its first `ngram_words` words are
characters of a script written without spaces (Han, kana, Thai ...), each of which is a word of its own.

**Templates**: a run of `template_words` words found in more than `template_share` of one file's items, and
in more than 10 of them, is the prompt's and not the benchmark's. It is cut out and the item falls into
segments there, so no gram holds template words. In nine real benchmark files the runs of 5 words above 0.2
are all template (ARC-Easy, OpenBookQA, PIQA, WinoGrande); the other five files have none, the most frequent
run being "which of the following is" in 8.5 % of MMLU. Whole grams that a few per cent of the items share
are kept: they are passages that several questions ask about.

**Short items**, which hold no gram, match by their longest segment as a whole if it has `min_words` words
(`min_characters` where most are such characters): one gram of that length. Others are skipped and counted.
Segments of items that do hold a gram are not matched so: answer options alone ("higher levels of carbon
dioxide in the atmosphere") stand in many a page.

**20 characters** for Chinese: of CMMLU's grams these were found in 4.2 million characters of the People's
Daily, a classical novel, verse and chat: of 13 characters 46 in 22 documents, of 16 13 in 9, of 18 8 in 2,
of 20 6 in 2. At 13 they were 18 stock phrases and famous verses; from 18 on one is left, a constitutional
formula.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from pipelines.decontamination.benchmarks import BenchmarkFile
from pipelines.decontamination.decontaminate_kernels import gram_hashes, solo_words
from text.buffers import TextBuffer, text_buffer
from text.unicode_classes import word_table
from text.words import Words, segment_buffer

Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]

TEMPLATE_MIN_ITEMS = 10  # a run in so few items may be a passage they share
_EXAMPLES = 5


class GramConfig(BaseModel):
    """How long the benchmark n-grams are, and which words of an item count."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ngram_words: int = Field(
        default=13, description="length of a gram, words (GPT-3 app. C: 13)", ge=2, le=64
    )
    ngram_characters: int = Field(
        default=20, description="length of a gram in scripts written without spaces, characters", ge=2, le=128
    )
    short_items: Literal["whole", "skip"] = Field(
        default="whole",
        description="whole: an item too short for a gram is one shorter gram; skip: it is not looked for",
    )
    min_words: int = Field(
        default=8, description="shortest item that is matched as a whole, words", ge=2, le=64
    )
    min_characters: int = Field(
        default=13,
        description="shortest item matched as a whole in scripts written without spaces, characters",
        ge=2,
        le=128,
    )
    template_words: int = Field(
        default=5, description="length of the runs that templates are found by, words", ge=2, le=64
    )
    template_share: float = Field(
        default=0.2,
        description="share of a file's items above which a run is template; 1 finds none",
        gt=0,
        le=1,
    )


@dataclass(frozen=True)
class BenchmarkSummary:
    """What became of one benchmark's items."""

    benchmark: str
    items: int
    words: int
    template_words: int
    templates: tuple[str, ...]
    grams: int
    whole_items: int
    skipped_items: int


class GramSet(NamedTuple):
    """Distinct grams in ascending order of hash (`text.ngrams`), each with what a search for it needs.

    `lengths` are words; `prefixes` hash the first min(lengths) words; `benchmarks` index `names`: the first
    benchmark, in the order of configuration, that holds the gram.
    """

    hashes: Hashes
    prefixes: Hashes
    lengths: Ints
    benchmarks: Ints
    names: tuple[str, ...]


class _Items(NamedTuple):
    """The words of one file: their items, whether they are template, and where their segments stop."""

    texts: TextBuffer
    words: Words
    item: Ints
    template: Mask
    stop: Ints
    solo: Mask


class _Occurrences(NamedTuple):
    """Grams as they stand in one file: first word, words, and whether the gram is a whole short segment."""

    first: Ints
    length: Ints
    whole: Mask


def build_grams(
    benchmarks: list[tuple[str, list[BenchmarkFile]]], config: GramConfig
) -> tuple[GramSet, list[BenchmarkSummary]]:
    """The gram set of (name, files) pairs, and what became of each benchmark's items."""
    found: list[tuple[int, _Items, _Occurrences]] = []
    summaries = []
    for number, (name, files) in enumerate(benchmarks):
        parts = []
        for file in files:
            items = _segment(file, config)
            parts.append((items, _occurrences(items, config)))
        found.extend((number, *part) for part in parts)
        summaries.append(_summary(name, files, parts))
    prefix = min((int(o.length.min()) for _, _, o in found if len(o.length)), default=1)
    hashes, prefixes = np.empty(0, np.uint64), np.empty(0, np.uint64)
    lengths, owners = np.empty(0, np.int64), np.empty(0, np.int64)
    for number, items, grams in found:
        own = items.words.hashes
        hashes = np.concatenate([hashes, gram_hashes(own, grams.first, grams.length)])
        prefixes = np.concatenate(
            [prefixes, gram_hashes(own, grams.first, np.full_like(grams.length, prefix))]
        )
        lengths = np.concatenate([lengths, grams.length])
        owners = np.concatenate([owners, np.full(len(grams.first), number, np.int64)])
    # np.unique names the first occurrence: the lowest benchmark.
    distinct, first = np.unique(hashes, return_index=True)
    names = tuple(name for name, _ in benchmarks)
    return GramSet(distinct, prefixes[first], lengths[first], owners[first], names), summaries


def _segment(file: BenchmarkFile, config: GramConfig) -> _Items:
    texts = text_buffer(pa.array([part for parts in file.texts for part in parts], pa.large_string()))
    row = np.repeat(np.arange(len(file.texts)), [len(parts) for parts in file.texts])
    words = segment_buffer(*texts)
    sizes = np.diff(words.offsets)
    item = np.repeat(row, sizes)
    text_stop = np.repeat(words.offsets[1:], sizes)
    template = _template_mask(words, text_stop, item, len(file.texts), config)
    solo = solo_words(*texts, words.starts, words.ends, words.offsets, word_table())
    return _Items(texts, words, item, template, _segment_stops(text_stop, template), solo)


def _template_mask(words: Words, text_stop: Ints, item: Ints, n_items: int, config: GramConfig) -> Mask:
    """Words covered by a run that more than the allowed share of the items hold."""
    n = config.template_words
    first = np.flatnonzero(np.arange(len(item)) + n <= text_stop)
    runs = gram_hashes(words.hashes, first, np.full_like(first, n))
    order = np.lexsort((item[first], runs))
    run, holder = runs[order], item[first][order]
    fresh = np.ones(len(run), np.bool_)
    fresh[1:] = (run[1:] != run[:-1]) | (holder[1:] != holder[:-1])
    distinct, n_holders = np.unique(run[fresh], return_counts=True)
    limit = max(TEMPLATE_MIN_ITEMS, config.template_share * n_items)
    covered = first[np.isin(runs, distinct[n_holders > limit])]
    edges = np.zeros(len(item) + 1, np.int64)
    np.add.at(edges, covered, 1)
    np.add.at(edges, covered + n, -1)
    return np.cumsum(edges[:-1]) > 0


def _segment_stops(text_stop: Ints, template: Mask) -> Ints:
    """For each word where its segment stops: at the next template word or the text's end."""
    n = len(template)
    where = np.where(template, np.arange(n), n)
    next_template = np.minimum.accumulate(where[::-1])[::-1]
    return np.minimum(text_stop, next_template)


def _occurrences(items: _Items, config: GramConfig) -> _Occurrences:
    words = np.flatnonzero(~items.template)
    stop = items.stop[words]
    left = stop - words
    running = np.concatenate([[0], np.cumsum(items.solo)])
    seen = np.minimum(config.ngram_words, left)
    solo = 2 * (running[words + seen] - running[words]) > seen
    length = np.where(solo, config.ngram_characters, config.ngram_words)
    fits = length <= left
    begins, sizes = _segments(words, stop)
    owner = items.item[begins]
    solo_segment = 2 * (running[begins + sizes] - running[begins]) > sizes
    least = np.where(solo_segment, config.min_characters, config.min_words)
    short = _longest(owner, sizes) & ~np.isin(owner, items.item[words[fits]]) & (sizes >= least)
    short &= config.short_items == "whole"
    first = np.concatenate([words[fits], begins[short]])
    lengths = np.concatenate([length[fits], sizes[short]])
    whole = np.zeros(len(first), np.bool_)
    whole[int(fits.sum()) :] = True
    return _Occurrences(first, lengths, whole)


def _segments(words: Ints, stop: Ints) -> tuple[Ints, Ints]:
    """First word and number of words of each segment, given its words and their stops."""
    opens = np.ones(len(words), np.bool_)
    opens[1:] = stop[1:] != stop[:-1]
    begins = words[opens]
    return begins, stop[opens] - begins


def _longest(owner: Ints, sizes: Ints) -> Mask:
    """Whether each segment is the longest of its item, the first of equals; `owner` ascends."""
    order = np.lexsort((-sizes, owner))
    _, first = np.unique(owner, return_index=True)
    longest = np.zeros(len(owner), np.bool_)
    longest[order[first]] = True
    return longest


def _summary(
    name: str, files: list[BenchmarkFile], parts: list[tuple[_Items, _Occurrences]]
) -> BenchmarkSummary:
    hashes, full, matched = [np.empty(0, np.uint64)], 0, 0
    templates: Counter[str] = Counter()
    for items, found in parts:
        hashes.append(gram_hashes(items.words.hashes, found.first, found.length))
        matched += len(np.unique(items.item[found.first]))
        full += len(np.unique(items.item[found.first[~found.whole]]))
        templates.update(_template_texts(items))
    n_items = sum(len(file.texts) for file in files)
    frequent = sorted(templates.items(), key=lambda pair: (-pair[1], pair[0]))[:_EXAMPLES]
    return BenchmarkSummary(
        benchmark=name,
        items=n_items,
        words=sum(len(items.item) for items, _ in parts),
        template_words=sum(int(items.template.sum()) for items, _ in parts),
        templates=tuple(text for text, _ in frequent),
        grams=len(np.unique(np.concatenate(hashes))),
        whole_items=matched - full,
        skipped_items=n_items - matched,
    )


def _template_texts(items: _Items) -> Counter[str]:
    """The stretches of text that were cut as template, with their number."""
    before = np.concatenate([[False], items.template[:-1]])
    text = np.repeat(np.arange(len(items.words.offsets) - 1), np.diff(items.words.offsets))
    opens = np.ones(len(text), np.bool_)
    opens[1:] = text[1:] != text[:-1]
    begins = np.flatnonzero(items.template & (~before | opens))
    closes = np.concatenate([~items.template[1:] | opens[1:], [True]])
    lasts = np.flatnonzero(items.template & closes)
    texts: Counter[str] = Counter()
    data = items.texts.data
    for begin, last in zip(begins.tolist(), lasts.tolist(), strict=True):
        origin = int(items.texts.offsets[text[begin]])
        start, end = int(items.words.starts[begin]), int(items.words.ends[last])
        texts[data[origin + start : origin + end].tobytes().decode()] += 1
    return texts
