"""Prompts that are nothing but texts: lines of JSON strings (OpenAssistant's lists) and plain text files."""

from collections.abc import Iterator
from typing import Any

from pipelines.rlhf.fields import Fields
from pipelines.rlhf.layout import Layout
from pipelines.rlhf.records import Output, Prompt, Turn
from pipelines.rlhf.source_config import RlhfSourceConfig


def _fits(row: Any) -> bool:
    return isinstance(row, str)


def _read(row: Fields, _: RlhfSourceConfig) -> Iterator[Output]:
    text = row.text()
    if not text:
        raise row.wrong("a prompt", "an empty text")
    yield Prompt([Turn("user", text)])


LAYOUT = Layout("prompt_list", '"prompt", a text a row', _fits, _read)
