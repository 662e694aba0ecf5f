"""Counts of words and tokens behind Gopher's quality rules."""

import numpy as np

from quality.measures.gaps import Integers
from quality.measures.tokens import ALPHABETIC, OPENS_CHUNK, PUNCTUATION, SYMBOL, Tokens
from text.jit import kernel

(
    CHUNKS,
    CHUNKS_WITH_WORDS,
    ALPHABETIC_CHUNKS,
    CHARACTERS,
    TOKENS,
    NAMED_TOKENS,
    NAMED_CHARACTERS,
    ALPHABETIC_TOKENS,
    COUNTED,
) = range(9)


def count(tokens: Tokens) -> Integers:
    """A row a document, COUNTED columns.

    CHUNKS (see `quality.measures.tokens`), of them with a letter, mark or number and with a letter, and their
    CHARACTERS; TOKENS, of them not only punctuation (NAMED) with their characters, and with a letter.
    """
    counts = np.zeros((len(tokens.offsets) - 1, COUNTED), np.int64)
    count_kernel(tokens, counts)
    return counts


@kernel
def count_kernel(tokens: Tokens, counts: Integers) -> None:
    """Fill the rows of `count`."""
    flags, sizes = tokens.flags, tokens.sizes
    for document in range(len(counts)):
        chunks = with_words = alphabetic_chunks = characters = named = named_characters = alphabetic = 0
        seen = 0  # flags of the chunk so far, with SYMBOL set where it holds a word
        first, stop = tokens.offsets[document], tokens.offsets[document + 1]
        for token in range(first, stop):
            flag, size = flags[token], sizes[token]
            if flag & OPENS_CHUNK:
                chunks += 1
                seen = 0
            new = (flag & ALPHABETIC) | (~flag & SYMBOL)
            alphabetic_chunks += (new & ~seen & ALPHABETIC) != 0
            with_words += (new & ~seen & SYMBOL) != 0
            seen |= new
            characters += size
            alphabetic += (flag & ALPHABETIC) != 0
            if not flag & PUNCTUATION:
                named += 1
                named_characters += size
        counts[document, CHUNKS] = chunks
        counts[document, CHUNKS_WITH_WORDS] = with_words
        counts[document, ALPHABETIC_CHUNKS] = alphabetic_chunks
        counts[document, CHARACTERS] = characters
        counts[document, TOKENS] = stop - first
        counts[document, NAMED_TOKENS] = named
        counts[document, NAMED_CHARACTERS] = named_characters
        counts[document, ALPHABETIC_TOKENS] = alphabetic
