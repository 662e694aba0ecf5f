"""Block lists from the user's files: domains with all below them, addresses with all below them, words in addresses.

Read are plain lists (one entry a line; `#` and `!` begin comments), hosts files (`0.0.0.0 name`), `||name^`
lines, and the layout of the Université Toulouse lists: a folder for each category with files `domains` and
`urls`, unpacked or as .tar.gz. Single files may be .gz. No list comes with this project.

An entry that is a public suffix ("co.uk") would block a country: it is left out and counted, as is what is no
host name. Entries lie sorted by 64-bit hash in flat arrays (about 20 bytes an entry and its text), and the text
itself is compared, so that no collision blocks a page.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field

from quality.domains import SuffixRules, built_in_rules
from quality.list_files import ListPart, read_parts
from quality.url_forms import address, host_chain, path_chain, url_words
from text.buffers import text_buffer
from text.hashing import hash64
from text.jit import kernel

Kind = Literal["domain", "url", "word"]
VERSION = 1
REASON = "blocked_address"
_PLAIN_HOST = r"^[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))+$"
_PREFIX = r"^(\|\||0\.0\.0\.0\s+|127\.0\.0\.1\s+|::1?\s+)|(\^.*|\s*#.*)$"


class BlocklistConfig(BaseModel):
    """Which lists block pages by their address."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    domains: list[str] = Field(default=[], description="files of domains, one a line, .gz too")
    urls: list[str] = Field(default=[], description="files of addresses, one a line, .gz too")
    words: list[str] = Field(default=[], description="files of words that block an address holding them")
    folders: list[str] = Field(
        default=[], description="folders or .tar.gz in UT1 layout: a category with files domains and urls"
    )
    categories: list[str] = Field(default=[], description="categories of the folders to use; empty: all")
    suffix_list: str | None = Field(
        default=None, description="file of the public suffix list; empty: the rules built in"
    )
    min_words: int = Field(
        default=1, description="different listed words that an address must hold to be blocked", ge=1
    )


class ListReport(NamedTuple):
    """What came of one list: entries in use, and those left out as public suffix, malformed or known already."""

    name: str
    kind: Kind
    entries: int
    public_suffixes: int
    malformed: int
    repeated: int


class _Entries(NamedTuple):
    hashes: npt.NDArray[np.uint64]  # ascending
    texts: pa.LargeStringArray
    lists: npt.NDArray[np.int32]  # place of the entry's list among the reports

    def find(self, keys: list[str]) -> npt.NDArray[np.int64]:
        """Place of each key among the entries, -1 where it is none."""
        queries = pa.array(keys, pa.large_string())
        data, offsets = text_buffer(self.texts)
        asked, asked_offsets = text_buffer(queries)
        return _find(self.hashes, data, offsets, hash64(queries), asked, asked_offsets)


