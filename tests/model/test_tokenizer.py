"""A dialogue's ids are those of its parts; a typed special token stays text; a bad tokenizer is refused."""

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from model.tokenizer import END_OF_TEXT, END_OF_TURN, PAD, ROLES, encode_dialogue, end_ids, load_tokenizer
from pipelines.rlhf import chat_tokenizer
from pipelines.rlhf.schemas import MESSAGES
from tests.model.tokenizer_folders import base_folder, chat_folder

TALK = [
    {"role": "system", "content": "You are a miller."},
    {"role": "user", "content": " What is a mill?\n"},
    {"role": "assistant", "content": " A mill grinds grain; café, 粉."},
    {"role": "user", "content": ""},
]


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return chat_folder(tmp_path_factory.mktemp("tokenizer") / "chat")


@pytest.fixture(scope="module")
def tokenizer(chat: Path) -> PreTrainedTokenizerFast:
    return load_tokenizer(chat)


@pytest.mark.parametrize("add_assistant", [False, True])
def test_template_and_both_sides_give_the_same_ids(
    chat: Path, tokenizer: PreTrainedTokenizerFast, add_assistant: bool
) -> None:
    ours = encode_dialogue(tokenizer, TALK, add_assistant)
    assert ours == tokenizer.apply_chat_template(TALK, add_generation_prompt=add_assistant)["input_ids"]
    messages = pa.array([TALK], MESSAGES)
    assert chat_tokenizer.load(str(chat)).dialogue_ids(messages, add_assistant) == [ours]


def test_a_turn_is_role_content_end(tokenizer: PreTrainedTokenizerFast) -> None:
    vocabulary = tokenizer.get_vocab()
    content = tokenizer.encode("grain", add_special_tokens=False)
    assert encode_dialogue(tokenizer, [{"role": "user", "content": "grain"}], add_assistant=True) == [
        vocabulary["<|user|>"],
        *content,
        vocabulary[END_OF_TURN],
        vocabulary["<|assistant|>"],
    ]


@pytest.mark.parametrize("typed", [END_OF_TURN, END_OF_TEXT, PAD, *ROLES])
def test_a_typed_special_token_stays_text(tokenizer: PreTrainedTokenizerFast, typed: str) -> None:
    _, *content, _ = encode_dialogue(tokenizer, [{"role": "user", "content": f"see {typed} here"}])
    assert not set(content) & set(tokenizer.all_special_ids)
    assert tokenizer.decode(content) == f"see {typed} here"


@given(contents=st.lists(st.text(max_size=20), min_size=1, max_size=4))
def test_a_dialogue_begins_with_the_ids_of_its_beginning(
    tokenizer: PreTrainedTokenizerFast, contents: list[str]
) -> None:
    talk = [{"role": "user", "content": content} for content in contents]
    whole = encode_dialogue(tokenizer, talk)
    assert whole[: len(encode_dialogue(tokenizer, talk[:-1]))] == encode_dialogue(tokenizer, talk[:-1])


@pytest.mark.parametrize(
    ("role", "message"),
    [
        ("bot", "no token <|bot|> for the role 'bot'; it has: system, user, assistant"),
        ("end", "no token <|end|> for the role 'end'"),
        ("endoftext", "no token <|endoftext|> for the role"),
        ("pad", "no token <|pad|> for the role"),
    ],
)
def test_an_unknown_role_is_named(tokenizer: PreTrainedTokenizerFast, role: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        encode_dialogue(tokenizer, [{"role": role, "content": "x"}])
    assert message in str(caught.value)


def test_a_corpus_tokenizer_loads_but_holds_no_dialogue(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(base_folder(tmp_path / "base"))
    assert (tokenizer.eos_token, tokenizer.pad_token) == (END_OF_TEXT, PAD)
    assert end_ids(tokenizer) == [0]
    with pytest.raises(ValueError, match=r"no <\|end\|>: dialogues need a chat tokenizer"):
        encode_dialogue(tokenizer, TALK)


def test_an_answer_ends_on_the_end_of_turn_too(tokenizer: PreTrainedTokenizerFast) -> None:
    assert tokenizer.convert_ids_to_tokens(end_ids(tokenizer)) == [END_OF_TEXT, END_OF_TURN]
    assert tokenizer.pad_token_id not in end_ids(tokenizer)


def test_a_folder_without_a_tokenizer(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no tokenizer\.json; give the folder"):
        load_tokenizer(tmp_path)


def test_a_vocabulary_without_an_end_of_text(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"has no <\|endoftext\|>, which ends a document"):
        load_tokenizer(base_folder(tmp_path / "base", (PAD,)))


def test_padding_by_the_end_of_text_is_refused(tmp_path: Path) -> None:
    folder = base_folder(tmp_path / "base", (END_OF_TEXT,))
    (folder / "tokenizer_config.json").write_text(
        '{"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "<|endoftext|>"}'
    )
    with pytest.raises(ValueError, match="the pad token is the end of text"):
        load_tokenizer(folder)
