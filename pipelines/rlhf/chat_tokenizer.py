"""The tokenizer that SFT, reward model and PPO share: the corpus's own with roles, end of turn and a chat template.

A turn is its role's token, its content, and `<|end|>`; the assistant's turn is asked for by its role's token
alone. Ids of a dialogue are made by putting the ids of its parts together, never by encoding joined text: so the
ids of a prompt are always a prefix of those of prompt and answer, and a content that spells a special token's
name stays text. The saved template gives the same ids through `apply_chat_template` wherever no content does
spell one; `check_template` makes sure of it row by row.
"""

import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import jinja2
import jinja2.sandbox
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from tokenizers import AddedToken, Tokenizer

from pipelines.engine import storage
from pipelines.mixing.tokenize import Encoder, Oracle
from pipelines.mixing.tokenizer import END_OF_TEXT, PAD, TokenizerError
from pipelines.mixing.tokenizer import save as save_tokenizer
from pipelines.rlhf.normalise import Turns, turns
from pipelines.rlhf.schemas import ROLES

Ints = npt.NDArray[np.int64]

END_OF_TURN = "<|end|>"
ROLE_TOKENS = {role: f"<|{role}|>" for role in ROLES}
SPECIAL = (END_OF_TEXT, PAD, *ROLE_TOKENS.values(), END_OF_TURN)
TEMPLATE_FILE = "chat_template.jinja"
CHAT_TEMPLATE = (
    "{%- for message in messages -%}\n"
    "{%- if message['role'] not in [" + ", ".join(f"'{role}'" for role in ROLES) + "] -%}\n"
    "{{- raise_exception('unknown role ' ~ message['role'] ~ ', expected one of "
    + ", ".join(ROLES)
    + "') -}}\n"
    "{%- endif -%}\n"
    "{{- '<|' ~ message['role'] ~ '|>' ~ message['content'] ~ '" + END_OF_TURN + "' -}}\n"
    "{%- endfor -%}\n"
    "{%- if add_generation_prompt -%}\n"
    "{{- '" + ROLE_TOKENS["assistant"] + "' -}}\n"
    "{%- endif -%}\n"
)
_REBUILD_BYTES = 32_000_000
_EQUALITY_SAMPLE = 64
_CHECK_ROWS = 1024


class TemplateError(RuntimeError):
    """The chat template and the ids put together from their parts differ on a row."""


class TemplateCheck(NamedTuple):
    """Rows that the template gave the same ids for, and rows it cannot encode as text is meant."""

    equal: int
    spelled_special: int


def with_roles(base: Tokenizer) -> Tokenizer:
    """A copy of a tokenizer of `pipelines.mixing.tokenizer` that has the roles and the end of turn as well.

    New tokens get the next ids, so every id of the base keeps its meaning. TokenizerError where the base has no
    end of text, or changes a text before it encodes it (a normalizer, or a space put in front).
    """
    tokenizer = Tokenizer.from_str(base.to_str())
    if tokenizer.token_to_id(END_OF_TEXT) is None:
        raise TokenizerError(f"the tokenizer has no token {END_OF_TEXT}; train or load one that has")
    before = json.loads(base.to_str())["pre_tokenizer"]
    if tokenizer.normalizer is not None or '"add_prefix_space": true' in json.dumps(before):
        raise TokenizerError(
            "the tokenizer has a normalizer or adds a space in front of texts: the ids of a dialogue would not be "
            "those of its parts; take a byte-level one without either"
        )
    tokenizer.add_special_tokens([AddedToken(name, normalized=False, special=True) for name in SPECIAL])
    return tokenizer


def save(tokenizer: Tokenizer, folder: str) -> None:
    """Write what `AutoTokenizer.from_pretrained(folder)` reads, the chat template included.

    bos and eos are `<|endoftext|>` as for the corpus, pad is `<|pad|>`; an answer ends on `<|end|>`.
    """
    save_tokenizer(tokenizer, folder)
    special = {
        "bos_token": END_OF_TEXT,
        "eos_token": END_OF_TEXT,
        "pad_token": PAD,
        "additional_special_tokens": [*ROLE_TOKENS.values(), END_OF_TURN],
    }
    config = {
        **special,
        "tokenizer_class": "PreTrainedTokenizerFast",
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
    }
    for name, value in (("tokenizer_config.json", config), ("special_tokens_map.json", special)):
        storage.write_bytes(storage.join(folder, name), (json.dumps(value, indent=2) + "\n").encode())
    storage.write_bytes(storage.join(folder, TEMPLATE_FILE), CHAT_TEMPLATE.encode())


