"""A talk as a user has it: turns, forgetting, refusing."""

from dataclasses import replace
from pathlib import Path

import pytest

from model.chat import Conversation, talk
from model.inference import open_model
from model.sampling import SamplingConfig
from model.tokenizer import encode_dialogue
from tests.model.checkpoints import make_checkpoint

SAMPLING = SamplingConfig(max_new_tokens=10, seed=1)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("chat"))


def begun(checkpoint: Path, system: str = "", sampling: SamplingConfig = SAMPLING) -> Conversation:
    return Conversation(*open_model(checkpoint, "cpu", "float32"), sampling, system)


def test_each_answer_is_a_turn_and_read_again(checkpoint: Path) -> None:
    conversation = begun(checkpoint, "be brief")
    first, second = conversation.say("hello"), conversation.say("again")
    assert [turn["role"] for turn in conversation.messages] == [
        "system",
        "user",
        "assistant",
        "user",
        "assistant",
    ]
    assert [conversation.messages[2]["content"], conversation.messages[4]["content"]] == [first, second]
    alone = begun(checkpoint, "be brief")
    assert alone.say("again") != second


def test_the_oldest_turns_are_forgotten_and_the_system_stays(checkpoint: Path) -> None:
    conversation = begun(checkpoint, "be brief")
    for _ in range(5):
        conversation.say("tell me about it")
    read = conversation._read([*conversation.messages, {"role": "user", "content": "and then"}])
    messages = [*conversation.messages, {"role": "user", "content": "and then"}]
    shown = [messages[0], *messages[1 + conversation.forgotten :]]
    assert conversation.forgotten > 0
    assert conversation.forgotten % 2 == 0
    assert read == encode_dialogue(conversation.tokenizer, shown, add_assistant=True)
    assert len(read) <= 86
    more = [messages[0], *messages[conversation.forgotten - 1 :]]
    assert len(encode_dialogue(conversation.tokenizer, more, add_assistant=True)) > 86


def test_a_turn_too_long_keeps_its_end(checkpoint: Path) -> None:
    conversation = begun(checkpoint, "be brief")
    read = conversation._read([*conversation.messages, {"role": "user", "content": "x" * 200 + "y"}])
    assert len(read) == 86
    head = encode_dialogue(conversation.tokenizer, [{"role": "system", "content": "be brief"}])
    tail = encode_dialogue(conversation.tokenizer, [{"role": "user", "content": "y"}], add_assistant=True)
    assert read[: len(head) + 1] == [*head, tail[0]]
    assert read[-3:] == tail[1:]


def test_a_turn_too_long_can_be_refused_and_the_talk_goes_on(checkpoint: Path) -> None:
    conversation = begun(checkpoint, sampling=replace(SAMPLING, on_long_prompt="refuse"))
    conversation.say("hello")
    before = list(conversation.messages)
    with pytest.raises(ValueError, match="the turn makes a prompt of 203 tokens"):
        conversation.say("x" * 200)
    assert conversation.messages == before


@pytest.mark.parametrize(
    ("system", "message"),
    [
        pytest.param("s" * 90, "the system's turn alone needs", id="no_room_behind_the_system"),
    ],
)
def test_a_talk_that_cannot_begin(checkpoint: Path, system: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        begun(checkpoint, system)


def test_a_base_model_has_no_dialogues(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="dialogues need a chat tokenizer"):
        begun(make_checkpoint(tmp_path, chat=False))


def test_lines_are_answered_and_an_empty_one_begins_anew(
    checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    conversation = begun(checkpoint, sampling=replace(SAMPLING, on_long_prompt="refuse"))
    talk(conversation, ["hello\n", "x" * 200 + "\n", "\n", "hello\n"])
    shown = capsys.readouterr()
    first, _, second = shown.out.partition("(a new talk)\n")
    assert first == second != ""
    assert "not sent: the turn makes a prompt" in shown.err
    assert len(conversation.messages) == 2
