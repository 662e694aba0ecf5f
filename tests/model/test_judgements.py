from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import PreTrainedTokenizerFast

from model.judgements import Judged, fold_of, read_judgements
from model.tokenizer import encode_dialogue, load_tokenizer
from tests.model.dialogues import comparison_table, judgement, turn
from tests.model.tokenizer_folders import chat_folder


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerFast:
    return load_tokenizer(chat_folder(tmp_path_factory.mktemp("chat") / "tokenizer"), "right")


def named_pairs(judged: Judged) -> list[tuple[str, str]]:
    return [
        (judged.answer_ids[better], judged.answer_ids[worse])
        for better, worse in zip(judged.better, judged.worse, strict=True)
    ]


CASES: dict[str, tuple[list[dict[str, Any]], list[tuple[str, str]]]] = {
    "a full ranking": (
        [judgement("q", {"a": 2, "b": 1, "c": 3})],
        [("q/a", "q/c"), ("q/b", "q/a"), ("q/b", "q/c")],
    ),
    "a star of pairs stays a star": (
        [judgement("q", {"a": 1, "b": 2}), judgement("q", {"a": 1, "c": 2})],
        [("q/a", "q/b"), ("q/a", "q/c")],
    ),
    "a chain is not closed": (
        [judgement("q", {"a": 1, "b": 2}), judgement("q", {"b": 1, "c": 2})],
        [("q/a", "q/b"), ("q/b", "q/c")],
    ),
    "ties and what was not judged": (
        [judgement("q", {"a": 1, "b": 1, "c": 2, "d": None})],
        [("q/a", "q/c"), ("q/b", "q/c")],
    ),
    "judges who differ": (
        [judgement("q", {"a": 1, "b": 2}), judgement("q", {"a": 2, "b": 1})],
        [("q/a", "q/b"), ("q/b", "q/a")],
    ),
    "a judgement without weight": (
        [judgement("q", {"a": 1, "b": 2}, weight=0.0), judgement("r", {"a": 1, "b": 2}, weight=None)],
        [("r/a", "r/b")],
    ),
    "an answer that stands there twice": (
        [judgement("q", {"a": 1, "b": 2, "c": 3}, completion_ids=["same", "x", "same"])],
        [("same", "x"), ("x", "same")],
    ),
    "prompts come together": (
        [
            judgement("q", {"a": 1, "b": 2}),
            judgement("r", {"a": 1, "b": 2}),
            judgement("q", {"c": 1, "b": 2}),
        ],
        [("q/a", "q/b"), ("q/c", "q/b"), ("r/a", "r/b")],
    ),
}


@pytest.mark.parametrize(("rows", "pairs"), CASES.values(), ids=CASES)
def test_pairs_are_those_that_were_judged(
    tokenizer: PreTrainedTokenizerFast, rows: list[dict[str, Any]], pairs: list[tuple[str, str]]
) -> None:
    judged = read_judgements(comparison_table(rows), tokenizer, 1000, "drop")
    assert named_pairs(judged) == pairs
    # Each answer stands there once, and only where it is in a pair.
    used = {answer for pair in pairs for answer in pair}
    assert sorted(judged.answer_ids) == sorted(used)
    assert (np.diff(judged.prompt_of) >= 0).all() and (np.diff(judged.prompt_of_pair) >= 0).all()
    assert judged.counts.pairs == len(pairs)


def test_rows_are_prompt_and_answer_up_to_the_end(tokenizer: PreTrainedTokenizerFast) -> None:
    answers: dict[str, int | None] = {"flour": 2, "<|end|> grain": 1, "": 3}
    judged = read_judgements(comparison_table([judgement("mill?", answers)]), tokenizer, 1000, "drop")
    for number, answer in enumerate(answers):
        expected = encode_dialogue(tokenizer, [turn("user", "mill?"), turn("assistant", answer)])
        assert judged.rows.row(number).tolist() == expected
        assert judged.rows.row(number)[-1] == tokenizer.convert_tokens_to_ids("<|end|>")
        answer_only = judged.answer_tokens[number]
        assert tokenizer.decode(judged.rows.row(number)[-answer_only:]) == f"{answer}<|end|>"