class ChatTokenizer:
    """Counts and ids of dialogues under a tokenizer that `with_roles` made."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        ids = {name: number for name in SPECIAL if (number := tokenizer.token_to_id(name)) is not None}
        missing = [name for name in SPECIAL if name not in ids]
        if missing:
            raise TokenizerError(f"the tokenizer lacks {missing}; make it with chat_tokenizer.with_roles")
        self.tokenizer = tokenizer
        self._json = tokenizer.to_str()
        self._role_ids = {role: ids[name] for role, name in ROLE_TOKENS.items()}
        self._end = ids[END_OF_TURN]
        self._template = _environment().from_string(CHAT_TEMPLATE)

    def encode(self, texts: pa.Array | pa.ChunkedArray) -> pa.ChunkedArray:
        """Ids of each text as list<int32>, no special token among them; a sample is checked by `tokenizers`."""
        ids = Encoder(self._json, _REBUILD_BYTES).encode(texts)
        oracle = Oracle(self._json)
        step = max(1, len(texts) // _EQUALITY_SAMPLE)
        for row in range(0, len(texts), step):
            oracle.check(f"text {row}", texts[row].as_py(), ids[row].as_py())
        return ids

    def count(self, texts: pa.Array | pa.ChunkedArray) -> Ints:
        """Tokens of each text by itself, int64[n]; equal texts are encoded once."""
        whole = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
        coded = whole.cast(pa.large_string()).dictionary_encode()
        lengths = np.asarray(pc.list_value_length(self.encode(coded.dictionary))).astype(np.int64)
        return lengths[np.asarray(coded.indices)]

    def count_prompts(self, messages: pa.Array | pa.ChunkedArray) -> Ints:
        """Tokens of each dialogue with the assistant's role token that asks for an answer, int64[n]."""
        flat = turns(messages)
        # A role's token and the end of turn go with every turn.
        sizes = self.count(flat.contents) + 2
        ends = np.concatenate([[0], np.cumsum(sizes)])
        return ends[flat.offsets[1:]] - ends[flat.offsets[:-1]] + 1

    def count_answers(self, texts: pa.Array | pa.ChunkedArray) -> Ints:
        """Tokens of each answer with its end of turn, int64[n]."""
        return self.count(texts) + 1

    def dialogue_ids(self, messages: pa.Array | pa.ChunkedArray, add_assistant: bool) -> list[list[int]]:
        """Ids of each dialogue, put together from its parts; `add_assistant` asks for an answer at the end."""
        flat = turns(messages)
        self._check_roles(flat)
        contents = self.encode(flat.contents).to_pylist()
        roles = [self._role_ids[role] for role in flat.roles.to_pylist()]
        tail = [self._role_ids["assistant"]] if add_assistant else []
        found = []
        for first, stop in zip(flat.offsets[:-1].tolist(), flat.offsets[1:].tolist(), strict=True):
            ids: list[int] = []
            for turn in range(first, stop):
                ids += [roles[turn], *contents[turn], self._end]
            found.append(ids + tail)
        return found

    def render(self, messages: Sequence[dict[str, str]], add_assistant: bool) -> str:
        """The dialogue as the saved template writes it."""
        return self._template.render(messages=messages, add_generation_prompt=add_assistant)

    def check_template(self, messages: pa.Array | pa.ChunkedArray) -> TemplateCheck:
        """Compare the template's ids with those put together, on every row; TemplateError names the first that
        differs.

        Rows whose content spells a special token are counted apart: through a template such a text becomes the
        token, which is why ids are put together.
        """
        equal = spelled = 0
        pattern = "|".join(re.escape(name) for name in SPECIAL)
        rows = messages.combine_chunks() if isinstance(messages, pa.ChunkedArray) else messages
        for begin in range(0, len(rows), _CHECK_ROWS):
            part = rows.slice(begin, _CHECK_ROWS)
            flat = turns(part)
            spells = np.asarray(pc.match_substring_regex(flat.contents, pattern=pattern))
            forged = np.bincount(flat.dialogue[spells], minlength=len(part)) > 0
            texts = [self.render(dialogue, False) for dialogue in part.to_pylist()]
            encoded = self.tokenizer.encode_batch(texts, add_special_tokens=False)
            expected = self.dialogue_ids(part, False)
            for row, (by_template, ids) in enumerate(zip(encoded, expected, strict=True)):
                if forged[row]:
                    spelled += 1
                elif by_template.ids != ids:
                    raise TemplateError(_difference(begin + row, by_template.ids, ids))
                else:
                    equal += 1
        return TemplateCheck(equal, spelled)

    def _check_roles(self, flat: Turns) -> None:
        known = np.asarray(pc.is_in(flat.roles, value_set=pa.array(ROLES)))
        if not known.all():
            turn = int(np.flatnonzero(~known)[0])
            raise ValueError(
                f"row {int(flat.dialogue[turn])} of the messages: role '{flat.roles[turn].as_py()}', expected one "
                f"of {', '.join(ROLES)}"
            )


def load(folder: str) -> ChatTokenizer:
    """What `save` wrote, from a local or remote folder; TokenizerError where it is absent or not of that form."""
    path = storage.join(folder, "tokenizer.json")
    if not storage.exists(path):
        raise TokenizerError(f"{path} does not exist; build the chat tokenizer first")
    return ChatTokenizer(Tokenizer.from_str(storage.read_bytes(path).decode()))


def _environment() -> jinja2.Environment:
    """The settings under which transformers renders a template."""
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)

    def raise_exception(message: str) -> Any:
        raise jinja2.TemplateError(message)

    environment.globals["raise_exception"] = raise_exception
    return environment


def _difference(row: int, found: list[int], expected: list[int]) -> str:
    pairs = enumerate(zip(found, expected, strict=False))
    place = next((i for i, (a, b) in pairs if a != b), min(len(found), len(expected)))
    return (
        f"row {row} of the messages: the chat template gives {found[place : place + 4]} at token {place}, the parts "
        f"give {expected[place : place + 4]}; is a normalizer or a space put in front of texts in tokenizer.json?"
    )