class Blocklists:
    """Lists in memory; `reports` says what was read, one a list, in the order of the config."""

    def __init__(self, config: BlocklistConfig) -> None:
        """Read the lists; ListFileError names the file that is absent or unreadable."""
        self.config = config
        self.rules = SuffixRules.read(config.suffix_list) if config.suffix_list else built_in_rules()
        self.reports: list[ListReport] = []
        self._entries: dict[Kind, _Entries] = {}
        given: tuple[tuple[Kind, Sequence[str]], ...] = (
            ("domain", config.domains),
            ("url", config.urls),
            ("word", config.words),
        )
        for kind, files in given:
            parts = read_parts(files, config.folders if kind != "word" else [], f"{kind}s", config.categories)
            self._entries[kind] = self._table(kind, parts)

    def check(self, urls: pa.Array | pa.ChunkedArray) -> pa.RecordBatch:
        """Which addresses are blocked: columns blocklist, blocklist_entry and blocklist_kind, null where not.

        A null address, one without host and one of a file are not blocked. A domain's entry goes before an
        address's, that before words; of several the longest entry. With `min_words` above 1 the entry column
        names all words found.
        """
        found = [address(url) if url else None for url in urls.to_pylist()]
        places = np.full((len(found), 2), -1, np.int64)  # kind, entry
        kinds: tuple[Kind, ...] = ("domain", "url", "word")
        words: dict[int, str] = {}
        for number, kind in enumerate(kinds):
            table = self._entries[kind]
            if not len(table.hashes):
                continue
            rows, keys = [], []
            for row, form in enumerate(found):
                if form is None or places[row, 0] >= 0:
                    continue
                chain = (
                    host_chain(form.host, self.rules)
                    if kind == "domain"
                    else path_chain(form)
                    if kind == "url"
                    else list(dict.fromkeys(url_words(form)))
                )
                rows += [row] * len(chain)
                keys += chain
            hits = table.find(keys)
            fewest = self.config.min_words if kind == "word" else 1
            _first_hits(np.array(rows, np.int64), hits, number, fewest, places)
            if kind == "word":
                words = _joined(rows, keys, hits)
        return self._answer(places, kinds, words)

    def _answer(
        self, places: npt.NDArray[np.int64], kinds: tuple[Kind, ...], words: dict[int, str]
    ) -> pa.RecordBatch:
        names: list[str | None] = [None] * len(places)
        entries: list[str | None] = [None] * len(places)
        for row in np.flatnonzero(places[:, 0] >= 0).tolist():
            kind = kinds[places[row, 0]]
            table = self._entries[kind]
            names[row] = self.reports[table.lists[places[row, 1]]].name
            entries[row] = words[row] if kind == "word" else table.texts[places[row, 1]].as_py()
        codes = pa.array(places[:, 0], mask=places[:, 0] < 0)
        return pa.record_batch(
            [
                pa.array(names, pa.string()),
                pa.array(entries, pa.string()),
                pa.array(kinds, pa.string()).take(codes),
            ],
            names=["blocklist", "blocklist_entry", "blocklist_kind"],
        )

    def _table(self, kind: Kind, parts: Iterator[ListPart]) -> _Entries:
        texts: list[pa.Array] = []
        lists: list[npt.NDArray[np.int32]] = []
        first = len(self.reports)
        places: dict[str, int] = {}
        for part in parts:
            place = places.setdefault(part.name, first + len(places))
            if place == len(self.reports):
                self.reports.append(ListReport(part.name, kind, 0, 0, 0, 0))
            kept, suffixes, malformed = self._clean(kind, part.lines)
            report = self.reports[place]
            self.reports[place] = report._replace(
                entries=report.entries + len(kept),
                public_suffixes=report.public_suffixes + suffixes,
                malformed=report.malformed + malformed,
            )
            texts.append(kept)
            lists.append(np.full(len(kept), place, np.int32))
        return self._sorted(texts, lists)

    def _clean(self, kind: Kind, lines: pa.Array) -> tuple[pa.Array, int, int]:
        """Entries in their one form, and how many were public suffixes and malformed."""
        if kind == "word":
            words = pc.utf8_lower(lines)
            good = pc.match_substring_regex(words, r"^[\p{L}\p{N}]+$")
            return words.filter(good), 0, len(words) - pc.sum(good).as_py()
        if kind == "url":
            forms = [address(line) for line in lines.to_pylist()]
            kept = [chain[0] for form in forms if form is not None and (chain := path_chain(form))]
            return pa.array(kept, pa.large_string()), 0, len(forms) - len(kept)
        names = pc.replace_substring_regex(pc.utf8_lower(lines), _PREFIX, "")
        names = pc.replace_substring_regex(names, r"^(\*?\.)|(\.+)$", "")
        plain = pc.match_substring_regex(names, _PLAIN_HOST)
        odd = [_host_of(name) for name in names.filter(pc.invert(plain)).to_pylist()]
        readable = [name for name in odd if name is not None]
        names = pa.concat_arrays([names.filter(plain), pa.array(readable, pa.large_string())])
        names = pc.replace_substring_regex(names, r"^www\d{0,2}\.([^.]+\.)", r"\1")
        suffixes = self._suffixes(names)
        kept = names.filter(pc.invert(suffixes))
        return kept, len(names) - len(kept), len(odd) - len(readable)

    def _suffixes(self, names: pa.Array) -> pa.Array:
        known = pc.is_in(names, value_set=pa.array(sorted(self.rules.plain), pa.large_string()))
        single = pc.invert(pc.match_substring(pc.cast(names, pa.large_string()), "."))
        numeric = pc.match_substring(names, ":")
        found = pc.and_(pc.or_(known, single), pc.invert(numeric))
        if not self.rules.wildcards:
            return found
        parents = pc.replace_substring_regex(names, r"^[^.]+\.", "")
        wild = pc.is_in(parents, value_set=pa.array(sorted(self.rules.wildcards), pa.large_string()))
        free = pc.is_in(names, value_set=pa.array(sorted(self.rules.exceptions), pa.large_string()))
        return pc.or_(found, pc.and_(wild, pc.invert(free)))

    def _sorted(self, texts: list[pa.Array], lists: list[npt.NDArray[np.int32]]) -> _Entries:
        whole = pa.concat_arrays([pa.array([], pa.large_string()), *texts])
        named = np.concatenate([np.empty(0, np.int32), *lists])
        hashes = hash64(whole)
        order = np.argsort(hashes, kind="stable")
        hashes, whole, named = hashes[order], whole.take(pa.array(order)), named[order]
        # Equal texts stand together but for a collision between them, which only keeps a second copy.
        fresh = np.ones(len(whole), np.bool_)
        if len(whole) > 1:
            fresh[1:] = ~np.asarray(pc.equal(whole[1:], whole[:-1]))
        for place, n in zip(*np.unique(named[~fresh], return_counts=True), strict=True):
            report = self.reports[place]
            self.reports[place] = report._replace(
                entries=report.entries - int(n), repeated=report.repeated + int(n)
            )
        return _Entries(hashes[fresh], whole.filter(pa.array(fresh)), named[fresh])


