"""Prompts that share a long common prefix, as an equivalence: InstructGPT's deduplication (section 3.2), made exact.

The paper's heuristic compares prompts with each other, so its result depends on their order. Here two prompts
are of one group exactly if their first `words` words are the same, or all their words where both have fewer.

**Words** are taken from what the user wrote (`normalise.user_texts`), in Unicode's form NFKC and lower case
(each code point's simple mapping). Letters, marks and numbers run on to words; a character of a script written
without spaces is a word of its own. Punctuation (P*) is dropped: an apostrophe joins what stands on its two
sides, any other separates, so that "don't" is "dont" and "yes,no" is "yes no". Symbols (S*: + = < $ and emoji)
are no punctuation; each is a word, or "2 + 2" would be "2 - 2" no less than "2 / 2". All else separates.

A prompt without words is like no other.
"""

import unicodedata
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field

from pipelines.rlhf.decisions import Drops
from pipelines.rlhf.duplicates import replaced, survivors
from pipelines.rlhf.reasons import Reason
from text.buffers import text_buffer
from text.hashing import fmix64_scalar
from text.jit import kernel
from text.unicode_classes import CLASS_SHIFT, LETTER, MARK, SEPARATOR, SOLO, word_table
from text.words import decode

Ints = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]

_SYMBOL, _JOINER = 4, 5
_APOSTROPHES = "'\u2018\u2019\u201b"
_SEED = np.uint64(0x9E3779B97F4A7C15)
_CODE_MASK = np.uint32((1 << CLASS_SHIFT) - 1)
_CLASS_SHIFT = np.uint32(CLASS_SHIFT)

# A label and what was filled in behind it, at the start of a line: the answer half of a worked example.
_ANSWER_LINE = (
    r"(?im)^[\s#*\-]*(?:a|answer|output|response|result|label|completion|sentiment|category|translation|"
    r"summary|答|答案|回答|输出|结果|标签)[\s*]*[:：][ \t]*[^\s]"
)


class PrefixConfig(BaseModel):
    """How long a common prefix is, and what users' prompts are rid of before."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    words: int = Field(
        default=32, description="words that two prompts must share from the first to be one group", ge=1
    )
    templates: list[str] = Field(
        default=[],
        description="texts that applications put around what users write; taken out before prompts are compared",
    )
    keep_conversations: bool = Field(
        default=True,
        description="whether turns of one conversation, which begin alike, all stay in sft and comparisons",
    )
    few_shot_examples: int = Field(
        default=2, description="worked examples from which a prompt is reported as few-shot", ge=1
    )


class Prefixes(NamedTuple):
    """A key per prompt, equal for one group (0: like no other), and the words compared."""

    keys: Keys
    n_words: Ints


def prefixes(texts: pa.Array | pa.ChunkedArray, words: int) -> Prefixes:
    """Keys of the first `words` words of each text, 64 bits: two of a million prompts meet by chance in 3e-8."""
    data, offsets = text_buffer(pc.utf8_normalize(texts, form="NFKC"))
    return Prefixes(*_prefix_keys(data, offsets, _table(), words))


def few_shot(texts: pa.Array | pa.ChunkedArray, examples: int) -> npt.NDArray[np.bool_]:
    """Whether each prompt holds at least `examples` worked examples: lines that begin with a label such as
    "Output:" or "A:" and go on with an answer.
    """
    counts = pc.count_substring_regex(texts, pattern=_ANSWER_LINE)
    return np.asarray(counts) >= examples


def prefix_duplicates(
    texts: pa.Array, records: pa.Table, found: Prefixes, place: Ints, target: str, config: PrefixConfig
) -> Drops:
    """Prompts meant for the dataset `target` that go for another of their group: all but the earliest.

    `records` are normalise.RECORDS with words_key, the key that `prefixes` gives for all words; `texts` are
    `user_texts`, `found` their `prefixes`, `place` is `normalise.earliest`; which rows are no duplicates of each
    other says `pipelines.rlhf.duplicates`. A prompt with worked examples has a reason of its own, since an
    application sends one such prefix with every question.
    """
    survivor = survivors(found.keys, place)
    rows, goes_for = replaced(records, survivor, place, target, config.keep_conversations)
    shown = few_shot(texts.take(pa.array(rows)), config.few_shot_examples)
    names = pa.array([str(Reason.PREFIX_DUPLICATE), str(Reason.FEW_SHOT_PREFIX_DUPLICATE)])
    return Drops(
        rows,
        names.take(pa.array(shown.astype(np.int8))),
        found.n_words[rows].astype(np.float64),
        np.full(len(rows), float(config.words)),
        records["record_id"].combine_chunks().take(pa.array(goes_for)),
    )


@cache
def _table() -> npt.NDArray[np.uint32]:
    """`text.unicode_classes.word_table` with classes of their own for symbols and apostrophes."""
    table = word_table().copy()
    separators = np.flatnonzero(table >> _CLASS_SHIFT == SEPARATOR)
    # No symbol stands past plane 1.
    for code in separators[separators < 0x20000].tolist():
        if unicodedata.category(chr(code))[0] == "S":
            table[code] |= np.uint32(_SYMBOL << CLASS_SHIFT)
    for character in _APOSTROPHES:
        table[ord(character)] |= np.uint32(_JOINER << CLASS_SHIFT)
    table.setflags(write=False)
    return table


@kernel
def _prefix_keys(
    data: npt.NDArray[np.uint8], offsets: Ints, table: npt.NDArray[np.uint32], words: int
) -> tuple[Keys, Ints]:
    n = len(offsets) - 1
    keys = np.zeros(n, np.uint64)
    counts = np.zeros(n, np.int64)
    for document in range(n):
        position, end = offsets[document], offsets[document + 1]
        key, word, found, inside, solo = _SEED, _SEED, 0, False, False
        while position < end:
            code, size = decode(data, position, end)
            position += size
            kind = SEPARATOR if code < 0 else np.int64(table[code] >> _CLASS_SHIFT)
            if kind == _JOINER:
                continue
            alone = kind in (SOLO, _SYMBOL)
            fresh = alone or (kind == LETTER and (solo or not inside)) or (kind == MARK and not inside)
            if inside and (fresh or kind == SEPARATOR):
                key = fmix64_scalar(key ^ word)
                found += 1
                inside = False
                if found == words:
                    break
            if kind == SEPARATOR:
                solo = False
                continue
            if fresh:
                word, inside = _SEED, True
            word = fmix64_scalar(word ^ np.uint64(table[code] & _CODE_MASK))
            if kind != MARK:
                solo = alone
        if inside:
            key = fmix64_scalar(key ^ word)
            found += 1
        keys[document] = key if found > 0 else np.uint64(0)
        counts[document] = found
    return keys, counts
