"""The TL;DR samples that InstructGPT's authors published: posts, the reference summary and a model's sample.

No sample was judged: a row gives its post as a prompt, and the reference as a demonstration. The sentences of a
reference are joined by |, which stands for the space it replaced.
"""

from collections.abc import Iterator
from typing import Any

from pipelines.rlhf.fields import Fields
from pipelines.rlhf.layout import Layout, has_texts
from pipelines.rlhf.records import Demonstration, Output, Prompt, Turn
from pipelines.rlhf.source_config import RlhfSourceConfig


def _fits(row: Any) -> bool:
    return has_texts(row, "context", "ref_text", "sample", "model_type")


def _read(row: Fields, _: RlhfSourceConfig) -> Iterator[Output]:
    asked = [Turn("user", row.at("context").text())]
    yield Prompt(asked)
    reference = row.at("ref_text").text().replace("|", " ")
    yield Demonstration([*asked, Turn("assistant", reference)], "reference")


LAYOUT = Layout("tldr_samples", '{"context", "ref_text", "sample", "model_type"}', _fits, _read)