def _host_of(line: str) -> str | None:
    """The host of a line that is no plain name: letters of other alphabets, an address of numbers, a URL."""
    form = address(line)
    return form.host if form is not None and form.rest in ("", "/") and "*" not in form.host else None


def _first_hits(
    rows: npt.NDArray[np.int64],
    hits: npt.NDArray[np.int64],
    kind: int,
    fewest: int,
    places: npt.NDArray[np.int64],
) -> None:
    """Give each row with `fewest` hits or more its first hit: chains stand in order, longest first."""
    hit = np.flatnonzero(hits >= 0)
    found, first, counts = np.unique(rows[hit], return_index=True, return_counts=True)
    enough = counts >= fewest
    places[found[enough], 0] = kind
    places[found[enough], 1] = hits[hit[first[enough]]]


def _joined(rows: list[int], keys: list[str], hits: npt.NDArray[np.int64]) -> dict[int, str]:
    words: dict[int, list[str]] = {}
    for place in np.flatnonzero(hits >= 0).tolist():
        words.setdefault(rows[place], []).append(keys[place])
    return {row: " ".join(found) for row, found in words.items()}


@kernel
def _find(
    hashes: npt.NDArray[np.uint64],
    data: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
    asked_hashes: npt.NDArray[np.uint64],
    asked: npt.NDArray[np.uint8],
    asked_offsets: npt.NDArray[np.int64],
) -> npt.NDArray[np.int64]:
    found = np.full(len(asked_hashes), -1, np.int64)
    for i in range(len(asked_hashes)):
        place = np.searchsorted(hashes, asked_hashes[i])
        start, size = asked_offsets[i], asked_offsets[i + 1] - asked_offsets[i]
        while found[i] < 0 and place < len(hashes) and hashes[place] == asked_hashes[i]:
            same = offsets[place + 1] - offsets[place] == size
            for j in range(size if same else 0):
                if data[offsets[place] + j] != asked[start + j]:
                    same = False
                    break
            found[i] = place if same else -1
            place += 1
    return found
