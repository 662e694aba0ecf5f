"""C4's page cleaning as counts: what each line rule would take, and what is left (Raffel et al. 2020).

The rules and their order are those of the code that made C4 (`clean_page` in TensorFlow Datasets); a line is
counted under the first rule that takes it. Lines are not removed here. `Dialect` holds what datatrove has
otherwise: 3 words a line instead of 5, and an apostrophe ends a line as well.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from quality.measures.characters import character_table
from quality.measures.gaps import Bytes, Flags, Integers
from quality.measures.lines import ends_sentence
from quality.measures.tokens import END_MARK, OPENS_CHUNK, PUNCTUATION, SYMBOL, Hashes, Lines, Tokens
from text.buffers import TextBuffer
from text.jit import kernel
from text.words import Words, segment

LONG_WORD, NO_TERMINAL, FEW_WORDS, JAVASCRIPT, POLICY, KEPT, SENTENCES, LOREM_IPSUM, BRACKET, COUNTED = range(
    10
)

MAX_WORD = 1000
MIN_WORDS, MIN_WORDS_DATATROVE = 5, 3

POLICIES = (
    "terms of use",
    "privacy policy",
    "cookie policy",
    "uses cookies",
    "use of cookies",
    "use cookies",
)
_PHRASES = ("javascript", "lorem ipsum", *POLICIES)
_DOT, _APOSTROPHE = 0x2E, 0x27
_TOP = np.uint64(58)
_CITATIONS = ("[edit]", "[citation needed]")


class Phrases(NamedTuple):
    """Hash of each phrase's first word, the phrases in lower case padded with 0, and their lengths.

    A word whose top six bits are not set in `mask` begins none.
    """

    mask: np.uint64
    heads: Hashes
    texts: npt.NDArray[np.uint8]
    lengths: Integers


@cache
def phrases() -> Phrases:
    """What is searched for: javascript, lorem ipsum and the policy notices."""
    heads = segment(pa.array([phrase.split()[0] for phrase in _PHRASES])).hashes
    mask = np.bitwise_or.reduce(np.uint64(1) << (heads >> _TOP))
    return Phrases(mask, heads, *_padded(_PHRASES))


@cache
def citations() -> tuple[npt.NDArray[np.uint8], Integers]:
    """Marks of Wikipedia that C4 cuts out, besides numbers in brackets."""
    return _padded(_CITATIONS)


def _padded(texts: tuple[str, ...]) -> tuple[npt.NDArray[np.uint8], Integers]:
    rows = np.zeros((len(texts), max(map(len, texts))), np.uint8)
    for row, text in zip(rows, texts, strict=True):
        row[: len(text)] = np.frombuffer(text.encode(), np.uint8)
    return rows, np.array([len(text) for text in texts], np.int64)


def count(
    buffer: TextBuffer,
    words: Words,
    tokens: Tokens,
    lines: Lines,
    unspaced: npt.NDArray[np.bool_],
) -> Integers:
    """Lines by the rule that takes them, lines KEPT and their SENTENCES: (2, documents, COUNTED).

    The first reading is C4's, the second datatrove's. LOREM_IPSUM and BRACKET are lines that would drop the
    page, had they come so far. In documents that are `unspaced` a line ends as `lines.line_counts` has it.
    """
    counts = np.zeros((2, len(lines.offsets) - 1, COUNTED), np.int64)
    line_ends = np.append(lines.tokens[1:], tokens.offsets[-1]), np.append(lines.words[1:], len(words.hashes))
    count_kernel(
        *(buffer.data, buffer.offsets, words, tokens, lines, *line_ends, unspaced),
        *(character_table(), phrases(), citations()[0], citations()[1], counts),
    )
    return counts


def count_lorem_ipsum(buffer: TextBuffer, words: Words) -> Integers:
    """How often each page says lorem ipsum, whatever the line."""
    found = np.zeros(len(buffer.offsets) - 1, np.int64)
    lorem_kernel(buffer.data, buffer.offsets, words, phrases(), found)
    return found


@kernel
def matches(data: Bytes, start: int, end: int, text: npt.NDArray[np.uint8], length: int) -> bool:
    """Whether data[start:end] begins with a lower-case ASCII text, in any case."""
    if start + length > end:
        return False
    for i in range(length):
        byte = data[start + i]
        if 65 <= byte <= 90:
            byte |= 32
        if byte != text[i]:
            return False
    return True


@kernel
def without_citations(
    data: Bytes, start: int, end: int, texts: npt.NDArray[np.uint8], lengths: Integers
) -> int:
    """End of the line before the citation marks that it ends with."""
    while end > start and data[end - 1] == 0x5D:
        cut = end - 2
        while cut >= start and 48 <= data[cut] <= 57:
            cut -= 1
        if cut < start or data[cut] != 0x5B:
            cut = -1
            for i in range(len(lengths)):
                place = end - lengths[i]
                if place >= start and matches(data, place, end, texts[i], lengths[i]):
                    cut = place
        if cut < 0:
            break
        end = cut
    return end


@kernel
def has_end_mark(data: Bytes, start: int, end: int) -> tuple[bool, bool]:
    """Whether a line ends in . ? ! or a double quote, but not in three dots; and with an apostrophe as well."""
    if end == start:
        return False, False
    last = data[end - 1]
    if end - start >= 3 and last == _DOT and data[end - 2] == _DOT and data[end - 3] == _DOT:
        return False, False
    marked = last == _DOT or last == 0x3F or last == 0x21 or last == 0x22
    return marked, marked or last == _APOSTROPHE


@kernel
def measure_chunks(sizes: npt.NDArray[np.int32], flags: Flags, first: int, stop: int) -> tuple[int, int, int]:
    """Number of chunks, code points of the longest, and sentences, of a line's tokens."""
    chunks, longest, size, sentences, ended = 0, 0, 0, 1, False
    for token in range(first, stop):
        flag = flags[token]
        if flag & OPENS_CHUNK:
            chunks, size = chunks + 1, 0
        size += sizes[token]
        longest = max(longest, size)
        if flag & END_MARK:
            ended = True
        elif ended and not (flag & SYMBOL and flag & PUNCTUATION):
            sentences, ended = sentences + 1, False
    return chunks, longest, sentences


