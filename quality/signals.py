"""Heuristic quality signals of texts: Gopher, C4 and FineWeb, as numbers that later decisions are made of.

`quality.catalogue` says what each signal is; `quality.rules` decides. A version in a name never changes its
meaning. Texts are read with `text.words`; the passes over its word array stand in `quality.measures`.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from quality.catalogue import SIGNALS
from quality.measures import c4, gopher
from quality.measures import lines as line_measures
from quality.measures.gaps import (
    BRACES,
    ELLIPSES,
    HASH_SIGNS,
    LINE_FEED,
    LINE_FEEDS,
    Integers,
    count_symbols,
    describe,
    find_gaps,
)
from quality.measures.lines import (
    BULLET_LINES,
    ELLIPSIS_LINES,
    N_LINES,
    PUNCTUATED_LINES,
    SHORT_LINES,
    Segments,
    as_segments,
    line_counts,
    paragraphs,
)
from quality.measures.repetition import LENGTHS, TOP_LENGTHS, Repeats, gram_characters, repeats, running_sums
from quality.measures.stop_words import (
    DEFAULT_LANGUAGE,
    UNSPACED_LANGUAGES,
    base_language,
    count_stop_words,
    language_numbers,
)
from quality.measures.tokens import cut
from text.buffers import TextBuffer, Texts, as_texts, text_buffer
from text.words import segment

Figures = dict[str, npt.NDArray[np.float64]]

_SLICE_BYTES = 1 << 19
"""Texts are measured in slices of about this size: the arrays of one stay in the processor's cache."""


class _Counts(NamedTuple):
    """What the figures are quotients of; a row a document."""

    words: Integers
    symbols: Integers
    lines: Integers
    all_lines: Integers
    characters: Integers
    repeated_lines: Repeats
    repeated_paragraphs: Repeats
    stop_words: Integers
    has_stop_words: npt.NDArray[np.bool_]
    word_grams: Integers
    token_grams: Integers
    word_characters: Integers
    c4: Integers
    c4_datatrove: Integers
    lorem_ipsum: Integers


def compute(
    texts: Texts, language: str | Sequence[str | None] | pa.Array | pa.ChunkedArray | None = None
) -> pa.RecordBatch:
    """All signals of each text: float64 columns named and ordered as in `quality.catalogue.SIGNALS`.

    `language` is one lid.176 code for all texts or one for each; it chooses the stop words, and for Chinese
    and Japanese the meaning of a line's end and a short line. None as a whole measures English, as the rules'
    authors do; null, und or a language without a list in an array leaves the stop words null. A figure is null
    too where it is a share of nothing. Memory: about 40 MB for each slice; for a long text about 100
    bytes a word or symbol. ValueError where the languages are not as many as the texts.
    """
    array = as_texts(texts)
    codes = _codes(language, len(array))
    columns: dict[str, list[npt.NDArray[np.float64]]] = {signal.name: [] for signal in SIGNALS}
    for first, part in _slices(array):
        figures = _figures(_count(part, codes[first : first + len(part)]))
        for name, values in columns.items():
            values.append(figures[name])
    arrays = [
        pa.array(np.concatenate(values) if values else np.empty(0), pa.float64(), from_pandas=True)
        for values in columns.values()
    ]
    return pa.record_batch(arrays, names=list(columns))


def _codes(language: object, n: int) -> list[str | None]:
    if language is None:
        return [DEFAULT_LANGUAGE] * n
    if isinstance(language, str):
        return [language] * n
    codes: list[str | None] = (
        language.to_pylist() if isinstance(language, pa.Array | pa.ChunkedArray) else list(language)  # type: ignore[call-overload]
    )
    if len(codes) != n:
        raise ValueError(f"{len(codes)} languages for {n} texts: give one code, or one for each text")
    return codes


