"""Each layout: the row shows the file, the pairs show what is compared."""

import json
from pathlib import Path
from typing import Any

import pytest

from model.tasks import read_examples

WRAPPED = "Please choose the correct answer to the question: {}\n\n{}\n\nAnswer format: {}"


def read_one(tmp_path: Path, layout: str, row: dict[str, Any]) -> Any:
    (tmp_path / "task.jsonl").write_text(json.dumps(row, ensure_ascii=False) + "\n", encoding="utf-8")
    (example,) = read_examples(tmp_path / "task.jsonl", layout)
    return example


def wrapped(question: str, choices: str, form: str, answer: str) -> dict[str, str]:
    return {"instruction": WRAPPED.format(question, choices, form), "answer": answer}


ARC = wrapped(
    "Why: which?", "Answer1: the sun Answer2: a moon. Answer3: rain", "answer1/answer2/answer3", "answer3"
)
LISTED = "\nA. w\nB. x\nC. y\nD. z\n"


@pytest.mark.parametrize(
    ("layout", "row", "pairs", "gold"),
    [
        pytest.param("lambada", {"text": "He was, she said"}, [("He was, she", " said")], 0, id="lambada"),
        pytest.param(
            "lambada_cloze", {"text": "He was"}, [("He ____. →", " was")], 0, id="lambada_fill_in_the_blank"
        ),
        pytest.param(
            "arc",
            ARC,
            [("Question: Why: which?\nAnswer:", f" {answer}") for answer in ("the sun", "a moon.", "rain")],
            2,
            id="arc_takes_the_template_away",
        ),
        pytest.param(
            "openbookqa",
            wrapped("A plant", "Answer1: grows Answer2: walks", "answer1/answer2", "answer1"),
            [("A plant", " grows"), ("A plant", " walks")],
            0,
            id="openbookqa_ends_the_sentence",
        ),
        pytest.param(
            "piqa",
            {
                "instruction": "Please choose the correct solution to the question: dry it\n\nSolution1: sun \n\n"
                "Solution2: rain\n\nAnswer format: solution1/solution2",
                "answer": "solution2",
            },
            [("Question: dry it\nAnswer:", " sun"), ("Question: dry it\nAnswer:", " rain")],
            1,
            id="piqa",
        ),
        pytest.param(
            "winogrande",
            {
                "instruction": "Please choose the correct answer to fill in the blank to complete the given sentence"
                ": Ann thanked Bea because _ had helped.\n\nOption1: Ann Option2: Bea Answer format: option1/option2",
                "answer": "option2",
            },
            [
                ("Ann thanked Bea because Ann", " had helped."),
                ("Ann thanked Bea because Bea", " had helped."),
            ],
            1,
            id="winogrande_scores_what_follows_the_option",
        ),
        pytest.param(
            "hellaswag",
            {
                "question": "[header] Cook [title] Rice",
                "choices": {"A": "[step] Boil.", "B": "Eat."},
                "answer": "B",
            },
            [("Cook. Rice", " Boil."), ("Cook. Rice", " Eat.")],
            1,
            id="hellaswag_without_marks",
        ),
        pytest.param(
            "mmlu",
            {"subject": "law", "question": "Which?", "choices": ["w", "x", "y", "z"], "answer": "2"},
            [(f"Which?{LISTED}Answer:", f" {letter}") for letter in "ABCD"],
            2,
            id="mmlu_scores_letters",
        ),
        pytest.param(
            "cmmlu",
            {"Question": "哪个", "A": "w", "B": "x", "C": "y", "D": "z", "Answer": "B", "subject": "law"},
            [(f"哪个{LISTED}答案：", letter) for letter in "ABCD"],
            1,
            id="cmmlu",
        ),
        pytest.param(
            "choices",
            {"context": "2 + 2 =", "choices": [" 3", " 4"], "answer": 1},
            [("2 + 2 =", " 3"), ("2 + 2 =", " 4")],
            1,
            id="ones_own",
        ),
        pytest.param(
            "question_answer",
            {"question": "Who? ", "answer": "me"},
            [("Question: Who?\nAnswer:", " me")],
            0,
            id="one_right_answer",
        ),
    ],
)
def test_layout(
    layout: str, row: dict[str, Any], pairs: list[tuple[str, str]], gold: int, tmp_path: Path
) -> None:
    example = read_one(tmp_path, layout, row)
    assert [tuple(pair) for pair in example.pairs] == pairs
    assert example.gold == gold
    assert example.demonstration == "".join(pairs[gold])
    assert example.group == row.get("subject", "")


@pytest.mark.parametrize(
    ("layout", "row", "message"),
    [
        pytest.param(
            "arc", {"question": "x"}, "no field 'instruction'; the row has question", id="other_file"
        ),
        pytest.param(
            "arc", {**ARC, "answer": "answer4"}, "expected one of answer1, answer2, answer3", id="gold"
        ),
        pytest.param("arc", {**ARC, "instruction": "Which?"}, "expected 'Please choose", id="no_template"),
        pytest.param("lambada", {"text": "word"}, "expected two words or more", id="one_word"),
        pytest.param("lambada", {"text": 5}, "field 'text': expected str, found int", id="wrong_type"),
        pytest.param(
            "mmlu",
            {"subject": "law", "question": "Which?", "choices": ["w"], "answer": "0"},
            "field 'choices': expected 4, found 1",
            id="few_choices",
        ),
        pytest.param(
            "choices",
            {"context": "a", "choices": [" b"], "answer": 1},
            "the answer is choice 1 of 1, counted from 0",
            id="gold_beyond_the_choices",
        ),
        pytest.param("choices", {"context": "", "choices": [" b"], "answer": 0}, "is empty", id="no_context"),
    ],
)
def test_a_faulty_row_is_named(layout: str, row: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"task\.jsonl: row 0: .*{message}"):
        read_one(tmp_path, layout, row)


def test_an_unknown_layout_names_those_known(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown 'boolq', expected one of lambada, "):
        read_examples(tmp_path / "none.jsonl", "boolq")


@pytest.mark.parametrize(
    ("file", "layout", "count", "gold"),
    [
        pytest.param("lambada_test", "lambada", 5153, " signs", id="lambada"),
        pytest.param(
            "ARC-Easy_test",
            "arc",
            2376,
            " Sunlight is the source of energy for nearly all ecosystems.",
            id="arc",
        ),
        pytest.param("openbookqa_test", "openbookqa", 500, " quit eating lunch out", id="openbookqa"),
        pytest.param("piqa_test", "piqa", 1838, None, id="piqa"),
        pytest.param("winogrande_test", "winogrande", 1267, " always got the easier cases.", id="winogrande"),
        pytest.param("hellaswag_sample", "hellaswag", 1221, None, id="hellaswag"),
        pytest.param("mmlu_test", "mmlu", 7230, " B", id="mmlu"),
        pytest.param("cmmlu_test", "cmmlu", 6197, "A", id="cmmlu"),
        pytest.param("gsm8k_test", "question_answer", 1319, None, id="gsm8k"),
    ],
)
def test_every_row_of_the_real_files_is_read(
    file: str, layout: str, count: int, gold: str | None, real_data: Path
) -> None:
    examples = read_examples(real_data / f"eval/benchmarks/{file}.jsonl.gz", layout)
    assert len(examples) == count
    first = examples[0].pairs[examples[0].gold].continuation
    assert gold in (None, first)
    for example in examples:
        for pair in example.pairs:
            assert not any(mark in pair.context + pair.continuation for mark in ("Answer format", "Answer2:"))
