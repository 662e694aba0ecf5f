"""What each signal is: name, unit, formula and source, in the order of the columns of `quality.signals`."""

from typing import NamedTuple

from quality.measures.repetition import REPEATED_LENGTHS, TOP_LENGTHS

GOPHER = "Rae et al. 2021 (Gopher), A.1.1"
DCLM = "Gopher, Table A1; read as DCLM does"
DATATROVE = "datatrove 0.10"
C4 = "Raffel et al. 2020 (C4), 2.2; clean_page of TensorFlow Datasets"
FINEWEB = "Penedo et al. 2024 (FineWeb), 3.6; datatrove"
_LENGTH = "code points"


class Signal(NamedTuple):
    """One column: what it counts, in which unit, and whose it is."""

    name: str
    unit: str
    formula: str
    source: str


def _gopher() -> list[Signal]:
    rows = [
        ("word_count", "words", "words (white space to white space) with a letter, mark or number"),
        ("mean_word_length", _LENGTH, "characters that are not white space / words"),
        ("hash_to_word_ratio", "ratio", '"#" / words'),
        ("ellipsis_to_word_ratio", "ratio", '("..." + "…") / words'),
        ("bullet_line_fraction", "fraction", "lines that begin with a bullet / lines"),
        ("ellipsis_line_fraction", "fraction", 'lines that end in "..." or "…" / lines'),
        ("alphabetic_word_fraction", "fraction", "words with a letter / words"),
        ("stop_words", "words", "different stop words of the language, in any case"),
    ]
    quality = [Signal(f"gopher_{name}_v1", unit, formula, GOPHER) for name, unit, formula in rows]
    repeats = []
    for item in ("line", "paragraph"):
        share = f"{item}s that occur more than once, every occurrence"
        repeats.append(Signal(f"gopher_dup_{item}_fraction_v1", "fraction", f"{share} / {item}s", DCLM))
        repeats.append(
            Signal(
                f"gopher_dup_{item}_char_fraction_v1",
                "fraction",
                f"characters of {share} / of all {item}s",
                DCLM,
            )
        )
    grams = [
        Signal(
            f"gopher_top_{n}gram_char_fraction_v1",
            "fraction",
            f"word characters of the most frequent {n}-gram, all occurrences / word characters; 0 where none repeats",
            DCLM,
        )
        for n in TOP_LENGTHS
    ] + [
        Signal(
            f"gopher_dup_{n}gram_char_fraction_v1",
            "fraction",
            f"characters of words inside of a repeated {n}-gram, each once / word characters",
            DCLM,
        )
        for n in REPEATED_LENGTHS
    ]
    return quality + repeats + grams


def _gopher_datatrove() -> list[Signal]:
    rows = [
        ("word_count", "tokens", "tokens that are not punctuation alone"),
        ("mean_word_length", _LENGTH, "their characters / their number"),
        ("hash_to_word_ratio", "ratio", '"#" / tokens'),
        ("ellipsis_to_word_ratio", "ratio", '("..." + "…") / tokens'),
        ("bullet_line_fraction", "fraction", "lines that begin with a bullet / lines, blank ones too"),
        ("ellipsis_line_fraction", "fraction", 'lines that end in "..." or "…" / lines, blank ones too'),
        ("alphabetic_word_fraction", "fraction", "tokens with a letter / tokens"),
        ("stop_words", "words", "different stop words of the language, in lower case only"),
    ]
    for item in ("line", "paragraph"):
        rows.append((f"dup_{item}_fraction", "fraction", f"{item}s that occurred before / {item}s"))
        rows.append((f"dup_{item}_char_fraction", "fraction", "their characters / characters of the text"))
    for n in TOP_LENGTHS:
        formula = f"characters of the top {n}-gram of tokens, joined by spaces, times its count / of the text"
        rows.append((f"top_{n}gram_char_fraction", "fraction", formula))
    for n in REPEATED_LENGTHS:
        formula = f"characters of {n}-grams of tokens met before, going on behind each / of the text"
        rows.append((f"dup_{n}gram_char_fraction", "fraction", formula))
    return [Signal(f"gopher_datatrove_{name}_v1", unit, formula, DATATROVE) for name, unit, formula in rows]


def _c4() -> list[Signal]:
    rows = [
        ("long_word_lines", "lines", "lines with a word of more than 1,000 characters"),
        ("no_terminal_lines", "lines", 'other lines that do not end in . ? ! or ", or do in "..."'),
        ("few_words_lines", "lines", "other lines of fewer than 5 words"),
        ("lorem_ipsum_lines", "lines", "other lines that say lorem ipsum: the page goes"),
        ("javascript_lines", "lines", "other lines that say javascript"),
        ("curly_bracket_lines", "lines", 'other lines with "{": the page goes'),
        ("policy_lines", "lines", "other lines on cookies, privacy or terms of use"),
        ("kept_lines", "lines", "lines that no rule takes"),
        ("sentences", "sentences", "sentences in kept lines"),
    ]
    signals = [Signal("text_lines_v1", "lines", "lines that are not blank", "-")]
    signals += [Signal(f"c4_{name}_v1", unit, formula, C4) for name, unit, formula in rows]
    for name, unit, formula in rows:
        other = formula.replace("fewer than 5", "fewer than 3").replace('! or ",', "! \" or ',")
        signals.append(Signal(f"c4_datatrove_{name}_v1", unit, other, DATATROVE))
    return [
        *signals,
        Signal("c4_page_lorem_ipsum_v1", "times", "lorem ipsum anywhere on the page", "C4, 2.2"),
        Signal("c4_page_curly_brackets_v1", "times", '"{" anywhere on the page', "C4, 2.2"),
    ]


def _fineweb() -> list[Signal]:
    return [
        Signal(
            "fineweb_line_punct_ratio_v1", "ratio", "lines that end in a sentence terminal / lines", FINEWEB
        ),
        Signal("fineweb_short_line_ratio_v1", "ratio", "lines of at most 30 characters / lines", FINEWEB),
        Signal(
            "fineweb_char_dup_ratio_v1",
            "ratio",
            "characters of lines that occurred before / characters but line feeds",
            FINEWEB,
        ),
        Signal("fineweb_list_ratio_v1", "ratio", "line feeds / tokens", FINEWEB),
    ]


SIGNALS: tuple[Signal, ...] = (*_gopher(), *_gopher_datatrove(), *_c4(), *_fineweb())


def table() -> str:
    """All signals as a Markdown table."""
    rows = [f"| `{s.name}` | {s.unit} | {s.formula} | {s.source} |" for s in SIGNALS]
    return "\n".join(["| signal | unit | formula | source |", "|---|---|---|---|", *rows]) + "\n"
