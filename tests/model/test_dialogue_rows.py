import numpy as np
import pytest
from transformers import PreTrainedTokenizerFast, tokenization_utils_base

from model.dialogue_rows import (
    ANSWER,
    DialogueEncoder,
    demonstration_rows,
    fit,
    last_answer_lengths,
    padded,
    token_rows,
)
from model.fine_tune_config import LossOn, OnLong
from model.tokenizer import encode_dialogue, load_tokenizer
from pipelines.rlhf.schemas import MESSAGES
from tests.model.dialogues import demonstration_table, turn
from tests.model.tokenizer_folders import chat_folder

import pyarrow as pa  # isort: skip

DIALOGUES = [
    [turn("user", "What is a mill?"), turn("assistant", "A mill grinds."), turn("user", "Grain?")],
    [turn("system", ""), turn("user", "Say <|end|> and <|endoftext|>.")],
    [turn("user", " 面 \n flour"), turn("tool", "{}")],
]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerFast:
    return load_tokenizer(chat_folder(tmp_path_factory.mktemp("chat") / "tokenizer"), "right")


def test_long_texts_raise_no_alarm(
    tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their length is looked at when rows are fitted to the context."""
    warned: list[str] = []
    monkeypatch.setattr(tokenization_utils_base.logger, "warning", warned.append)
    monkeypatch.setattr(tokenizer, "model_max_length", 4)
    assert len(DialogueEncoder(tokenizer).texts(["a long text"])[0]) > 4
    assert warned == []


def test_turns_are_those_of_the_dialogue(tokenizer: PreTrainedTokenizerFast) -> None:
    encoder = DialogueEncoder(tokenizer)
    for found, dialogue in zip(encoder.turns(DIALOGUES), DIALOGUES, strict=True):
        assert [token for ids in found for token in ids] == encode_dialogue(tokenizer, dialogue)
    for found, dialogue in zip(encoder.prompts(DIALOGUES), DIALOGUES, strict=True):
        assert found == encode_dialogue(tokenizer, dialogue, add_assistant=True)


def test_an_unknown_role_is_named(tokenizer: PreTrainedTokenizerFast) -> None:
    with pytest.raises(ValueError, match=r"no token <\|narrator\|> for the role .narrator."):
        DialogueEncoder(tokenizer).turns([[turn("narrator", "x")]])


@pytest.mark.parametrize(
    ("loss_on", "answers"),
    [("completion", "To bake.<|end|>"), ("assistant", "A mill grinds.<|end|>To bake.<|end|>")],
)
def test_the_loss_is_on_content_and_end_of_answers(
    tokenizer: PreTrainedTokenizerFast, loss_on: LossOn, answers: str
) -> None:
    table = pa.table(
        {
            "prompt": pa.array([DIALOGUES[0]], MESSAGES),
            "completion": pa.array([[turn("assistant", "To bake.")]], MESSAGES),
        }
    )
    rows = demonstration_rows(table, tokenizer, loss_on)
    assert rows.ids.tolist() == encode_dialogue(tokenizer, [*DIALOGUES[0], turn("assistant", "To bake.")])
    assert tokenizer.decode(rows.ids[rows.kinds == ANSWER].tolist()) == answers
    assert tokenizer.decode(rows.ids[-int(last_answer_lengths(rows)[0]) :].tolist()) == "To bake.<|end|>"


@pytest.mark.parametrize(
    "completion", [[], [turn("user", "x")], [turn("assistant", "x"), turn("assistant", "y")]],
    ids=["none", "a user's", "two"],
)  # fmt: skip
def test_a_completion_is_one_turn_of_the_assistant(
    tokenizer: PreTrainedTokenizerFast, completion: list[dict[str, str]]
) -> None:
    table = demonstration_table([("q", "a"), ("q", "a")])
    table = table.set_column(1, "completion", pa.array([[turn("assistant", "a")], completion], MESSAGES))
    with pytest.raises(ValueError, match="row 1: 'completion' must be one turn of the assistant"):
        demonstration_rows(table, tokenizer)


@pytest.mark.parametrize(
    ("on_long", "kept", "ids", "trimmed", "dropped"),
    [
        ("drop", [0, 3], [1, 2, 3, 4, 9], 0, 2),
        ("trim", [0, 1, 3], [1, 2, 3, 4, 6, 7, 8, 9, 9], 1, 1),  # row 2 has no room before its answer of four
    ],
)
def test_rows_beyond_the_limit(
    on_long: OnLong, kept: list[int], ids: list[int], trimmed: int, dropped: int
) -> None:
    given = [[1, 2, 3, 4], [5, 6, 7, 8, 9], [5, 6, 7, 8, 9], [9]]
    rows = token_rows(given, [[0] * len(row) for row in given])
    found = fit(rows, 4, on_long, np.array([1, 3, 4, 1]))
    assert (found.kept.tolist(), found.rows.ids.tolist()) == (kept, ids)
    assert (found.trimmed, found.dropped) == (trimmed, dropped)
    assert found.rows.lengths.tolist() == [min(len(given[i]), 4) for i in kept]


def test_no_rows_at_all() -> None:
    rows = token_rows([], [])
    assert (rows.ids.dtype, rows.kinds.dtype, rows.offsets.tolist()) == (np.int32, np.uint8, [0])


def test_padding_stands_on_the_right() -> None:
    rows = [np.array(row, np.int32) for row in ([1, 2], [3])]
    assert padded(rows, 7).tolist() == [[1, 2], [3, 7]]
