"""Held-out loss by source: of the distribution that the model was trained on, and of others."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from transformers import PreTrainedTokenizerFast

from model.evaluate_config import LossConfig as LossConfig
from model.gpt import GPT
from model.inference import encode_text
from model.likelihood import Request, likelihoods
from model.row_files import read_rows
from model.tokenizer import END_OF_TEXT
from model.validation import token_bytes


class Document(NamedTuple):
    """A document to score: where it stands, its source, its ids, and the bytes that these spell."""

    file: str
    row: int
    source: str
    ids: list[int]
    n_bytes: int


def read_documents(config: LossConfig, tokenizer: PreTrainedTokenizerFast) -> Iterator[Document]:
    """The documents that the config names; empty ones are left out. A ValueError names the file and row at fault."""
    taken: dict[str, int] = {}
    sizes = token_bytes(tokenizer, len(tokenizer)).tolist()
    for number, row in enumerate(read_rows(config.file)):
        where = f"{config.file}: row {number}"
        if config.split is not None and row.get("split") != config.split:
            continue
        source = row.get("source") if config.source is None else config.source
        if not isinstance(source, str):
            raise ValueError(f"{where}: no field `source` of text; set `source` in the config")  # noqa: TRY004
        ids, n_bytes = _ids(row, tokenizer, sizes, where)
        if ids and taken.get(source, 0) < config.documents:
            taken[source] = taken.get(source, 0) + 1
            yield Document(config.file, number, source, ids, n_bytes)
    if not taken:
        raise ValueError(f"{config.file}: no document with text in it (split {config.split!r})")


def _ids(
    row: Mapping[str, Any], tokenizer: PreTrainedTokenizerFast, sizes: list[int], where: str
) -> tuple[list[int], int]:
    text, ids = row.get("text"), row.get("input_ids")
    if isinstance(text, str):
        return encode_text(tokenizer, text), len(text.encode())
    if isinstance(ids, list):
        if ids and not 0 <= min(ids) <= max(ids) < len(sizes):
            raise ValueError(
                f"{where}: `input_ids` has ids that are none of the tokenizer's {len(sizes)} tokens"
            )
        # Not the bytes of the decoded text: a row that cuts a character has a longer sign in its place.
        return ids, sum(sizes[token] for token in ids)
    raise ValueError(f"{where}: expected `text` or `input_ids`, the row has {', '.join(row)}")


def document_losses(
    model: GPT, tokenizer: PreTrainedTokenizerFast, documents: list[Document], batch_tokens: int
) -> list[float]:
    """Sum of -ln P over the tokens of each document, in nats.

    A document is read behind the end-of-text token, as in training, in windows of the model's context side by side:
    each token is predicted once, from those before it in its window.
    """
    (start,) = encode_text(tokenizer, END_OF_TEXT, special=True)
    width = model.config.context
    requests, owners = [], []
    for number, document in enumerate(documents):
        ids = [start, *document.ids]
        for first in range(0, len(document.ids), width):
            requests.append(Request([ids[first]], ids[first + 1 : first + 1 + width]))
            owners.append(number)
    losses = [0.0] * len(documents)
    for owner, scored in zip(owners, likelihoods(model, requests, batch_tokens), strict=True):
        losses[owner] -= scored.logprob
    return losses


def by_source(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Losses by distribution and source, and of each distribution as a whole.

    `rows` hold distribution, source, n_tokens, n_bytes and loss (the sum). Loss is nats per token; bits per byte do
    not depend on the tokenizer. `gap` is out minus in, in both units, where both were measured.
    """
    made: dict[str, Any] = {}
    for distribution in ("in", "out"):
        mine = [row for row in rows if row["distribution"] == distribution]
        if mine:
            sources = sorted({row["source"] for row in mine})
            of_each = {
                source: _figures([row for row in mine if row["source"] == source]) for source in sources
            }
            made[distribution] = {"all": _figures(mine), "sources": of_each}
    if len(made) == 2:
        units = ("loss", "bits_per_byte")
        made["gap"] = {unit: made["out"]["all"][unit] - made["in"]["all"][unit] for unit in units}
    return made


def _figures(rows: list[dict[str, Any]]) -> dict[str, float]:
    tokens, n_bytes, nats = (sum(row[name] for row in rows) for name in ("n_tokens", "n_bytes", "loss"))
    bits = nats / 0.6931471805599453
    return {
        "documents": len(rows),
        "tokens": tokens,
        "bytes": n_bytes,
        "loss": nats / tokens,
        "bits_per_byte": bits / n_bytes,
    }
