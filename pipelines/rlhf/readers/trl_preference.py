"""TRL's preference columns: prompt, chosen, rejected as texts or messages; the prompt may stand in both answers."""

from collections.abc import Iterator
from typing import Any

from pipelines.rlhf.fields import Fields
from pipelines.rlhf.layout import Layout, has_texts, lacks
from pipelines.rlhf.readers.hh_rlhf import is_transcript
from pipelines.rlhf.readers.pairs import judged_pair
from pipelines.rlhf.records import Judgement, Output, Turn, canonical
from pipelines.rlhf.source_config import RlhfSourceConfig
from pipelines.rlhf.turns import is_messages, read_messages


def _fits(row: Any) -> bool:
    if not lacks(row, "instruction", "conversations") or is_transcript(row.get("chosen")):
        return False
    if has_texts(row, "chosen", "rejected"):
        return row.get("prompt") is None or isinstance(row["prompt"], str)
    return is_messages(row.get("chosen")) and is_messages(row.get("rejected"))


def _read(row: Fields, _: RlhfSourceConfig) -> Iterator[Output]:
    chosen, rejected = row.at("chosen"), row.at("rejected")
    if not isinstance(chosen.value, list):
        yield _texts(row)
        return
    prompt = _prompt(row.at("prompt")) if "prompt" in row else []
    yield judged_pair(_dialogue(prompt, chosen), _dialogue(prompt, rejected))


def _prompt(prompt: Fields) -> list[Turn]:
    return read_messages(prompt) if isinstance(prompt.value, list) else [Turn("user", prompt.text())]


def _dialogue(prompt: list[Turn], answer: Fields) -> list[Turn]:
    """The whole dialogue: some tables repeat the prompt in the answer, some do not."""
    turns = read_messages(answer)
    if not turns:
        raise answer.wrong("at least one message", "an empty list")
    return turns if turns[: len(prompt)] == prompt and len(turns) > len(prompt) else [*prompt, *turns]


def _texts(row: Fields) -> Judgement:
    chosen, rejected = row.at("chosen").raw(), row.at("rejected").raw()
    prompt = row.at("prompt").text() if "prompt" in row else ""
    if not prompt:
        shared = _shared_text(chosen, rejected)
        prompt, chosen, rejected = canonical(chosen[:shared]), chosen[shared:], rejected[shared:]
        if not prompt:
            raise row.at("chosen").wrong("a prompt in front of it that rejected begins with as well", "none")
    return Judgement([Turn("user", prompt)], [canonical(chosen), canonical(rejected)], [1, 2])


def _shared_text(one: str, other: str) -> int:
    """Length of the common start, up to its last space (as TRL's extract_prompt cuts it)."""
    most = min(len(one), len(other))
    shared = next((n for n in range(most) if one[n] != other[n]), most)
    return max(one.rfind(" ", 0, shared), one.rfind("\n", 0, shared), 0)


LAYOUT = Layout(
    "trl_preference", '{"chosen", "rejected"[, "prompt"]}, texts or lists of messages', _fits, _read
)
