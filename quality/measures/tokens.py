"""Words and the symbols between them: one pass over the gaps of the word array gives tokens and lines.

**A token** is a word, or what a tokenizer of the Treebank kind (spaCy's, which datatrove uses) makes of words
and symbols: every symbol is a token of its own, a run of dots, dashes, bars or slashes is one; a symbol inside
of a number, an address or an abbreviation joins its neighbours (3.14, 10:30, a_b, example.com, covid-19, U.S.,
https://...); an apostrophe inside a word begins the next token (don't = don + 't).

**A chunk** is what `str.split` gives, white space to white space; in scripts written without spaces, each
character with the symbols after it is one. **A line** ends at a line feed, loses white space at both ends and
is none where nothing is left; lines between two blank ones are a paragraph.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from quality.measures.characters import (
    CAPITAL,
    LETTER,
    PEER_PUNCTUATION,
    RUN,
    TERMINAL,
    UNSPACED,
    character_table,
)
from quality.measures.gaps import (
    APART,
    BLANK,
    JOINED,
    LINE_FEED,
    SPACED,
    Codes,
    Flags,
    Gaps,
    Integers,
    Lengths,
    WordKinds,
)
from text.hashing import GOLDEN, fmix64_scalar
from text.jit import kernel
from text.words import Words

Hashes = npt.NDArray[np.uint64]

SYMBOL, ALPHABETIC, END_MARK, OPENS_CHUNK, PUNCTUATION, OPENS_LINE = 1, 2, 4, 8, 16, 32
_DOT = 0x2E

_ONE = np.uint64(1)


class Tokens(NamedTuple):
    """Tokens of a batch; those of document i are `offsets[i]` to `offsets[i + 1]`; `sizes` in code points."""

    hashes: Hashes
    sizes: Lengths
    flags: Flags
    offsets: Integers


class Lines(NamedTuple):
    """Lines that are not blank; `starts` and `ends` are bytes in the buffer.

    `tokens` and `words` name the first of each line; line i's end where line i + 1's begin or the document's.
    """

    starts: Integers
    ends: Integers
    tokens: Integers
    words: Integers
    opens_paragraph: npt.NDArray[np.bool_]
    offsets: Integers


def cut(offsets: Integers, words: Words, described: WordKinds, gaps: Gaps) -> tuple[Tokens, Lines]:
    """Tokens and lines of the texts at `offsets` that `words`, `described` and `gaps` belong to."""
    n_symbols, n_feeds = len(gaps.codes), np.count_nonzero(gaps.codes == LINE_FEED)
    symbols = Tokens(
        np.empty(n_symbols, np.uint64), np.empty(n_symbols, np.int32), np.empty(n_symbols, np.uint8), offsets
    )
    symbols_kernel(gaps.codes, gaps.places, character_table(), *symbols[:3])
    room = len(words.hashes) + n_symbols
    hashes, sizes, flags = np.empty(room, np.uint64), np.empty(room, np.int32), np.empty(room, np.uint8)
    ends = np.zeros((2, len(offsets)), np.int64)
    tokens_kernel(offsets, words, described, gaps, symbols, hashes, sizes, flags, ends[0])
    n = ends[0, -1]
    lines, opens = np.empty((3, n_feeds), np.int64), np.empty(n_feeds, np.bool_)
    lines_kernel(offsets, words, gaps, lines, opens, ends[1])
    starts, stops, first_words = lines[:, : ends[1, -1]]
    first_tokens = np.flatnonzero(flags[:n] & OPENS_LINE)
    return (
        Tokens(hashes[:n], sizes[:n], flags[:n], ends[0]),
        Lines(starts, stops, first_tokens, first_words, opens[: len(starts)], ends[1]),
    )


@kernel
def symbols_kernel(
    codes: Codes, places: Integers, table: Flags, hashes: Hashes, sizes: Lengths, flags: Flags
) -> None:
    """Each symbol event as a token; in a run, the first has the size of all and the others 0."""
    head = 0
    for event in range(len(codes)):
        code = codes[event]
        kind = table[code] if code >= 0 else np.uint8(0)
        hashes[event], flags[event] = fmix64_scalar(np.uint64(code) + GOLDEN), SYMBOL
        sizes[event] = 1
        if kind & TERMINAL:
            flags[event] |= END_MARK
        if kind & PEER_PUNCTUATION:
            flags[event] |= PUNCTUATION
        width = 1 + (code >= 0x80) + (code >= 0x800) + (code >= 0x10000)
        same = event > head and kind & RUN and codes[head] == code
        if same and places[event] == places[head] + width * sizes[head]:
            sizes[event] = 0
            sizes[head] += 1
            hashes[head] = fmix64_scalar(hashes[head] + _ONE)
            flags[head] &= ~np.uint8(END_MARK)
        else:
            head = event


@kernel
def tokens_kernel(
    offsets: Integers,
    words: Words,
    described: WordKinds,
    gaps: Gaps,
    symbols: Tokens,
    hashes: Hashes,
    sizes: Lengths,
    flags: Flags,
    found: Integers,
) -> None:
    """Fill `Tokens`, its offsets `found`; columns are taken out first: a look into a tuple counts references."""
    codes, gap_ends, before = gaps.codes, gaps.ends, gaps.before
    word_hashes, word_sizes, kinds = words.hashes, described.sizes, described.kinds
    symbol_hashes, symbol_sizes, symbol_flags = symbols.hashes, symbols.sizes, symbols.flags
    token = event = 0
    for document in range(len(offsets) - 1):
        in_chunk, unspaced, initial, line_flag = False, False, False, OPENS_LINE
        stop = words.offsets[document + 1]
        for word in range(words.offsets[document], stop + 1):
            how = before[word] if word < stop else APART
            last = gap_ends[word] if word < stop else gaps.document_ends[document]
            in_chunk, held = in_chunk and how != SPACED, last - event
            for place in range(last if how > APART else event, last):
                code, size = codes[place], symbol_sizes[place]
                if code in (BLANK, LINE_FEED):
                    in_chunk = unspaced = False
                    line_flag = OPENS_LINE if code == LINE_FEED else line_flag
                elif initial and place == event and code == _DOT and size == 1:
                    sizes[token - 1] += 1
                elif size:
                    flags[token] = symbol_flags[place] | line_flag | (0 if in_chunk else OPENS_CHUNK)
                    hashes[token], sizes[token] = symbol_hashes[place], size
                    token, in_chunk, line_flag = token + 1, True, 0
            event = last
            if word == stop:
                break
            size, kind, own = word_sizes[word], kinds[word], kinds[word] & UNSPACED != 0
            if how == JOINED and not own and not unspaced:
                hashes[token - 1] = fmix64_scalar(hashes[token - 1] * GOLDEN + word_hashes[word])
                sizes[token - 1] += held + size
                flags[token - 1] |= ALPHABETIC if kind & LETTER else 0
            else:
                hashes[token], sizes[token] = word_hashes[word], size + (how > APART)
                flags[token] = line_flag | (0 if in_chunk and not own and not unspaced else OPENS_CHUNK)
                flags[token] |= ALPHABETIC if kind & LETTER else 0
                token += 1
            in_chunk, unspaced, line_flag, initial = True, own, 0, size == 1 and kind & CAPITAL != 0
        found[document + 1] = token


@kernel
def lines_kernel(
    offsets: Integers,
    words: Words,
    gaps: Gaps,
    lines: Integers,
    opens_paragraph: npt.NDArray[np.bool_],
    found: Integers,
) -> None:
    """Fill the columns of `Lines` (starts, ends, first words) and their offsets `found`."""
    codes, places, gap_ends, word_ends = gaps.codes, gaps.places, gaps.ends, words.ends
    line = event = 0
    for document in range(len(offsets) - 1):
        origin, in_line, after_blank, symbols_end = offsets[document], False, True, np.int64(0)
        stop = words.offsets[document + 1]
        for word in range(words.offsets[document], stop + 1):
            last = gap_ends[word] if word < stop else gaps.document_ends[document]
            if in_line and last == event:
                continue
            for place in range(event, last):
                code, where = codes[place], places[place]
                if code == LINE_FEED:
                    if in_line:
                        words_end = origin + word_ends[word - 1] if word > lines[2, line] else np.int64(0)
                        lines[1, line] = max(symbols_end, words_end)
                        line += 1
                    in_line, after_blank, symbols_end = False, not in_line, np.int64(0)
                elif code != BLANK:
                    if not in_line:
                        in_line, lines[0, line], lines[2, line] = True, where, word
                        opens_paragraph[line] = after_blank
                    symbols_end = where + 1 + (code >= 0x80) + (code >= 0x800) + (code >= 0x10000)
            event = last
            if word < stop and not in_line:
                in_line, lines[0, line], lines[2, line] = True, origin + words.starts[word], word
                opens_paragraph[line] = after_blank
        found[document + 1] = line