def _slices(texts: pa.Array | pa.ChunkedArray) -> Iterator[tuple[int, pa.Array]]:
    """Runs of texts of about `_SLICE_BYTES`, each with the row it begins at."""
    base = 0
    for chunk in texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]:
        offsets = text_buffer(chunk).offsets
        row = 0
        while row < len(chunk):
            stop = int(np.searchsorted(offsets, offsets[row] + _SLICE_BYTES, side="right")) - 1
            stop = min(max(stop, row + 1), len(chunk))
            yield base + row, chunk.slice(row, stop - row)
            row = stop
        base += len(chunk)


def _count(texts: pa.Array, codes: Sequence[str | None]) -> _Counts:
    buffer, words = text_buffer(texts), segment(texts)
    languages = language_numbers(codes)
    unspaced = np.array(
        [code is not None and base_language(code) in UNSPACED_LANGUAGES for code in codes], np.bool_
    )
    described, gaps = describe(buffer, words), find_gaps(buffer, words)
    tokens, lines = cut(buffer.offsets, words, described, gaps)
    segments = as_segments(buffer.data, lines)
    word_ends, token_ends = running_sums(described.sizes), running_sums(tokens.sizes)
    symbols = count_symbols(gaps)
    by_code, by_datatrove = c4.count(buffer, words, tokens, lines, unspaced)
    return _Counts(
        words=gopher.count(tokens),
        symbols=symbols,
        lines=line_counts(buffer.data, lines, segments.sizes, unspaced),
        all_lines=symbols[:, LINE_FEEDS] + _ends_open(buffer),
        characters=line_measures.text_sizes(buffer.data, buffer.offsets),
        repeated_lines=_repeats(segments),
        repeated_paragraphs=_repeats(paragraphs(segments, lines)),
        stop_words=count_stop_words(buffer, words, languages),
        has_stop_words=languages >= 0,
        word_grams=gram_characters(words.hashes, word_ends, words.offsets, greedy=False),
        token_grams=gram_characters(tokens.hashes, token_ends, tokens.offsets, greedy=True),
        word_characters=np.diff(word_ends[words.offsets]),
        c4=by_code,
        c4_datatrove=by_datatrove,
        lorem_ipsum=c4.count_lorem_ipsum(buffer, words),
    )


def _ends_open(buffer: TextBuffer) -> npt.NDArray[np.bool_]:
    """Whether the text goes on behind its last line feed."""
    data, offsets = buffer
    found = np.diff(offsets) > 0
    found[found] = data[offsets[1:][found] - 1] != LINE_FEED
    return found


def _repeats(segments: Segments) -> Repeats:
    return repeats(segments.hashes, segments.sizes, segments.offsets)


