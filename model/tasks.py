"""Benchmark files as examples: each one or more (context, continuation) pairs whose likelihoods are compared.

The wording is GPT-3's (section 2.4, appendix G) in the form that lm-eval gives it, so that scores can be held against
published ones. A layout says what a row of a file looks like; `LAYOUTS` names them all.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from model.row_files import field_of, read_rows

Normalisation = Literal["sum", "per_token", "per_byte", "unconditional"]
LETTERS = "ABCD"


class Pair(NamedTuple):
    """A text and what may follow it; the boundary lies before a space or at the end of a sentence."""

    context: str
    continuation: str


@dataclass(frozen=True)
class Example:
    """One question. `id` is its row in the file, from 0; `group` the subject whose examples may stand before it."""

    id: str
    pairs: tuple[Pair, ...]
    gold: int
    group: str = ""

    @property
    def demonstration(self) -> str:
        """The example with its right answer, as it stands before another one."""
        return "".join(self.pairs[self.gold])


class Asked(NamedTuple):
    """What a layout finds in a row."""

    pairs: tuple[Pair, ...]
    gold: int
    group: str = ""


@dataclass(frozen=True)
class Layout:
    """How a benchmark's rows are read and scored.

    `answer_context` is the context of the unconditional likelihood; `normalisation` the one that decides (the paper's
    choice: per token, but unconditional for ARC and OpenBookQA); `header` stands before demonstrations, once.
    """

    parse: Callable[[Mapping[str, Any], str], Asked]
    normalisation: Normalisation = "per_token"
    answer_context: str = "Answer:"
    delimiter: str = "\n\n"
    header: str = ""


def read_examples(path: str | Path, layout: str) -> list[Example]:
    """All examples of a benchmark file; a ValueError names the layout, or the file, row and field at fault."""
    if layout not in LAYOUTS:
        raise ValueError(f"layout: unknown '{layout}', expected one of {', '.join(LAYOUTS)}")
    parse = LAYOUTS[layout].parse
    examples = []
    for number, row in enumerate(read_rows(path)):
        where = f"{path}: row {number}"
        asked = parse(row, where)
        if not 0 <= asked.gold < len(asked.pairs):
            raise ValueError(
                f"{where}: the answer is choice {asked.gold} of {len(asked.pairs)}, counted from 0"
            )
        if not all(pair.context and pair.continuation for pair in asked.pairs):
            raise ValueError(f"{where}: a context or an answer is empty")
        examples.append(Example(str(number), *asked))
    if not examples:
        raise ValueError(f"{path}: holds no row")
    return examples


def _lambada(row: Mapping[str, Any], where: str) -> Asked:
    """The last word after the passage before it."""
    context, word = _last_word(row, where)
    return Asked((Pair(context, f" {word}"),), 0)


def _lambada_cloze(row: Mapping[str, Any], where: str) -> Asked:
    """The paper's fill-in-the-blank form, which tells a few-shot model that one word is wanted (section 3.1.2)."""
    context, word = _last_word(row, where)
    return Asked((Pair(f"{context} ____. →", f" {word}"),), 0)


def _last_word(row: Mapping[str, Any], where: str) -> tuple[str, str]:
    context, _, word = field_of(row, "text", str, where).strip().rpartition(" ")
    if not context.strip():
        raise ValueError(f"{where}: field 'text': expected two words or more")
    return context, word


def _arc(row: Mapping[str, Any], where: str) -> Asked:
    question, choices, gold = _wrapped(row, "Answer", where)
    return Asked(_after(f"Question: {question}\nAnswer:", choices), gold)


def _openbookqa(row: Mapping[str, Any], where: str) -> Asked:
    """The paper gives the choices as ends of the question itself."""
    question, choices, gold = _wrapped(row, "Answer", where)
    return Asked(_after(question, choices), gold)


def _piqa(row: Mapping[str, Any], where: str) -> Asked:
    goal, choices, gold = _wrapped(row, "Solution", where)
    return Asked(_after(f"Question: {goal}\nAnswer:", choices), gold)


def _winogrande(row: Mapping[str, Any], where: str) -> Asked:
    """Partial evaluation: the options stand in the context, and the end of the sentence is scored after each."""
    sentence, options, gold = _wrapped(row, "Option", where)
    before, blank, after = sentence.partition("_")
    if not blank or not after.strip():
        raise ValueError(f"{where}: field 'instruction': expected a blank '_' with words after it")
    return Asked(tuple(Pair(before + option, f" {after.strip()}") for option in options), gold)


def _hellaswag(row: Mapping[str, Any], where: str) -> Asked:
    choices = field_of(row, "choices", dict, where)
    letters = list(choices)
    context = _without_wikihow_marks(field_of(row, "question", str, where))
    endings = [_without_wikihow_marks(field_of(choices, letter, str, where)) for letter in letters]
    return Asked(_after(context, endings), _place(row, "answer", letters, where))


