"""Corpus to tokens: gigatoken encodes, the tokenizers library checks a sample of every shard.

Text that spells a special token's name stays text: both sides encode without special tokens, and the end of
text is appended by its number when sequences are packed.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import awkward as ak
import gigatoken
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field
from tokenizers import Tokenizer

from pipelines.engine import storage
from pipelines.engine.dataset import iter_shard, read_shard
from pipelines.engine.runner import ShardOutput, Stage, Task
from pipelines.ids import payload_digest
from pipelines.mixing.tokenizer import PATH_KEY
from pipelines.schemas import CORPUS, TOKENS, DatasetSchema
from text.hashing import uniform

TRAIN = "train"
VALIDATION = "validation"

_BATCH_BYTES = 4_000_000


class TokenMismatchError(RuntimeError):
    """The fast encoder and the tokenizers library disagree on a document."""


class TokenizeConfig(BaseModel):
    """The split, and how the encoder is checked and kept small."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    validation_fraction: float = Field(
        default=0.005, description="share of the documents that is held out for validation", ge=0, lt=1
    )
    seed: int = Field(default=0, description="seed of the split and of the choice of checked documents")
    equality_sample: int = Field(
        default=16, description="documents a shard that the tokenizers library encodes again", ge=0
    )
    rebuild_bytes: int = Field(
        default=32_000_000,
        description="bytes of text after which the encoder is built anew: its cache only grows",
        ge=1,
    )


def without_special(tokenizer_json: str) -> str:
    """The same tokenizer without its special added tokens, so that their names in a text are text."""
    parsed = json.loads(tokenizer_json)
    parsed["added_tokens"] = [token for token in parsed.get("added_tokens") or [] if not token["special"]]
    return json.dumps(parsed, ensure_ascii=False)


class Encoder:
    """Texts to token ids by gigatoken, on the calling thread; memory stays bounded."""

    def __init__(self, tokenizer_json: str, rebuild_bytes: int) -> None:
        self._json = without_special(tokenizer_json)
        self._rebuild_bytes = rebuild_bytes
        self._encoder = gigatoken.Tokenizer.from_json(self._json)
        self._seen = 0

    def encode(self, texts: pa.Array | pa.ChunkedArray) -> pa.ChunkedArray:
        """Token ids of each text as list<int32>, no special token among them. A null is a ValueError."""
        if texts.null_count:
            raise ValueError(
                f"{texts.null_count} of {len(texts)} texts are null; tokens need a text in every row"
            )
        chunks = [self._encode(batch) for batch in _batches(texts)]
        return pa.chunked_array(chunks, pa.list_(pa.int32()))

    def _encode(self, texts: pa.Array) -> pa.ListArray:
        if self._seen > self._rebuild_bytes:
            self._encoder = gigatoken.Tokenizer.from_json(self._json)
            self._seen = 0
        self._seen += texts.nbytes
        encoded = ak.to_arrow(
            self._encoder.encode_batch(texts.to_pylist(), parallel=False), extensionarray=False
        )
        return encoded.cast(pa.list_(pa.int32()))


def _batches(texts: pa.Array | pa.ChunkedArray) -> Iterator[pa.Array]:
    """Slices of some megabytes; a longer text is a slice of its own."""
    if len(texts) == 0:
        return
    sizes = pc.binary_length(texts).to_numpy().astype(np.int64)
    numbers = np.cumsum(sizes) // _BATCH_BYTES
    whole = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    for number in np.unique(numbers):
        start, end = np.searchsorted(numbers, [number, number + 1])
        yield whole.slice(start, end - start)