def test_what_a_pair_and_a_prompt_know(tokenizer: PreTrainedTokenizerFast) -> None:
    rows = [
        judgement("q", {"a": 1, "b": 1}),
        judgement("r", {"a": 1, "b": 2, "c": None}, weight=0.25, use_case="chat", judge_kind="model"),
        judgement("r", {"a": 1, "b": 2}, language=None),
    ]
    judged = read_judgements(comparison_table(rows), tokenizer, 1000, "drop")
    assert (judged.k.tolist(), judged.weight.tolist()) == ([3, 2], [0.25, 1.0])
    assert judged.judge_kind == ["model", "human"]
    (prompt,) = judged.prompts
    assert prompt == ("p-r", "chat", "en", "g-r")
    assert judged.counts == (3, 1, 2, 2, 1, 0, 0)


def test_columns_that_are_not_there(tokenizer: PreTrainedTokenizerFast) -> None:
    table = comparison_table([judgement("q", {"a": 1, "b": 2})])
    judged = read_judgements(table.select(["prompt_id", "prompt", "completions", "completion_ids", "ranks"]),
                             tokenizer, 1000, "drop")  # fmt: skip
    assert judged.weight.tolist() == [1.0]
    assert judged.judge_kind == ["unknown"]
    assert judged.prompts[0] == ("p-q", "unknown", "unknown", "p-q")


def test_an_answer_beyond_the_context_takes_its_pairs_along(tokenizer: PreTrainedTokenizerFast) -> None:
    rows = [judgement("q", {"a": 1, "b": 2, "z" * 50: 3}), judgement("r", {"y" * 50: 1, "b": 2})]
    judged = read_judgements(comparison_table(rows), tokenizer, 20, "drop")
    assert named_pairs(judged) == [("q/a", "q/b")]
    assert judged.counts._asdict() == {
        "judgements": 2, "prompts": 1, "answers": 2, "pairs": 1,
        "prompts_without_pairs": 1, "answers_trimmed": 0, "answers_dropped": 2,
    }  # fmt: skip


def test_a_prompt_beyond_the_context_may_be_trimmed(tokenizer: PreTrainedTokenizerFast) -> None:
    table = comparison_table([judgement("q" * 50, {"a": 1, "b": 2})])
    judged = read_judgements(table, tokenizer, 20, "trim")
    assert judged.rows.lengths.tolist() == [20, 20]
    assert judged.counts.answers_trimmed == 2
    assert read_judgements(table, tokenizer, 20, "drop").counts.pairs == 0


def test_lists_of_different_length_are_refused(tokenizer: PreTrainedTokenizerFast) -> None:
    rows = [judgement("q", {"a": 1, "b": 2}), judgement("q", {"a": 1, "b": 2}) | {"ranks": [1]}]
    with pytest.raises(ValueError, match=r"row 1: lists of one judgement must be equally long.*'ranks': 1"):
        read_judgements(comparison_table(rows), tokenizer, 100, "drop")


def test_some_of_the_prompts(tokenizer: PreTrainedTokenizerFast) -> None:
    rows = [judgement(q, {"a": 2, "b": 1, "c": 3}) for q in "qrst"]
    whole = read_judgements(comparison_table(rows), tokenizer, 100, "drop")
    part = whole.of_prompts(np.array([False, True, False, True]))
    assert named_pairs(part) == [pair for pair in named_pairs(whole) if pair[0][0] in "rt"]
    assert [prompt.id for prompt in part.prompts] == ["p-r", "p-t"]
    assert part.prompt_of.tolist() == [0, 0, 0, 1, 1, 1]
    assert part.rows.row(3).tolist() == whole.rows.row(9).tolist()


def test_folds_keep_groups_together_and_depend_on_the_seed(tmp_path: Path) -> None:
    groups = [f"g{i // 3}" for i in range(600)]
    folds = fold_of(groups, 5, seed=0)
    assert (folds.reshape(-1, 3) == folds.reshape(-1, 3)[:, :1]).all()
    assert np.bincount(folds, minlength=5).min() > 60
    assert not (folds == fold_of(groups, 5, seed=1)).all()
