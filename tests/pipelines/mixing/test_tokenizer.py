"""Tokenizer: same file for any sharding, any text comes back, transformers loads it."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from pipelines.mixing.mixture import SOURCE_STATS, MixtureConfig
from pipelines.mixing.sample import sample
from pipelines.mixing.tokenizer import (
    END_OF_TEXT,
    PAD,
    SpecialIds,
    TokenizerConfig,
    TokenizerError,
    load,
    sample_budgets,
    save,
    special_ids,
    train,
)
from tests.pipelines.corpus import corpus_table

PROSE = [
    "The quick brown fox jumps over the lazy dog, and the dog does not mind. ",
    "滚滚长江东逝水，浪花淘尽英雄。是非成败转头空，青山依旧在，几度夕阳红。",
    "Les élèves ont été à l’école; Straße, Übung, São Paulo. ",
]
CONFIG = TokenizerConfig(vocab_size=400, sample_bytes=10_000)


def corpus() -> pa.Table:
    return corpus_table([("ab"[i % 2], PROSE[i % 3] * (1 + i % 4) + str(i)) for i in range(90)])


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train(corpus(), CONFIG)


@pytest.fixture(scope="module")
def folder(tokenizer: Tokenizer, tmp_path_factory: Any) -> Path:
    path = tmp_path_factory.mktemp("tokenizer")
    save(tokenizer, str(path))
    return path


@pytest.mark.parametrize("shards", [1, 3, 7])
def test_same_tokenizer_for_any_sharding(shards: int) -> None:
    rows, budgets = corpus(), {"a": 4000, "b": 2000}
    parts = [rows.take(pa.array(range(shard, rows.num_rows, shards))) for shard in reversed(range(shards))]
    whole = train(sample([rows], budgets, 0, "tokenizer sample"), CONFIG)
    assert train(sample(parts, budgets, 0, "tokenizer sample"), CONFIG).to_str() == whole.to_str()


def test_training_does_not_depend_on_row_order(tokenizer: Tokenizer) -> None:
    rows = corpus()
    backwards = rows.take(pa.array(range(rows.num_rows - 1, -1, -1)))
    assert train(backwards, CONFIG).to_str() == tokenizer.to_str()


def test_special_ids_are_0_and_1_and_size_is_as_asked(tokenizer: Tokenizer) -> None:
    assert special_ids(tokenizer) == SpecialIds(end_of_text=0, pad=1)
    assert tokenizer.get_vocab_size() == 400


@given(text=st.text(max_size=60))
def test_any_text_comes_back(tokenizer: Tokenizer, text: str) -> None:
    ids = tokenizer.encode(text).ids
    assert tokenizer.decode(ids, skip_special_tokens=False) == text


@pytest.mark.parametrize("text", [*PROSE, " leading", "a\u0000b", "🏳️‍🌈", "\r\n\t"])
def test_known_texts_come_back(tokenizer: Tokenizer, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=False) == text


@pytest.mark.parametrize("loader", ["AutoTokenizer", "PreTrainedTokenizerFast"])
def test_transformers_loads_the_folder(folder: Path, tokenizer: Tokenizer, loader: str) -> None:
    transformers = pytest.importorskip("transformers")
    loaded = getattr(transformers, loader).from_pretrained(str(folder))
    assert (loaded.eos_token, loaded.eos_token_id) == (END_OF_TEXT, 0)
    assert (loaded.pad_token, loaded.pad_token_id) == (PAD, 1)
    assert loaded(PROSE[1])["input_ids"] == tokenizer.encode(PROSE[1]).ids
    assert loaded.decode(loaded(PROSE[2])["input_ids"]) == PROSE[2]


@pytest.mark.parametrize("path", ["", "/tokenizer.json"], ids=["folder", "file"])
def test_existing_tokenizer_is_taken(folder: Path, tokenizer: Tokenizer, path: str) -> None:
    assert load(f"{folder}{path}").to_str() == tokenizer.to_str()


def test_existing_tokenizer_without_pad_gets_its_own(tmp_path: Path, tokenizer: Tokenizer) -> None:
    parsed = json.loads(tokenizer.to_str())
    parsed["added_tokens"] = [token for token in parsed["added_tokens"] if token["content"] != PAD]
    vocab = parsed["model"]["vocab"]
    last = max(vocab, key=vocab.__getitem__)
    vocab[last], _ = vocab.pop(PAD), vocab.pop(last)
    parsed["model"]["merges"] = [pair for pair in parsed["model"]["merges"] if "".join(pair) != last]
    (tmp_path / "tokenizer.json").write_text(json.dumps(parsed))
    assert special_ids(load(str(tmp_path))) == SpecialIds(end_of_text=0, pad=399)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(
            None, r"ops\.tokenizer\.config\.tokenizer\.tokenizer_path: .* does not exist", id="absent"
        ),
        pytest.param("{}", "not a tokenizer.json", id="not_a_tokenizer"),
        pytest.param(
            '{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}}', "has no token", id="no_eot"
        ),
    ],
)
def test_errors_name_the_file(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(TokenizerError, match=message):
        load(str(tmp_path))


def test_no_text_is_an_error() -> None:
    with pytest.raises(TokenizerError, match="no text"):
        train(corpus().slice(0, 0), CONFIG)


def test_sample_follows_the_mixture_and_repeats_nothing() -> None:
    sizes = pa.table([["a", "b"], ["crawl", "webtext"], [10, 10], [1_000_000, 1000]], schema=SOURCE_STATS)
    config = TokenizerConfig(sample_bytes=10_000)
    assert sample_budgets(sizes, MixtureConfig(), config) == {"a": 9000, "b": 1000}
