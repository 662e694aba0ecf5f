"""Documents that hold listed words, by lists of the user (LDNOOBW's form: one word or phrase a line).

The rule is C4's (Raffel et al. 2020, sec. 2.2): a document with any listed word goes; the counts stand as signals for
softer rules. In spaced scripts an entry matches whole words, blanks, dashes, apostrophes and underscores between
its words being alike; every character of a script without spaces is a word (`text.words`), so that Chinese
and Japanese entries match anywhere. Other signs inside an entry (s&m) must stand in the text too. An entry
with signs at its ends (@ss) or without letter and digit is left out and counted, since words have no such ends.

Matching runs over the hashes of words: a table of first words, then whole phrases with what stands between.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from quality.list_files import read_parts
from text.buffers import Texts, text_buffer
from text.hashing import GOLDEN, fmix64_scalar, hash64_bytes
from text.jit import kernel
from text.ngrams import BASE
from text.words import Bytes, Positions, Words, segment

VERSION = 1
REASON = "listed_words"
ANY_LANGUAGE = "*"
SIGNALS = (f"listed_words_v{VERSION}", f"listed_words_share_v{VERSION}")
_FILTER_BITS = 16
_FILTER_SHIFT = np.uint64(64 - _FILTER_BITS)
_LOOSE = np.uint64(1)  # code of a gap of blanks and the like
_GAP_SEED = np.uint64(0x5E1F)
_LONGEST = 12


class WordListConfig(BaseModel):
    """Which word lists are looked up, and in which documents."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: list[str] = Field(
        default=[],
        description="files of words or phrases, one a line; the name without ending is the language they are for "
        "(LDNOOBW: en, zh …), any other name is looked up in every language",
    )
    allowed: list[str] = Field(default=[], description="entries of the lists that do not count")
    max_matches: int = Field(
        default=0, description="listed words that a document may hold and stay; 0 is C4's rule", ge=0
    )


class WordListReport(NamedTuple):
    """What came of one file: its language (`*`: all), entries in use, and lines without whole words."""

    name: str
    language: str
    entries: int
    unusable: int


class _Phrases(NamedTuple):
    hashes: npt.NDArray[np.uint64]  # ascending
    languages: npt.NDArray[np.int64]  # place in `languages`, 0 is any
    sources: npt.NDArray[np.int64]
    texts: list[str]
    first_words: npt.NDArray[np.bool_]
    longest: int


class WordLists:
    """Lists in memory; `reports` says what was read, one a file."""

    def __init__(self, config: WordListConfig) -> None:
        """Read the files; ListFileError where one is absent or unreadable."""
        self.config = config
        self.reports: list[WordListReport] = []
        self._languages = [ANY_LANGUAGE]
        rows: dict[tuple[int, int], tuple[int, str]] = {}
        firsts: list[int] = []
        longest = 1
        allowed = {entry.lower() for entry in config.allowed}
        for number, name in enumerate(config.files):
            language = _language(name)
            if language not in self._languages:
                self._languages.append(language)
            code = self._languages.index(language)
            lines = [line for part in read_parts([name], [], "", []) for line in part.lines.to_pylist()]
            entries = [line for line in dict.fromkeys(lines) if line.lower() not in allowed]
            hashes, first_words, sizes, usable = phrase_hashes(entries)
            for place in np.flatnonzero(usable).tolist():
                rows.setdefault((int(hashes[place]), code), (number, entries[place]))
            firsts += first_words[usable].tolist()
            longest = max([longest, *sizes[usable].tolist()])
            used = int(usable.sum())
            self.reports.append(WordListReport(name, language, used, len(entries) - used))
        self._phrases = _table(rows, firsts, longest)

    def matches(self, texts: Texts, languages: Sequence[str | None] | None = None) -> pa.Table:
        """Every listed phrase in the texts: row, list, entry, start, end (bytes in the row's text), in order.

        `languages` (one a text) chooses the lists; None looks every list up in every text. Matches may
        overlap. ValueError where the lengths differ.
        """
        words = segment(texts)
        rows, places, starts, ends = self._search(texts, words, languages)
        sources = self._phrases.sources[places]
        return pa.table(
            {
                "row": pa.array(rows),
                "list": pa.array([self.reports[source].name for source in sources.tolist()], pa.string()),
                "entry": pa.array([self._phrases.texts[place] for place in places.tolist()], pa.string()),
                "start": pa.array(starts),
                "end": pa.array(ends),
            }
        )

    def signals(self, texts: Texts, languages: Sequence[str | None] | None = None) -> pa.RecordBatch:
        """Matches of each text (int32), their words' share of all words (float32, 0..1), and the first entry.

        Columns: SIGNALS and listed_word (null where there is none).
        """
        words = segment(texts)
        rows, places, _, _ = self._search(texts, words, languages)
        n = len(words.offsets) - 1
        totals = np.diff(words.offsets)
        covered = np.bincount(rows, minlength=n) / np.maximum(totals, 1)
        first: list[str | None] = [None] * n
        for row, place in zip(rows[::-1].tolist(), places[::-1].tolist(), strict=True):
            first[row] = self._phrases.texts[place]
        counts = np.bincount(rows, minlength=n).astype(np.int32)
        columns = [
            pa.array(counts),
            pa.array(np.minimum(covered, 1.0).astype(np.float32)),
            pa.array(first, pa.string()),
        ]
        return pa.record_batch(columns, names=[*SIGNALS, "listed_word"])

    def _search(
        self, texts: Texts, words: Words, languages: Sequence[str | None] | None
    ) -> tuple[Positions, Positions, Positions, Positions]:
        data, offsets = text_buffer(texts)
        codes = np.full(len(offsets) - 1, -1, np.int64)
        if languages is not None:
            if len(languages) != len(codes):
                raise ValueError(f"{len(codes)} texts but {len(languages)} languages: each text needs one")
            known = {name: code for code, name in enumerate(self._languages)}
            codes[:] = [known.get(language or ANY_LANGUAGE, 0) for language in languages]
        table = self._phrases
        return _match(
            data, offsets, words.hashes, words.starts, words.ends, words.offsets, codes,
            table.hashes, table.languages, table.first_words, table.longest,
        )  # fmt: skip