def _share(part: npt.NDArray[np.generic], whole: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
    """part / whole, NaN where whole is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(whole > 0, part / whole, np.nan)  # type: ignore[operator]


def _figures(counts: _Counts) -> Figures:
    return _gopher(counts) | _gopher_datatrove(counts) | _grams(counts) | _c4(counts) | _fineweb(counts)


def _gopher(counts: _Counts) -> Figures:
    chunks, n_lines = counts.words[:, gopher.CHUNKS], counts.lines[:, N_LINES]
    figures = {
        "word_count": counts.words[:, gopher.CHUNKS_WITH_WORDS].astype(np.float64),
        "mean_word_length": _share(counts.words[:, gopher.CHARACTERS], chunks),
        "hash_to_word_ratio": _share(counts.symbols[:, HASH_SIGNS], chunks),
        "ellipsis_to_word_ratio": _share(counts.symbols[:, ELLIPSES], chunks),
        "bullet_line_fraction": _share(counts.lines[:, BULLET_LINES], n_lines),
        "ellipsis_line_fraction": _share(counts.lines[:, ELLIPSIS_LINES], n_lines),
        "alphabetic_word_fraction": _share(counts.words[:, gopher.ALPHABETIC_CHUNKS], chunks),
        "stop_words": np.where(counts.has_stop_words, counts.stop_words[0], np.nan),
    }
    for name, found in (("line", counts.repeated_lines), ("paragraph", counts.repeated_paragraphs)):
        figures[f"dup_{name}_fraction"] = _share(found.all_items, found.items)
        figures[f"dup_{name}_char_fraction"] = _share(found.all_characters, found.characters)
    return {f"gopher_{name}_v1": values for name, values in figures.items()}


def _gopher_datatrove(counts: _Counts) -> Figures:
    tokens, named = counts.words[:, gopher.TOKENS], counts.words[:, gopher.NAMED_TOKENS]
    n_lines = counts.all_lines
    figures = {
        "word_count": named.astype(np.float64),
        "mean_word_length": _share(counts.words[:, gopher.NAMED_CHARACTERS], named),
        "hash_to_word_ratio": _share(counts.symbols[:, HASH_SIGNS], tokens),
        "ellipsis_to_word_ratio": _share(counts.symbols[:, ELLIPSES], tokens),
        "bullet_line_fraction": _share(counts.lines[:, BULLET_LINES], n_lines),
        "ellipsis_line_fraction": _share(counts.lines[:, ELLIPSIS_LINES], n_lines),
        "alphabetic_word_fraction": _share(counts.words[:, gopher.ALPHABETIC_TOKENS], tokens),
        "stop_words": np.where(counts.has_stop_words, counts.stop_words[1], np.nan),
    }
    for name, found in (("line", counts.repeated_lines), ("paragraph", counts.repeated_paragraphs)):
        figures[f"dup_{name}_fraction"] = _share(found.later_items, found.items)
        figures[f"dup_{name}_char_fraction"] = _share(found.later_characters, counts.characters)
    return {f"gopher_datatrove_{name}_v1": values for name, values in figures.items()}


def _grams(counts: _Counts) -> Figures:
    figures = {}
    for dialect, found, whole in (
        ("gopher", counts.word_grams, counts.word_characters),
        ("gopher_datatrove", counts.token_grams, counts.characters),
    ):
        for column, n in enumerate(LENGTHS):
            kind = "top" if n in TOP_LENGTHS else "dup"
            figures[f"{dialect}_{kind}_{n}gram_char_fraction_v1"] = _share(found[:, column], whole)
    return figures


def _c4(counts: _Counts) -> Figures:
    columns = {
        "long_word_lines": c4.LONG_WORD,
        "no_terminal_lines": c4.NO_TERMINAL,
        "few_words_lines": c4.FEW_WORDS,
        "lorem_ipsum_lines": c4.LOREM_IPSUM,
        "javascript_lines": c4.JAVASCRIPT,
        "curly_bracket_lines": c4.BRACKET,
        "policy_lines": c4.POLICY,
        "kept_lines": c4.KEPT,
        "sentences": c4.SENTENCES,
    }
    figures = {"text_lines_v1": counts.lines[:, N_LINES]}
    for dialect, found in (("c4", counts.c4), ("c4_datatrove", counts.c4_datatrove)):
        figures |= {f"{dialect}_{name}_v1": found[:, column] for name, column in columns.items()}
    figures["c4_page_lorem_ipsum_v1"] = counts.lorem_ipsum
    figures["c4_page_curly_brackets_v1"] = counts.symbols[:, BRACES]
    return {name: values.astype(np.float64) for name, values in figures.items()}


def _fineweb(counts: _Counts) -> Figures:
    n_lines, line_feeds = counts.lines[:, N_LINES], counts.symbols[:, LINE_FEEDS]
    return {
        "fineweb_line_punct_ratio_v1": _share(counts.lines[:, PUNCTUATED_LINES], n_lines),
        "fineweb_short_line_ratio_v1": _share(counts.lines[:, SHORT_LINES], n_lines),
        "fineweb_char_dup_ratio_v1": _share(
            counts.repeated_lines.later_characters, counts.characters - line_feeds
        ),
        "fineweb_list_ratio_v1": _share(line_feeds, counts.words[:, gopher.TOKENS]),
    }
