"""The signals of one text in plain Python, written from the papers' sentences: what the kernels must agree with."""

import re
import unicodedata
from collections import Counter

from quality.measures.characters import BULLETS, CLOSERS, SENTENCE_TERMINALS
from quality.measures.stop_words import STOP_WORDS
from text.unicode_classes import UNSPACED_RANGES

TERMINALS = {chr(code) for first, last in SENTENCE_TERMINALS for code in range(first, last + 1)}
POLICIES = (
    "terms of use",
    "privacy policy",
    "cookie policy",
    "uses cookies",
    "use of cookies",
    "use cookies",
)


def is_word_character(character):
    return unicodedata.category(character)[0] in "LMN"


def is_unspaced(character):
    if 0xAC00 <= ord(character) <= 0xD7A3 or unicodedata.category(character)[0] not in "LN":
        return False
    letter = unicodedata.category(character)[0] == "L"
    return letter and any(first <= ord(character) <= last for first, last, _ in UNSPACED_RANGES)


def words(text):
    """Maximal runs of letters, marks and numbers, and single characters of unspaced scripts (Hangul too)."""
    found, open_word, before = [], False, " "
    for character in text:
        single = any(a <= ord(character) <= b for a, b, _ in UNSPACED_RANGES)
        single = single and unicodedata.category(character)[0] == "L"
        attached = unicodedata.category(character)[0] == "M" and is_word_character(before)
        before = character
        if attached:
            found[-1] += character
        elif not is_word_character(character):
            open_word = False
        elif single or not open_word:
            found.append(character)
            open_word = not single
        else:
            found[-1] += character
    return found


def chunks(text):
    """str.split, cut again before every character of an unspaced script and behind such a one's symbols."""
    found = []
    for part in text.split():
        run, cut = "", False
        for character in part:
            begins = is_word_character(character)
            if unicodedata.category(character)[0] == "M" and run and is_word_character(run[-1]):
                begins = False
            if run and (is_unspaced(character) or (cut and begins)):
                found.append(run)
                run, cut = "", False
            run += character
            cut = cut or is_unspaced(character)
        found.append(run)
    return found


def simple_tokens(text):
    """Tokens of a text in which no symbol stands between two word characters."""
    return re.findall(r"[A-Za-z0-9]+|\.+|-+|[^\sA-Za-z0-9]", text)


def lines(text):
    return [line.strip() for line in text.split("\n") if line.strip()]


def paragraphs(text):
    found = [[]]
    for line in text.split("\n"):
        if line.strip():
            found[-1].append(line.strip())
        else:
            found.append([])
    return ["\n".join(block) for block in found if block]


def share(part, whole):
    return part / whole if whole else None


def every_occurrence(items):
    """Fractions of items and of characters that occur more than once."""
    counts = Counter(items)
    again = [item for item in items if counts[item] > 1]
    return share(len(again), len(items)), share(sum(map(len, again)), sum(map(len, items)))


def later_occurrences(items):
    """Number and characters of items that were there before."""
    seen, again = set(), []
    for item in items:
        if item in seen:
            again.append(item)
        seen.add(item)
    return len(again), sum(map(len, again))


def top_gram(found, n):
    grams = Counter(tuple(found[i : i + n]) for i in range(len(found) - n + 1))
    most = max(grams.values(), default=0)
    return max((sum(map(len, g)) * c for g, c in grams.items() if c == most), default=0) if most > 1 else 0


def covered_by_repeats(found, n):
    grams = Counter(tuple(found[i : i + n]) for i in range(len(found) - n + 1))
    inside = {
        i + k for i in range(len(found) - n + 1) if grams[tuple(found[i : i + n])] > 1 for k in range(n)
    }
    return sum(len(found[i]) for i in inside)


def first_top_gram(found, n):
    grams = Counter(" ".join(found[i : i + n]) for i in range(len(found) - n + 1))
    if not grams:
        return 0
    gram, count = grams.most_common(1)[0]
    return len(gram) * count


def greedy_repeats(found, n):
    seen, total, i = set(), 0, 0
    while i + n <= len(found):
        gram = tuple(found[i : i + n])
        if gram in seen:
            total += sum(map(len, gram))
            i += n
        else:
            seen.add(gram)
            i += 1
    return total


