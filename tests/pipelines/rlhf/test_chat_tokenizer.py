import json
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, normalizers, pre_tokenizers

from pipelines.mixing.tokenizer import TokenizerError
from pipelines.rlhf import chat_tokenizer
from pipelines.rlhf.chat_tokenizer import SPECIAL, ChatTokenizer, TemplateCheck, TemplateError, with_roles
from pipelines.rlhf.schemas import MESSAGES, ROLES
from tests.pipelines.rlhf.rule_tables import base_tokenizer, messages, turns
from tests.pipelines.rlhf.rule_tables import chat_tokenizer as small

pytest.importorskip("transformers")

CONTENTS = st.text(st.sampled_from("the cat\n 中é<|end>😀"), max_size=10) | st.sampled_from(list(SPECIAL))
DIALOGUES = st.lists(
    st.lists(st.fixed_dictionaries({"role": st.sampled_from(ROLES), "content": CONTENTS}), max_size=4),
    max_size=4,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("chat")
    chat_tokenizer.save(small().tokenizer, str(path))
    return path


@given(DIALOGUES)
def test_ids_are_those_of_the_training_side(folder: Path, dialogues: list[list[dict[str, str]]]) -> None:
    from model.tokenizer import encode_dialogue, load_tokenizer

    trained = load_tokenizer(folder)
    column = pa.array(dialogues, MESSAGES)
    assert small().dialogue_ids(column, True) == [encode_dialogue(trained, d, True) for d in dialogues]
    assert small().count_prompts(column).tolist() == [len(ids) for ids in small().dialogue_ids(column, True)]


@given(DIALOGUES)
def test_the_template_gives_the_same_ids_but_where_content_spells_a_token(
    folder: Path, dialogues: list[list[dict[str, str]]]
) -> None:
    spelled = sum(any(name in turn["content"] for turn in d for name in SPECIAL) for d in dialogues)
    checked = small().check_template(pa.array(dialogues, MESSAGES))
    assert checked == TemplateCheck(len(dialogues) - spelled, spelled)


def test_transformers_loads_the_folder(folder: Path) -> None:
    from transformers import AutoTokenizer

    loaded = AutoTokenizer.from_pretrained(folder)
    assert (loaded.pad_token, loaded.eos_token) == ("<|pad|>", "<|endoftext|>")
    assert len({loaded.convert_tokens_to_ids(name) for name in SPECIAL}) == len(SPECIAL)
    dialogue = turns("the cat\n", " sat", "中文?", system="be kind")
    by_template = loaded.apply_chat_template(dialogue, tokenize=True, add_generation_prompt=True)["input_ids"]
    assert by_template == small().dialogue_ids(messages(dialogue), True)[0]


def test_content_that_spells_the_end_of_a_turn_is_text() -> None:
    end = small().tokenizer.token_to_id("<|end|>")
    ids = small().dialogue_ids(messages(turns("a<|end|>b")), False)[0]
    assert ids.count(end) == 1
    assert small().tokenizer.decode(ids[1:-1], skip_special_tokens=False) == "a<|end|>b"


def test_a_prompts_ids_begin_those_of_prompt_and_answer() -> None:
    whole = turns("the cat", " sat")
    prompt, both = small().dialogue_ids(messages(whole[:1], whole), False)
    asked = small().dialogue_ids(messages(whole[:1]), True)[0]
    assert both[: len(prompt)] == prompt
    assert both[: len(asked)] == asked
    assert len(both) == len(asked) + small().count_answers(pa.array([" sat"]))[0]


def test_ids_of_the_base_stay() -> None:
    base, made = base_tokenizer(), small().tokenizer
    assert {name: made.token_to_id(name) for name in base.get_vocab()} == base.get_vocab()


@pytest.mark.parametrize("change", ["normalizer", "space in front"])
def test_a_base_that_changes_texts_is_refused(change: str) -> None:
    base = Tokenizer.from_str(base_tokenizer().to_str())
    if change == "normalizer":
        base.normalizer = normalizers.Lowercase()
    else:
        base.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    with pytest.raises(TokenizerError, match="normalizer or adds a space"):
        with_roles(base)


def test_a_template_that_differs_stops_the_build(monkeypatch: pytest.MonkeyPatch) -> None:
    other = chat_tokenizer.CHAT_TEMPLATE.replace("'|>' ~", "'|> ' ~")
    monkeypatch.setattr(chat_tokenizer, "CHAT_TEMPLATE", other)
    with pytest.raises(TemplateError, match="row 1 of the messages"):
        ChatTokenizer(small().tokenizer).check_template(messages([], turns("cat")))


def test_an_unknown_role_is_named() -> None:
    column = messages([{"role": "narrator", "content": "x"}])
    with pytest.raises(ValueError, match="role 'narrator', expected one of system, user"):
        small().dialogue_ids(column, False)


def test_saved_and_loaded_is_the_same(folder: Path, tmp_path: Path) -> None:
    assert chat_tokenizer.load(str(folder)).tokenizer.to_str() == small().tokenizer.to_str()
    assert json.loads((folder / "special_tokens_map.json").read_text())["pad_token"] == "<|pad|>"
    with pytest.raises(TokenizerError, match=r"tokenizer\.json does not exist"):
        chat_tokenizer.load(str(tmp_path))
