"""PandaLM's test set: the verdicts of three people on two responses, each a judgement of its own."""

from collections.abc import Iterator
from typing import Any

from pipelines.rlhf.fields import Fields
from pipelines.rlhf.layout import Layout, has_texts
from pipelines.rlhf.readers.alpaca import instruction_turns
from pipelines.rlhf.readers.verdicts import FIRST, SECOND, TIE, ranks_of
from pipelines.rlhf.records import Judgement, Output
from pipelines.rlhf.source_config import RlhfSourceConfig

_MEANING = {0: TIE, 1: FIRST, 2: SECOND}
_ANNOTATORS = ("annotator1", "annotator2", "annotator3")


def _fits(row: Any) -> bool:
    return has_texts(row, "instruction", "response1", "response2") and _ANNOTATORS[0] in row


def _read(row: Fields, _: RlhfSourceConfig) -> Iterator[Output]:
    turns = instruction_turns(row)
    answers = [row.at("response1").text(), row.at("response2").text()]
    models = row.optional("cmp_key")
    names = models.label().split("_") if models else []
    authors = names if len(names) == len(answers) else [None, None]
    named = [name for name in _ANNOTATORS if name in row.value] or _ANNOTATORS[:1]
    ranks = {name: ranks_of(row.at(name), _MEANING) for name in named}
    for name, given in ranks.items():
        yield Judgement(turns, answers, given, authors, name, "human", part=name)


LAYOUT = Layout(
    "pandalm",
    '{"instruction", "input", "response1", "response2", "annotator1", "annotator2", "annotator3"[, "cmp_key"]}',
    _fits,
    _read,
    "annotator 1 first, 2 second, 0 tie",
)