def gopher(text, language="en"):
    """The paper's reading."""
    parts, rows, blocks = chunks(text), lines(text), paragraphs(text)
    folded = [word.lower() for word in words(text)]
    total = sum(map(len, folded))
    alternatives = [set(forms.split("/")) for forms in STOP_WORDS[language].split()]
    figures = {
        "word_count": sum(any(map(is_word_character, part)) for part in parts),
        "mean_word_length": share(sum(map(len, parts)), len(parts)),
        "hash_to_word_ratio": share(text.count("#"), len(parts)),
        "ellipsis_to_word_ratio": share(text.count("...") + text.count("…"), len(parts)),
        "bullet_line_fraction": share(sum(row[0] in BULLETS for row in rows), len(rows)),
        "ellipsis_line_fraction": share(sum(row.endswith(("...", "…")) for row in rows), len(rows)),
        "alphabetic_word_fraction": share(sum(any(map(str.isalpha, part)) for part in parts), len(parts)),
        "stop_words": sum(bool(forms & set(folded)) for forms in alternatives),
    }
    for name, items in (("line", rows), ("paragraph", blocks)):
        figures[f"dup_{name}_fraction"], figures[f"dup_{name}_char_fraction"] = every_occurrence(items)
    for n in range(2, 5):
        figures[f"top_{n}gram_char_fraction"] = share(top_gram(folded, n), total)
    for n in range(5, 11):
        figures[f"dup_{n}gram_char_fraction"] = share(covered_by_repeats(folded, n), total)
    return {f"gopher_{name}_v1": value for name, value in figures.items()}


def gopher_datatrove(text):
    """datatrove's repetition rules on tokens, in lower case."""
    found, size = [token.lower() for token in simple_tokens(text)], len(text)
    figures = {}
    for name, items in (("line", lines(text)), ("paragraph", paragraphs(text))):
        number, characters = later_occurrences(items)
        figures[f"dup_{name}_fraction"] = share(number, len(items))
        figures[f"dup_{name}_char_fraction"] = share(characters, size)
    for n in range(2, 5):
        figures[f"top_{n}gram_char_fraction"] = share(first_top_gram(found, n), size)
    for n in range(5, 11):
        figures[f"dup_{n}gram_char_fraction"] = share(greedy_repeats(found, n), size)
    return {f"gopher_datatrove_{name}_v1": value for name, value in figures.items()}


def c4(text, least_words=5, marks=(".", "?", "!", '"')):
    """Lines by the rule that takes them, and sentences of those left (simple tokens only)."""
    names = (
        "long_word",
        "no_terminal",
        "few_words",
        "lorem_ipsum",
        "javascript",
        "curly_bracket",
        "policy",
        "kept",
    )
    counts = dict.fromkeys(names, 0)
    sentences = 0
    for row in lines(text):
        low, cut = row.lower(), re.sub(r"(\[\d*\]|\[edit\]|\[citation needed\])+$", "", row)
        if any(len(word) > 1000 for word in row.split()):
            what = "long_word"
        elif not cut.endswith(marks) or cut.endswith("..."):
            what = "no_terminal"
        elif len(row.split()) < least_words:
            what = "few_words"
        elif "lorem ipsum" in low:
            what = "lorem_ipsum"
        elif "javascript" in low:
            what = "javascript"
        elif "{" in row:
            what = "curly_bracket"
        elif any(policy in low for policy in POLICIES):
            what = "policy"
        else:
            what = "kept"
            sentences += 1 + len(re.findall(r"[.!?][^A-Za-z0-9]*(?=[A-Za-z0-9])", re.sub(r"\.\.+", "", row)))
        counts[what] += 1
    return {f"{name}_lines_v1": n for name, n in counts.items()} | {"sentences_v1": sentences}


def fineweb(text):
    rows, size = lines(text), len(text.replace("\n", ""))
    return {
        "fineweb_line_punct_ratio_v1": share(sum(row[-1] in TERMINALS for row in rows), len(rows)),
        "fineweb_short_line_ratio_v1": share(sum(len(row) <= 30 for row in rows), len(rows)),
        "fineweb_char_dup_ratio_v1": share(later_occurrences(rows)[1], size),
        "fineweb_list_ratio_v1": share(text.count("\n"), len(simple_tokens(text))),
    }


def ends_with_terminal(row):
    """A Chinese or Japanese line's end: closing quotes and brackets may follow the mark."""
    row = row.rstrip(CLOSERS)
    return bool(row) and (row[-1] in TERMINALS or row[-1] == "…")