def _without_wikihow_marks(text: str) -> str:
    """Brackets are left from the web pages of the set's second source (lm-eval's rule)."""
    unmarked = re.sub(r"\[.*?\]", "", text.strip().replace(" [title]", ". "))
    return unmarked.replace("  ", " ").strip()


def _mmlu(row: Mapping[str, Any], where: str) -> Asked:
    choices = field_of(row, "choices", list, where)
    if len(choices) != len(LETTERS):
        raise ValueError(f"{where}: field 'choices': expected {len(LETTERS)}, found {len(choices)}")
    gold = _place(row, "answer", [str(number) for number in range(len(LETTERS))], where)
    question = field_of(row, "question", str, where).strip()
    listed = "".join(f"\n{letter}. {choice}" for letter, choice in zip(LETTERS, choices, strict=True))
    pairs = tuple(Pair(f"{question}{listed}\nAnswer:", f" {letter}") for letter in LETTERS)
    return Asked(pairs, gold, field_of(row, "subject", str, where))


def _cmmlu(row: Mapping[str, Any], where: str) -> Asked:
    question = field_of(row, "Question", str, where).strip()
    listed = "".join(f"\n{letter}. {field_of(row, letter, str, where)}" for letter in LETTERS)
    pairs = tuple(Pair(f"{question}{listed}\n答案：", letter) for letter in LETTERS)
    return Asked(pairs, _place(row, "Answer", list(LETTERS), where), field_of(row, "subject", str, where))


def _choices(row: Mapping[str, Any], where: str) -> Asked:
    """One's own task: {"context": …, "choices": [… each with its leading space …], "answer": number from 0}."""
    choices = field_of(row, "choices", list, where)
    context = field_of(row, "context", str, where)
    return Asked(tuple(Pair(context, choice) for choice in choices), field_of(row, "answer", int, where))


def _question_answer(row: Mapping[str, Any], where: str) -> Asked:
    """One right answer and none to compare it with: its perplexity, and whether the likeliest tokens are its own."""
    question = field_of(row, "question", str, where).strip()
    return Asked(_after(f"Question: {question}\nAnswer:", [field_of(row, "answer", str, where).strip()]), 0)


def _wrapped(row: Mapping[str, Any], label: str, where: str) -> tuple[str, list[str], int]:
    """(question, choices, gold) out of an instruction prompt of the LLM-Adapters set, whose template is taken away.

    "Please choose the correct …: QUESTION  Answer1: … Answer2: …  Answer format: answer1/answer2".
    """
    text = field_of(row, "instruction", str, where)
    head, _, rest = text.partition(": ")
    body, _, form = rest.rpartition("Answer format:")
    count = form.count(label.lower())
    marks = [f"{label}{number}:" for number in range(1, count + 1)]
    places = [body.find(marks[0])] if marks else [-1]
    for mark in marks[1:]:
        places.append(body.find(mark, max(places[-1], 0)))
    if not head.startswith("Please choose the correct") or count < 2 or min(places) < 0:
        raise ValueError(
            f"{where}: field 'instruction': expected 'Please choose the correct …: …', "
            f"choices '{label}1: … {label}2: …' and 'Answer format: …'"
        )
    ends = [*places[1:], len(body)]
    choices = [
        body[start + len(mark) : end].strip() for mark, start, end in zip(marks, places, ends, strict=True)
    ]
    answers = [mark[:-1].lower() for mark in marks]
    return body[: places[0]].strip(), choices, _place(row, "answer", answers, where)


def _after(context: str, choices: list[str]) -> tuple[Pair, ...]:
    return tuple(Pair(context, f" {choice}") for choice in choices)


def _place(row: Mapping[str, Any], name: str, names: list[str], where: str) -> int:
    """Which of the names the field holds, from 0."""
    answer = field_of(row, name, str, where)
    if answer not in names:
        raise ValueError(f"{where}: field '{name}': expected one of {', '.join(names)}, found '{answer}'")
    return names.index(answer)


LAYOUTS: dict[str, Layout] = {
    "lambada": Layout(_lambada),
    "lambada_cloze": Layout(_lambada_cloze),
    "arc": Layout(_arc, "unconditional"),
    "openbookqa": Layout(_openbookqa, "unconditional"),
    "piqa": Layout(_piqa),
    "winogrande": Layout(_winogrande, "sum"),
    "hellaswag": Layout(_hellaswag),
    "mmlu": Layout(_mmlu, "sum", header="The following are multiple choice questions (with answers).\n\n"),
    "cmmlu": Layout(_cmmlu, "sum", "答案：", header="以下是单项选择题，请直接给出正确答案的选项。\n\n"),
    "choices": Layout(_choices),
    "question_answer": Layout(_question_answer),
}
