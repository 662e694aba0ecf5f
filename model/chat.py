"""Talk with a checkpoint: `python -m model.chat FOLDER`; an empty line begins anew, end of input leaves.

The whole talk is read again for every answer. Where it outgrows the context its oldest turns are forgotten, two at a
time, so that it still begins with the user; the system's turn stays.
"""

import argparse
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from transformers import PreTrainedTokenizerFast

from model.config_files import load_config
from model.decoding import generate
from model.generate import answer_text
from model.gpt import GPT
from model.inference import decode_text, open_model
from model.sampling import SamplingConfig
from model.tokenizer import encode_dialogue, end_ids

Message = dict[str, str]
TALK = SamplingConfig(max_new_tokens=128)  # what a file of settings does not say


@dataclass
class Conversation:
    """A talk in progress. `messages` are all turns so far, `forgotten` those that the last answer did not see."""

    model: GPT
    tokenizer: PreTrainedTokenizerFast
    sampling: SamplingConfig
    system: str = ""
    messages: list[Message] = field(default_factory=list)
    forgotten: int = 0

    def __post_init__(self) -> None:
        """A ValueError where the tokenizer knows no dialogues or the settings leave no room for one."""
        self.restart()
        room = self.model.config.context - self.sampling.max_new_tokens
        needed = len(encode_dialogue(self.tokenizer, self.messages, add_assistant=True)) + 2
        if needed > room:
            raise ValueError(
                f"the context of {self.model.config.context} tokens holds max_new_tokens "
                f"{self.sampling.max_new_tokens} and {room} more; the system's turn alone needs {needed}"
            )

    def restart(self) -> None:
        """Forget all turns but the system's."""
        self.messages = [{"role": "system", "content": self.system}] if self.system else []

    def say(self, text: str) -> str:
        """Add the user's turn, and give the answer, which is the next turn.

        Where the turn alone is too long its first tokens are dropped, or it is refused with a ValueError that leaves
        the talk as it was (`on_long_prompt`).
        """
        messages = [*self.messages, {"role": "user", "content": text}]
        made = generate(
            self.model,
            [self._read(messages)],
            self.sampling,
            end_ids(self.tokenizer),
            decode=partial(decode_text, self.tokenizer),
        )
        answer = answer_text(made.ids[0].tolist(), self.tokenizer, self.sampling.stop)
        self.messages = [*messages, {"role": "assistant", "content": answer}]
        return answer

    def _read(self, messages: list[Message]) -> list[int]:
        """Ids of the system's turn and of the latest turns that leave room for an answer."""
        room = self.model.config.context - self.sampling.max_new_tokens
        kept = 1 if self.system else 0
        for first in range(kept, len(messages), 2):
            ids = encode_dialogue(self.tokenizer, [*messages[:kept], *messages[first:]], add_assistant=True)
            self.forgotten = first - kept
            if len(ids) <= room:
                return ids
        if self.sampling.on_long_prompt == "refuse":
            raise ValueError(
                f"the turn makes a prompt of {len(ids)} tokens; max_new_tokens {self.sampling.max_new_tokens} "
                f"leave {room} of the context: say it in fewer words"
            )
        # The system's turn and the openings of both turns stay; the user's words lose their beginning.
        head = encode_dialogue(self.tokenizer, messages[:kept])
        opening = encode_dialogue(self.tokenizer, messages[-1:], add_assistant=True)
        return [*head, opening[0], *opening[len(head) + 1 - room :]]


def talk(conversation: Conversation, lines: Iterable[str]) -> None:
    """Answer each line on standard output; an empty line begins a new talk."""
    for line in lines:
        text = line.strip()
        if not text:
            conversation.restart()
            print("(a new talk)")
            continue
        try:
            print(conversation.say(text), flush=True)
        except ValueError as error:
            print(f"not sent: {error}", file=sys.stderr)
            continue
        if conversation.forgotten:
            print(f"(the first {conversation.forgotten} turns no longer fit the context)", file=sys.stderr)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("model", type=Path, help="folder of a checkpoint with a chat tokenizer")
    parser.add_argument("--sampling", type=Path, help="JSON file of sampling settings")
    parser.add_argument("--system", default="", help="the system's turn, before all others")
    given = parser.parse_args()
    try:
        sampling = load_config(SamplingConfig, given.sampling or {}, TALK)
        model, tokenizer = open_model(given.model, "auto", "auto")
        conversation = Conversation(model, tokenizer, sampling, given.system)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    talk(conversation, sys.stdin)


if __name__ == "__main__":
    main()
