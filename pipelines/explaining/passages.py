"""The passages of a text that make a page rule's figure what it is.

What a figure counts in lines is asked line by line of the code that measures whole texts, so that both cannot
disagree. Repeated n-grams are those of `text.words`; datatrove's own tokens differ at punctuation.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa

from quality.rules import Rule, RuleReason
from quality.signals import compute
from text.buffers import text_buffer
from text.words import Words, segment

MOST = 5
CHARACTERS = 200
_NGRAM = re.compile(r"gopher_(top|dup)_(\d+)gram$")
_AROUND = 40


def responsible(text: str, language: str | None, rule: Rule) -> list[str]:
    """At most MOST passages, each of at most CHARACTERS, with what is wrong of each where it is not plain."""
    ngram = _NGRAM.match(rule.reason)
    if ngram:
        n = int(ngram[2])
        found = top_gram(text, n) if ngram[1] == "top" else repeated_spans(text, n)
    else:
        found = _FINDERS[RuleReason(rule.reason)](text, language)
    return [_short(passage) for passage in found][:MOST]


def lines_of(text: str) -> list[str]:
    """The lines that are not blank, without white space at both ends."""
    return [line.strip() for line in text.split("\n") if line.strip()]


def paragraphs_of(text: str) -> list[str]:
    """Lines up to the next blank one, joined."""
    return ["\n".join(lines_of(part)) for part in re.split(r"\n\s*\n", text) if part.strip()]


def repeated_items(items: Sequence[str]) -> list[tuple[str, int]]:
    """Items that occur more than once, those first that hold most characters in all."""
    counts = [(item, n) for item, n in Counter(items).items() if n > 1]
    return sorted(counts, key=lambda found: (-len(found[0]) * found[1], found[0]))


def top_gram(text: str, n: int) -> list[str]:
    """The most frequent n-gram that repeats, of equal ones the longest, as it first stands in the text."""
    words, grams = _grams(text, n)
    counts = Counter(grams)
    firsts = {gram: place for place, gram in reversed(list(enumerate(grams)))}
    repeated = [
        (count, _size(text, words, firsts[gram], n), gram) for gram, count in counts.items() if count > 1
    ]
    if not repeated:
        return []
    count, _, gram = max(repeated, key=lambda found: (found[0], found[1], -firsts[found[2]]))
    return [f"{count} times: {_slice(text, words, firsts[gram], firsts[gram] + n)}"]


def repeated_spans(text: str, n: int) -> list[str]:
    """Runs of words that lie inside of repeated n-grams, longest first, equal ones once with their number."""
    words, grams = _grams(text, n)
    spans = [_slice(text, words, first, stop) for first, stop in word_runs(grams, n)]
    ranked = sorted(Counter(spans).items(), key=lambda found: (-len(found[0]) * found[1], found[0]))
    return [f"{count} times: {span}" if count > 1 else span for span, count in ranked]


def word_runs(grams: Sequence[tuple[int, ...]], n: int) -> list[tuple[int, int]]:
    """First and behind-last word of every run of words inside of repeated n-grams."""
    counts = Counter(grams)
    runs: list[tuple[int, int]] = []
    for place, gram in enumerate(grams):
        if counts[gram] < 2:
            continue
        if runs and place <= runs[-1][1]:
            runs[-1] = (runs[-1][0], place + n)
        else:
            runs.append((place, place + n))
    return runs


def _grams(text: str, n: int) -> tuple[Words, list[tuple[int, ...]]]:
    words = segment(pa.array([text]))
    hashes = words.hashes.tolist()
    return words, list(zip(*(hashes[place:] for place in range(n)), strict=False))


def _slice(text: str, words: Words, first: int, stop: int) -> str:
    data = text.encode()
    return data[int(words.starts[first]) : int(words.ends[stop - 1])].decode()


def _size(text: str, words: Words, first: int, n: int) -> int:
    return sum(len(_slice(text, words, word, word + 1)) for word in range(first, first + n))


def _lines_where(
    text: str, language: str | None, signal: str, wanted: Callable[[float], bool]
) -> Iterator[str]:
    """Lines whose own figure of `signal`, each measured as a text of its own, is `wanted`."""
    lines = lines_of(text)
    if not lines:
        return
    figures = compute(lines, [language] * len(lines))[signal].to_pylist()
    for line, figure in zip(lines, figures, strict=True):
        if figure is not None and wanted(figure):
            yield line


def _by_line(signal: str, wanted: Callable[[float], bool]) -> Callable[[str, str | None], list[str]]:
    return lambda text, language: list(_lines_where(text, language, signal, wanted))


def _around(pattern: str) -> Callable[[str, str | None], list[str]]:
    """Places of a pattern with some characters to both sides."""

    def places(text: str, language: str | None) -> list[str]:
        return [
            text[max(0, match.start() - _AROUND) : match.end() + _AROUND]
            for match in re.finditer(pattern, text, re.IGNORECASE)
        ]

    return places


def _repeated(parts: Callable[[str], list[str]]) -> Callable[[str, str | None], list[str]]:
    return lambda text, language: [f"{n} times: {item}" for item, n in repeated_items(parts(text))]


def _stop_words(text: str, language: str | None) -> list[str]:
    from quality.measures.stop_words import STOP_WORDS, base_language

    forms = {
        form
        for entry in STOP_WORDS.get(base_language(language or "en"), "").split()
        for form in entry.split("/")
    }
    buffer, words = text_buffer(pa.array([text])), segment(pa.array([text]))
    data = buffer.data.tobytes()
    spoken = {data[start:end].decode().lower() for start, end in zip(words.starts, words.ends, strict=True)}
    found = sorted(forms & spoken)
    return [f"stop words of '{language}' in the text: {', '.join(found) or 'none'}"]


def _longest_words(text: str, language: str | None) -> list[str]:
    return sorted(set(text.split()), key=lambda word: (-len(word), word))


def _without_letters(text: str, language: str | None) -> list[str]:
    words = Counter(word for word in text.split() if not any(map(str.isalpha, word)))
    return [f"{n} times: {word}" for word, n in words.most_common(MOST)]


def _beginning(text: str, language: str | None) -> list[str]:
    return [text[:CHARACTERS]]


_Finder = Callable[[str, str | None], list[str]]
_FINDERS: dict[RuleReason, _Finder] = {
    RuleReason.GOPHER_WORD_COUNT: _beginning,
    RuleReason.GOPHER_MEAN_WORD_LENGTH: _longest_words,
    RuleReason.GOPHER_HASHES: _around("#"),
    RuleReason.GOPHER_ELLIPSES: _around(r"\.\.\.|…"),
    RuleReason.GOPHER_BULLET_LINES: _by_line("gopher_bullet_line_fraction_v1", lambda share: share > 0),
    RuleReason.GOPHER_ELLIPSIS_LINES: _by_line("gopher_ellipsis_line_fraction_v1", lambda share: share > 0),
    RuleReason.GOPHER_ALPHABETIC_WORDS: _without_letters,
    RuleReason.GOPHER_STOP_WORDS: _stop_words,
    RuleReason.GOPHER_DUP_PARAGRAPHS: _repeated(paragraphs_of),
    RuleReason.GOPHER_DUP_PARAGRAPH_CHARS: _repeated(paragraphs_of),
    RuleReason.GOPHER_DUP_LINES: _repeated(lines_of),
    RuleReason.GOPHER_DUP_LINE_CHARS: _repeated(lines_of),
    RuleReason.C4_LOREM_IPSUM: _around("lorem ipsum"),
    RuleReason.C4_CURLY_BRACKET: _around(r"\{"),
    RuleReason.C4_SENTENCES: _by_line("c4_kept_lines_v1", lambda kept: kept == 0),
    RuleReason.FINEWEB_EMPTY: _beginning,
    RuleReason.FINEWEB_LINE_PUNCT: _by_line("fineweb_line_punct_ratio_v1", lambda share: share == 0),
    RuleReason.FINEWEB_SHORT_LINES: _by_line("fineweb_short_line_ratio_v1", lambda share: share > 0),
    RuleReason.FINEWEB_CHAR_DUP: _repeated(lines_of),
    RuleReason.FINEWEB_LIST: _by_line("fineweb_short_line_ratio_v1", lambda share: share > 0),
}
"""What to show for each rule: for C4's sentences the lines that C4 takes away, for a list its short lines."""


def _short(passage: str) -> str:
    told = " ".join(passage.split())
    return told if len(told) <= CHARACTERS else f"{told[: CHARACTERS - 1]}…"