def phrase_hashes(
    entries: Sequence[str],
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64], npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Hash, first word, number of words of each entry, and whether it is whole words of at most 12."""
    texts = pa.array(entries, pa.large_string())
    data, offsets = text_buffer(texts)
    words = segment(texts)
    sizes = np.diff(words.offsets)
    hashes, firsts = np.zeros(len(entries), np.uint64), np.zeros(len(entries), np.uint64)
    usable = (sizes > 0) & (sizes <= _LONGEST)
    for row in np.flatnonzero(usable).tolist():
        first, stop = words.offsets[row], words.offsets[row + 1]
        whole = words.starts[first] == 0 and words.ends[stop - 1] == offsets[row + 1] - offsets[row]
        usable[row] = whole
        firsts[row] = words.hashes[first]
        hashes[row] = _phrase(data, offsets[row], words.hashes, words.starts, words.ends, first, stop)
    return hashes, firsts, sizes, usable


def _language(name: str) -> str:
    stem = Path(name).name.removesuffix(".gz").removesuffix(".txt").partition("-")[0]  # fr-CA-… is fr
    return (
        stem if 2 <= len(stem) <= 3 and stem.isascii() and stem.isalpha() and stem.islower() else ANY_LANGUAGE
    )


def _table(rows: dict[tuple[int, int], tuple[int, str]], firsts: list[int], longest: int) -> _Phrases:
    ordered = sorted(rows.items())
    hashes = np.array([key[0] for key, _ in ordered], np.uint64)
    marked = np.zeros(1 << _FILTER_BITS, np.bool_)
    marked[(np.array(firsts, np.uint64) >> _FILTER_SHIFT).astype(np.int64)] = True
    return _Phrases(
        hashes,
        np.array([key[1] for key, _ in ordered], np.int64),
        np.array([value[0] for _, value in ordered], np.int64),
        [value[1] for _, value in ordered],
        marked,
        longest,
    )


@kernel
def _gap(data: Bytes, start: int, end: int) -> np.uint64:
    """What stands between two words: 0 for nothing, 1 for blanks and dashes, else a hash of the bytes."""
    if start == end:
        return np.uint64(0)
    for place in range(start, end):
        byte = data[place]
        if byte != 32 and byte != 9 and byte != 10 and byte != 45 and byte != 39 and byte != 95:
            return hash64_bytes(data, start, end, _GAP_SEED) | np.uint64(2)
    return _LOOSE


@kernel
def _add(value: np.uint64, word: np.uint64, gap: np.uint64) -> np.uint64:
    return fmix64_scalar(value * BASE + word + gap * GOLDEN)


@kernel
def _phrase(
    data: Bytes,
    origin: np.int64,
    hashes: npt.NDArray[np.uint64],
    starts: Positions,
    ends: Positions,
    first: np.int64,
    stop: np.int64,
) -> np.uint64:
    value = _add(np.uint64(0), hashes[first], np.uint64(0))
    for word in range(first + 1, stop):
        value = _add(value, hashes[word], _gap(data, origin + ends[word - 1], origin + starts[word]))
    return value


@kernel
def _match(
    data: Bytes,
    offsets: Positions,
    hashes: npt.NDArray[np.uint64],
    starts: Positions,
    ends: Positions,
    word_offsets: Positions,
    codes: Positions,
    phrases: npt.NDArray[np.uint64],
    languages: Positions,
    first_words: npt.NDArray[np.bool_],
    longest: int,
) -> tuple[Positions, Positions, Positions, Positions]:
    """Rows, phrases, starts and ends of all matches; `codes` is each row's language, -1 for every list."""
    found = np.empty((64, 4), np.int64)
    n = 0
    for row in range(len(offsets) - 1):
        origin, stop = offsets[row], word_offsets[row + 1]
        for first in range(word_offsets[row], stop):
            if not first_words[np.int64(hashes[first] >> _FILTER_SHIFT)]:
                continue
            value = np.uint64(0)
            for word in range(first, min(first + longest, stop)):
                gap = np.uint64(0)
                if word > first:
                    gap = _gap(data, origin + ends[word - 1], origin + starts[word])
                value = _add(value, hashes[word], gap)
                place = np.searchsorted(phrases, value)
                while place < len(phrases) and phrases[place] == value:
                    if codes[row] < 0 or languages[place] == 0 or languages[place] == codes[row]:
                        if n == len(found):
                            grown = np.empty((2 * n, 4), np.int64)
                            grown[:n] = found
                            found = grown
                        found[n, 0], found[n, 1], found[n, 2], found[n, 3] = (
                            row,
                            place,
                            starts[first],
                            ends[word],
                        )
                        n += 1
                    place += 1
    return found[:n, 0].copy(), found[:n, 1].copy(), found[:n, 2].copy(), found[:n, 3].copy()
