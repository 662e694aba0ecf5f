"""Tokens: equal to the tokenizers library, special names stay text, rows stay aligned, splits by document."""

from pathlib import Path
from typing import Any

import gigatoken
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from pipelines.engine.runner import StageError, Task, run_locally
from pipelines.ids import payload_digest
from pipelines.mixing import tokenize
from pipelines.mixing.mixture import counted_stats
from pipelines.mixing.tokenize import (
    Encoder,
    Oracle,
    TokenizeConfig,
    TokenizeStage,
    TokenMismatchError,
    splits,
)
from pipelines.mixing.tokenizer import TokenizerConfig, save, train
from pipelines.schemas import CORPUS, TOKENS
from tests.pipelines.corpus import corpus_table, write_shards

TEXTS = [
    "The quick brown fox jumps over the lazy dog. " * 3,
    "滚滚长江东逝水，浪花淘尽英雄。" * 3,
    "a page about <|endoftext|> and <|pad|> as text",
    "",
    "x" * 3000,
    "tabs\t\tand\r\n\r\n  spaces   ",
    "👩‍👩‍👧 e\u0301 \u0000 \ufffd",
]


def corpus(n: int = 60) -> pa.Table:
    return corpus_table([("ab"[i % 2], f"{TEXTS[i % len(TEXTS)]}{i if i % 3 else ''}") for i in range(n)])


@pytest.fixture(scope="module")
def tokenizer_json() -> str:
    return train(corpus(), TokenizerConfig(vocab_size=420)).to_str()


def reference(tokenizer_json: str, texts: list[str]) -> list[list[int]]:
    judge = Tokenizer.from_str(tokenizer_json)
    judge.encode_special_tokens = True
    return [judge.encode(text).ids for text in texts]


@pytest.mark.parametrize("rebuild_bytes", [1, 10**9], ids=["rebuilt_every_batch", "never_rebuilt"])
@pytest.mark.parametrize("batch_bytes", [1, 100, 10**9])
def test_equals_tokenizers(
    tokenizer_json: str, rebuild_bytes: int, batch_bytes: int, monkeypatch: Any
) -> None:
    monkeypatch.setattr(tokenize, "_BATCH_BYTES", batch_bytes)
    encoded = Encoder(tokenizer_json, rebuild_bytes).encode(pa.array(TEXTS))
    assert encoded.type == pa.list_(pa.int32())
    assert encoded.to_pylist() == reference(tokenizer_json, TEXTS)


@given(texts=st.lists(st.text(max_size=80), max_size=5))
def test_any_text_equals_tokenizers_and_comes_back(tokenizer_json: str, texts: list[str]) -> None:
    encoded = Encoder(tokenizer_json, 10**9).encode(pa.array(texts, pa.string())).to_pylist()
    assert encoded == reference(tokenizer_json, texts)
    judge = Tokenizer.from_str(tokenizer_json)
    assert [judge.decode(ids, skip_special_tokens=False) for ids in encoded] == texts


def test_name_of_a_special_token_stays_text(tokenizer_json: str) -> None:
    ids = Encoder(tokenizer_json, 10**9).encode(pa.array(["<|endoftext|>a<|pad|>"]))[0].as_py()
    assert not {0, 1} & set(ids)
    # What both libraries do unless they are told otherwise.
    assert 0 in gigatoken.Tokenizer.from_json(tokenizer_json).encode("<|endoftext|>a").tolist()
    assert 0 in Tokenizer.from_str(tokenizer_json).encode("<|endoftext|>a").ids


def test_added_tokens_that_are_not_special_are_kept(tokenizer_json: str) -> None:
    tokenizer = Tokenizer.from_str(tokenizer_json)
    tokenizer.add_tokens(["    "])
    encoded = Encoder(tokenizer.to_str(), 10**9).encode(pa.array(["a    b"]))
    assert encoded.to_pylist() == reference(tokenizer.to_str(), ["a    b"])
    assert tokenizer.token_to_id("    ") in encoded[0].as_py()


def test_null_text_is_an_error(tokenizer_json: str) -> None:
    with pytest.raises(ValueError, match="1 of 2 texts are null"):
        Encoder(tokenizer_json, 1).encode(pa.array(["a", None]))


def test_oracle_names_document_and_place(tokenizer_json: str) -> None:
    right = reference(tokenizer_json, ["the dog"])[0]
    Oracle(tokenizer_json).check("d1", "the dog", right)
    with pytest.raises(TokenMismatchError, match=r"document d1: .* at token 0"):
        Oracle(tokenizer_json).check("d1", "the dog", [7, *right])
    with pytest.raises(TokenMismatchError, match=f"at token {len(right)}"):
        Oracle(tokenizer_json).check("d1", "the dog", [*right, 7])


