"""Anthropic's hh-rlhf: two transcripts of one dialogue, of which crowd workers chose one.

"Chosen" was the better of two samples of a model, no demonstration: rows give a judgement and a prompt. The context
is the longest run of turns that both transcripts share; where one of them has more than its last turn behind it,
the answers were given in different dialogues, and nothing is known of the pair.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import xxhash

from pipelines.rlhf.fields import Fields, RowError
from pipelines.rlhf.layout import Layout, has_texts, lacks
from pipelines.rlhf.readers.pairs import judged_pair, shared_prompt
from pipelines.rlhf.records import Facts, Output, Prompt, Turn, canonical
from pipelines.rlhf.source_config import RlhfSourceConfig

_START = "\n\nHuman:"
_MARK = re.compile(r"\n\n(Human|Assistant):")
_ROLES = {"Human": "user", "Assistant": "assistant"}


def is_transcript(text: Any) -> bool:
    """Whether a raw value is a transcript of this layout rather than any text."""
    return isinstance(text, str) and text.startswith(_START)


def transcript_turns(field: Fields) -> list[Turn]:
    """The turns of a transcript."""
    text = field.raw().replace("\r\n", "\n")
    pieces = _MARK.split(text)
    if len(pieces) < 3 or pieces[0].strip():
        raise RowError("no_transcript", f"field '{field.path}' does not begin with 'Human:' or 'Assistant:'")
    return [
        Turn(_ROLES[mark], canonical(said)) for mark, said in zip(pieces[1::2], pieces[2::2], strict=True)
    ]


def _fits(row: Any) -> bool:
    return has_texts(row, "chosen", "rejected") and lacks(row, "prompt") and is_transcript(row["chosen"])


def _read(row: Fields, _: RlhfSourceConfig) -> Iterator[Output]:
    chosen, rejected = transcript_turns(row.at("chosen")), transcript_turns(row.at("rejected"))
    facts = Facts(root=_root(chosen))
    yield judged_pair(chosen, rejected, "human", facts)
    asked = shared_prompt(chosen, rejected)
    if asked:
        yield Prompt(asked, facts)


def _root(turns: Sequence[Turn]) -> str:
    """Dialogues that begin with the same turn are branches of one: workers went on from earlier samples."""
    return xxhash.xxh3_128_hexdigest(turns[0].content.encode())


LAYOUT = Layout(
    "hh_rlhf", '{"chosen": "\\n\\nHuman: …\\n\\nAssistant: …", "rejected": the same}', _fits, _read
)
