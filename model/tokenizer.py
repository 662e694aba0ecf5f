"""The tokenizer of a checkpoint and the form of a dialogue.

A dialogue is, for every turn, the role's token, the content's tokens, `<|end|>`; the prompt of an answer ends in
`<|assistant|>`. Ids are concatenated and never made from joined text: "prompt" and "prompt + answer" would otherwise
differ where a merge spans both. Content is data: "<|end|>" typed by a user becomes plain tokens and ends no turn.
(The chat template, which goes by text, cannot tell: keep it for text that you trust.)
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from transformers import PreTrainedTokenizerFast

END_OF_TEXT = "<|endoftext|>"
PAD = "<|pad|>"
ROLES = ("<|system|>", "<|user|>", "<|assistant|>")
END_OF_TURN = "<|end|>"
_NO_ROLES = (END_OF_TEXT, PAD, END_OF_TURN)


def load_tokenizer(
    folder: str | Path, padding_side: Literal["left", "right"] = "left"
) -> PreTrainedTokenizerFast:
    """The tokenizer of a folder with `tokenizer.json`: a corpus tokenizer's, a chat tokenizer's or a checkpoint's.

    Rows to be continued are padded on the left, rows to be scored on the right.

    A ValueError where the file is missing, where it has no `<|endoftext|>`, or where padding is the end of text: a
    loss that masks padding would mask the end as well, and the model would never learn to stop.
    """
    path = Path(folder)
    if not (path / "tokenizer.json").is_file():
        raise ValueError(f"{path}: no tokenizer.json; give the folder of a tokenizer or of a checkpoint")
    if (path / "tokenizer_config.json").is_file():
        tokenizer: Any = PreTrainedTokenizerFast.from_pretrained(
            path, local_files_only=True, padding_side=padding_side
        )
    else:
        file = str(path / "tokenizer.json")
        tokenizer = PreTrainedTokenizerFast(tokenizer_file=file, padding_side=padding_side)  # type: ignore[no-untyped-call]
    vocabulary = tokenizer.get_vocab()
    if END_OF_TEXT not in vocabulary:
        raise ValueError(f"{path}: the vocabulary has no {END_OF_TEXT}, which ends a document")
    tokenizer.bos_token = tokenizer.eos_token = END_OF_TEXT
    if PAD in vocabulary:
        tokenizer.pad_token = PAD
    if tokenizer.pad_token_id == tokenizer.eos_token_id:
        raise ValueError(f"{path}: the pad token is the end of text; add a token {PAD} of its own")
    return tokenizer


def end_ids(tokenizer: PreTrainedTokenizerFast) -> list[int]:
    """Ids that end an answer: the end of text and, for a chat tokenizer, the end of a turn."""
    vocabulary = tokenizer.get_vocab()
    return [vocabulary[token] for token in (END_OF_TEXT, END_OF_TURN) if token in vocabulary]


def encode_dialogue(
    tokenizer: PreTrainedTokenizerFast, messages: Sequence[Mapping[str, str]], add_assistant: bool = False
) -> list[int]:
    """Ids of a dialogue of turns with `role` and `content`; `add_assistant` opens the answer.

    A ValueError where the tokenizer has no token for a role, or no `<|end|>`.
    """
    # Not get_vocab(), which lists the whole vocabulary anew in every call.
    vocabulary = tokenizer.get_added_vocab()
    if END_OF_TURN not in vocabulary:
        raise ValueError(f"the tokenizer has no {END_OF_TURN}: dialogues need a chat tokenizer")
    ids: list[int] = []
    for message in messages:
        ids.append(_role_id(vocabulary, message["role"]))
        ids += tokenizer.encode(message["content"], add_special_tokens=False, split_special_tokens=True)
        ids.append(vocabulary[END_OF_TURN])
    if add_assistant:
        ids.append(_role_id(vocabulary, "assistant"))
    return ids


def _role_id(vocabulary: Mapping[str, int], role: str) -> int:
    token = f"<|{role}|>"
    if token not in vocabulary or token in _NO_ROLES:
        known = ", ".join(name.strip("<|>") for name in ROLES if name in vocabulary)
        raise ValueError(
            f"the tokenizer has no token {token} for the role {role!r}; it has: {known or 'none'}"
        )
    return vocabulary[token]