class Oracle:
    """The tokenizers library as the judge of the fast encoder."""

    def __init__(self, tokenizer_json: str) -> None:
        self._tokenizer = Tokenizer.from_str(tokenizer_json)
        self._tokenizer.encode_special_tokens = True
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()

    def check(self, doc_id: str, text: str, ids: list[int]) -> None:
        """Raise TokenMismatchError, naming the document, unless `ids` is the library's own encoding of
        `text`.
        """
        expected = self._tokenizer.encode(text, add_special_tokens=False).ids
        if ids == expected:
            return
        pairs = zip(ids, expected, strict=False)
        place = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(ids), len(expected)))
        raise TokenMismatchError(
            f"document {doc_id}: gigatoken gives {ids[place : place + 4]} at token {place}, tokenizers "
            f"{expected[place : place + 4]}; this tokenizer.json cannot be used: train one "
            f"({PATH_KEY}: null) or install the versions of constraints.txt"
        )


def splits(parent_ids: pa.Array | pa.ChunkedArray, config: TokenizeConfig) -> pa.Array:
    """train or validation for each row, by the parent document, so that all its pieces are on one side."""
    held_out = uniform(parent_ids, config.seed, "split") < config.validation_fraction
    return pa.array(np.where(held_out, VALIDATION, TRAIN), pa.string())


@dataclass(frozen=True)
class TokenizeStage(Stage):
    """Corpus shard → tokens shard with the same rows in the same order.

    `corpus` is a version's folder, `tokenizer` the path of a tokenizer.json and `tokenizer_digest` its
    `pipelines.ids.payload_digest`, so that another tokenizer under the same path is another stage.
    """

    name: ClassVar[str] = "tokenize"
    version: ClassVar[int] = 2

    corpus: str
    tokenizer: str
    tokenizer_digest: str
    config: TokenizeConfig

    @property
    def outputs(self) -> tuple[DatasetSchema, ...]:
        """The tokens dataset."""
        return (TOKENS,)

    def process(self, task: Task, out: ShardOutput) -> None:
        """Encode the shard, and check the rows whose ids draw lowest."""
        tokenizer_json = self._tokenizer_json()
        encoder = Encoder(tokenizer_json, self.config.rebuild_bytes)
        oracle = Oracle(tokenizer_json)
        checked = self._checked_ids(task.name)
        for rows in iter_shard(self.corpus, task.name, CORPUS, ["doc_id", "parent_id", "source", "text"]):
            ids = encoder.encode(rows["text"])
            for row in np.flatnonzero(pc.is_in(rows["doc_id"], checked).to_numpy()).tolist():
                oracle.check(rows["doc_id"][row].as_py(), rows["text"][row].as_py(), ids[row].as_py())
                out.count("checked_documents")
            tokens = self._tokens(rows, ids)
            out.write(TOKENS.name, tokens)
            self._count(tokens, out)

    def _tokenizer_json(self) -> str:
        content = storage.read_bytes(self.tokenizer)
        if payload_digest(content) != self.tokenizer_digest:
            raise ValueError(f"{self.tokenizer}: changed since the run began; run the job again")
        return content.decode()

    def _tokens(self, rows: pa.Table, ids: pa.ChunkedArray) -> pa.Table:
        split = splits(rows["parent_id"], self.config)
        return pa.table(
            {"doc_id": rows["doc_id"], "source": rows["source"], "split": split, "input_ids": ids}
        )

    def _count(self, tokens: pa.Table, out: ShardOutput) -> None:
        """Count documents and tokens, end of text not included, in all and by split and source."""
        lengths = pc.cast(pc.list_value_length(tokens["input_ids"]), pa.int64())
        table = tokens.select(["split", "source"]).append_column("n", lengths)
        out.count("documents", table.num_rows)
        out.count("tokens", int(pc.sum(lengths).as_py() or 0))
        for row in table.group_by(["split", "source"]).aggregate([("n", "sum"), ("n", "count")]).to_pylist():
            place = f"{row['split']}:{row['source']}"
            out.count(f"documents:{place}", row["n_count"])
            out.count(f"tokens:{place}", row["n_sum"])

    def _checked_ids(self, shard: str) -> pa.Array:
        ids: Any = read_shard(self.corpus, shard, CORPUS, ["doc_id"])["doc_id"].unique()
        draws = uniform(ids, self.config.seed, "equality check")
        lowest = np.argsort(draws, kind="stable")[: self.config.equality_sample]
        return ids.take(pa.array(lowest))
