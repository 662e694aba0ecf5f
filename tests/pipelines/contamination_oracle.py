"""GPT-3's decontamination rule in plain Python over characters: the oracle of the kernels."""

import unicodedata
from collections import Counter
from typing import NamedTuple

from pipelines.decontaminate import DecontaminationConfig


class Word(NamedTuple):
    folded: str
    start: int  # characters
    end: int
    solo: bool


def is_solo(character: str) -> bool:
    return "\u4e00" <= character <= "\u9fff"


def split_words(text: str) -> list[Word]:
    found: list[list] = []
    inside = False
    for position, character in enumerate(text):
        kind = unicodedata.category(character)[0]
        if kind not in "LMN":
            inside = False
            continue
        joins = inside and (kind == "M" or not (is_solo(character) or found[-1][3]))
        if not joins:
            found.append(["", position, 0, is_solo(character)])
        found[-1][0] += character.lower()[0]
        found[-1][2] = position + 1
        inside = True
    return [Word(*word) for word in found]


def item_grams(text: str, config: DecontaminationConfig) -> set[tuple[str, ...]]:
    words = split_words(text)
    grams = set()
    for i in range(len(words)):
        head = words[i : i + config.ngram_words]
        solo = sum(word.solo for word in head) * 2 > len(head)
        n = config.ngram_characters if solo else config.ngram_words
        if i + n <= len(words):
            grams.add(tuple(word.folded for word in words[i : i + n]))
    solo = sum(word.solo for word in words) * 2 > len(words)
    least = config.min_characters if solo else config.min_words
    if not grams and config.short_items == "whole" and len(words) >= least:
        grams.add(tuple(word.folded for word in words))
    return grams


def benchmark_grams(
    benchmarks: dict[str, list[str]], config: DecontaminationConfig
) -> dict[tuple[str, ...], str]:
    grams: dict[tuple[str, ...], str] = {}
    for name, items in benchmarks.items():
        for item in items:
            for gram in item_grams(item, config):
                grams.setdefault(gram, name)
    return grams


def hits_of(text: str, grams: dict[tuple[str, ...], str]) -> list[tuple[tuple[str, ...], int, int]]:
    words = split_words(text)
    return [
        (gram, i, i + n)
        for i in range(len(words))
        for n in sorted({len(gram) for gram in grams})
        if i + n <= len(words) and (gram := tuple(word.folded for word in words[i : i + n])) in grams
    ]


def n_bytes(text: str) -> int:
    return len(text.encode())


def evidence_of(
    row: int, text: str, hit: tuple, benchmark: str, n_documents: int, config: DecontaminationConfig
) -> dict:
    _, first, stop = hit
    words = split_words(text)
    start, end = words[first].start, words[stop - 1].end
    return {
        "row": row,
        "benchmark": benchmark,
        "gram": text[start:end],
        "start": n_bytes(text[:start]),
        "end": n_bytes(text[:end]),
        "n_documents": n_documents,
        "action": "ignored_frequent" if n_documents > config.max_documents else "cut",
    }


def outcome_of(cutting: list, split: list, kept: list, config: DecontaminationConfig) -> str:
    if cutting and len(split) > config.max_pieces:
        return "too_many_pieces"
    return "kept" if kept else "pieces_too_short"


def removed_characters(text: str, hits: list, config: DecontaminationConfig) -> set[int]:
    """Characters in a window, word by word: a window takes all of each word that it touches."""
    words = split_words(text)
    gone: set[int] = set()
    for _, first, stop in hits:
        start = max(0, words[first].start - config.window_chars)
        end = min(len(text), words[stop - 1].end + config.window_chars)
        gone |= set(range(start, end))
        for word in words:
            if word.start < end and word.end > start:
                gone |= set(range(word.start, word.end))
    return gone


def pieces_of(text: str, gone: set[int]) -> list[tuple[int, int]]:
    pieces, start = [], None
    for position in range(len(text) + 1):
        stays = position < len(text) and position not in gone
        if stays and start is None:
            start = position
        elif not stays and start is not None:
            pieces.append((start, position))
            start = None
    return pieces


def decontaminate(
    documents: list[str], benchmarks: dict[str, list[str]], config: DecontaminationConfig
) -> dict[str, list[dict]]:
    """Rows of PIECES, EVIDENCE and OUTCOMES."""
    grams = benchmark_grams(benchmarks, config)
    counts: Counter[tuple[str, ...]] = Counter()
    for text in documents:
        counts.update({gram for gram, _, _ in hits_of(text, grams)})
    made: dict[str, list[dict]] = {"pieces": [], "evidence": [], "outcomes": []}
    for row, text in enumerate(documents):
        hits = hits_of(text, grams)
        made["evidence"] += [
            evidence_of(row, text, hit, grams[hit[0]], counts[hit[0]], config) for hit in hits
        ]
        cutting = [hit for hit in hits if counts[hit[0]] <= config.max_documents]
        names = Counter(grams[gram] for gram, _, _ in cutting)
        benchmark = min(names, key=lambda name: (-names[name], list(benchmarks).index(name)), default=None)
        split = pieces_of(text, removed_characters(text, cutting, config)) if cutting else [(0, len(text))]
        kept = [piece for piece in split if piece[1] - piece[0] >= config.min_piece_chars or not cutting]
        outcome = outcome_of(cutting, split, kept, config)
        if outcome != "kept":
            kept = []
        for number, (start, end) in enumerate(kept):
            made["pieces"].append(
                {
                    "row": row,
                    "number": number,
                    "whole": not cutting,
                    "start": n_bytes(text[:start]),
                    "end": n_bytes(text[:end]),
                    "text": text[start:end],
                }
            )
        made["outcomes"].append(
            {
                "outcome": outcome,
                "n_split": len(split),
                "n_pieces": len(kept),
                "cut_bytes": n_bytes(text) - sum(n_bytes(text[start:end]) for start, end in kept),
                "benchmark": benchmark,
            }
        )
    return made