@kernel
def find_phrases(
    data: Bytes, origin: int, end: int, words: Words, first: int, stop: int, phrases: Phrases
) -> int:
    """Bit i is set where phrase i is in the line; its first word must stand by itself."""
    found, mask, hashes = 0, phrases.mask, words.hashes
    for word in range(first, stop):
        if not mask >> (hashes[word] >> _TOP) & np.uint64(1):
            continue
        for i in range(len(phrases.heads)):
            if hashes[word] == phrases.heads[i] and matches(
                data, origin + words.starts[word], end, phrases.texts[i], phrases.lengths[i]
            ):
                found |= 1 << i
    return found


@kernel
def has_bracket(data: Bytes, start: int, end: int) -> bool:
    """Whether there is an opening curly bracket."""
    found = False
    for i in range(start, end):
        found |= data[i] == 0x7B
    return found


@kernel
def judge(chunks: int, least: int, closed: bool, found: int, bracket: bool) -> int:
    """What becomes of a line without a long word, in the order of C4's code."""
    if not closed:
        return NO_TERMINAL
    if chunks < least:
        return FEW_WORDS
    if found & 2:
        return LOREM_IPSUM
    if found & 1:
        return JAVASCRIPT
    if bracket:
        return BRACKET
    return POLICY if found else KEPT


@kernel
def count_kernel(
    data: Bytes,
    offsets: Integers,
    words: Words,
    tokens: Tokens,
    lines: Lines,
    token_ends: Integers,
    word_ends: Integers,
    unspaced: npt.NDArray[np.bool_],
    table: Flags,
    phrases: Phrases,
    citation_texts: npt.NDArray[np.uint8],
    citation_lengths: Integers,
    counts: Integers,
) -> None:
    """Fill the rows of `count`."""
    for document in range(len(lines.offsets) - 1):
        for line in range(lines.offsets[document], lines.offsets[document + 1]):
            start = lines.starts[line]
            end = without_citations(data, start, lines.ends[line], citation_texts, citation_lengths)
            if unspaced[document]:
                closed = closed_there = ends_sentence(data, start, end, table, True)
            else:
                closed, closed_there = has_end_mark(data, start, end)
            chunks = longest = sentences = found = 0
            bracket = False
            if closed_there or lines.ends[line] - start > MAX_WORD:
                chunks, longest, sentences = measure_chunks(
                    tokens.sizes, tokens.flags, lines.tokens[line], token_ends[line]
                )
            if closed_there and chunks >= MIN_WORDS_DATATROVE and longest <= MAX_WORD:
                found = find_phrases(
                    data, offsets[document], end, words, lines.words[line], word_ends[line], phrases
                )
                bracket = has_bracket(data, start, end)
            for reading in range(2):
                least, ended = (MIN_WORDS, closed) if reading == 0 else (MIN_WORDS_DATATROVE, closed_there)
                what = LONG_WORD if longest > MAX_WORD else judge(chunks, least, ended, found, bracket)
                counts[reading, document, what] += 1
                if what == KEPT:
                    counts[reading, document, SENTENCES] += sentences


@kernel
def lorem_kernel(data: Bytes, offsets: Integers, words: Words, phrases: Phrases, found: Integers) -> None:
    """Fill what `count_lorem_ipsum` returns."""
    hashes, lorem = words.hashes, phrases.heads[1]
    for document in range(len(found)):
        for word in range(words.offsets[document], words.offsets[document + 1]):
            if hashes[word] == lorem:
                start = offsets[document] + words.starts[word]
                found[document] += matches(
                    data, start, offsets[document + 1], phrases.texts[1], phrases.lengths[1]
                )