def test_split_is_by_parent_and_grows_with_the_fraction() -> None:
    parents = pa.array([f"p{i // 3}" for i in range(3000)])
    small = splits(parents, TokenizeConfig(validation_fraction=0.1)).to_pylist()
    large = splits(parents, TokenizeConfig(validation_fraction=0.2)).to_pylist()
    assert all(len({small[i], small[i + 1], small[i + 2]}) == 1 for i in range(0, 3000, 3))
    assert 0.07 < small.count("validation") / 3000 < 0.13
    assert all(b == "validation" for a, b in zip(small, large, strict=True) if a == "validation")


def stage(tmp_path: Path, tokenizer_json: str, **keys: Any) -> TokenizeStage:
    save(Tokenizer.from_str(tokenizer_json), str(tmp_path / "tokenizer"))
    path = tmp_path / "tokenizer" / "tokenizer.json"
    config = TokenizeConfig(validation_fraction=0.2, **keys)
    return TokenizeStage(str(tmp_path / "corpus"), str(path), payload_digest(path.read_bytes()), config)


def test_stage_keeps_rows_aligned(tmp_path: Path, tokenizer_json: str) -> None:
    parents = pa.array([f"parent {i // 3}" for i in range(60)])
    rows = corpus().set_column(1, "parent_id", parents)
    shards = write_shards(tmp_path / "corpus", CORPUS, rows, 3)
    made = stage(tmp_path, tokenizer_json, equality_sample=5)
    counts = run_locally(made, [Task(shard, {}) for shard in shards], str(tmp_path / "out"))
    assert (counts["documents"], counts["checked_documents"]) == (60, 15)
    total = 0
    for shard in shards:
        source = pq.read_table(tmp_path / "corpus" / f"{shard}.parquet")
        tokens = pq.read_table(tmp_path / "out" / "tokens" / f"{shard}.parquet")
        TOKENS.check(tokens.schema, shard)
        assert tokens["doc_id"] == source["doc_id"]
        assert tokens["input_ids"].to_pylist() == reference(tokenizer_json, source["text"].to_pylist())
        assert tokens["split"].to_pylist() == splits(source["parent_id"], made.config).to_pylist()
        total += sum(map(len, tokens["input_ids"].to_pylist()))
    assert counts["tokens"] == total


def test_counts_give_the_mixture_what_the_rows_hold(tmp_path: Path, tokenizer_json: str) -> None:
    shards = write_shards(tmp_path / "corpus", CORPUS, corpus(), 3)
    counts = run_locally(
        stage(tmp_path, tokenizer_json), [Task(shard, {}) for shard in shards], str(tmp_path / "out")
    )
    rows = pq.read_table(tmp_path / "out" / "tokens").to_pylist()
    lengths = {
        name: [len(row["input_ids"]) + 1 for row in rows if (row["source"], row["split"]) == (name, "train")]
        for name in ("a", "b")
    }
    assert 0 < len(lengths["a"]) < 30
    assert counted_stats(counts, {"a": "crawl", "b": "books1", "c": "other"}).to_pylist() == [
        {"source": "a", "role": "crawl", "documents": len(lengths["a"]), "tokens": sum(lengths["a"])},
        {"source": "b", "role": "books1", "documents": len(lengths["b"]), "tokens": sum(lengths["b"])},
        {"source": "c", "role": "other", "documents": 0, "tokens": 0},
    ]


def test_stage_stops_at_a_wrong_encoding(tmp_path: Path, tokenizer_json: str, monkeypatch: Any) -> None:
    shards = write_shards(tmp_path / "corpus", CORPUS, corpus(), 1)
    right = Encoder._encode

    def wrong(self: Encoder, texts: pa.Array) -> pa.ListArray:
        return pa.array([[*ids, 5] for ids in right(self, texts).to_pylist()], pa.list_(pa.int32()))

    monkeypatch.setattr(Encoder, "_encode", wrong)
    with pytest.raises(StageError, match=r"document [0-9a-f]{32}: gigatoken gives"):
        run_locally(stage(tmp_path, tokenizer_json), [Task(shards[0], {})], str(tmp_path / "out"))


def test_stage_refuses_another_tokenizer_under_the_same_path(tmp_path: Path, tokenizer_json: str) -> None:
    shards = write_shards(tmp_path / "corpus", CORPUS, corpus(), 1)
    made = stage(tmp_path, tokenizer_json)
    Path(made.tokenizer).write_text(tokenizer_json.replace("<|pad|>", "<|dap|>"))
    with pytest.raises(StageError, match="changed since the run began"):
        run_locally(made, [Task(shards[0], {})], str(tmp_path / "out"))
