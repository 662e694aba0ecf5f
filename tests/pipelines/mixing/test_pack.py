"""Packing: every token once, nothing padded, only a stream's end lost, for any sharding."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from pipelines.engine.runner import StageError, Task, run_locally
from pipelines.mixing.buckets import (
    BUCKETED_TOKENS,
    BucketStage,
    PackConfig,
    PackError,
    bucket_sizes,
    read_bucket,
)
from pipelines.mixing.pack import PackPlan, PackStage, cut, lay_out, plan_packing
from pipelines.mixing.tokenize import Encoder
from pipelines.mixing.tokenizer import END_OF_TEXT, TokenizerConfig, special_ids, train
from pipelines.schemas import TOKENS, pretraining_schema
from tests.pipelines.corpus import corpus_table, tokens_table, write_shards

EOT = 0
EPOCHS = {"a": 2.5, "b": 0.4, "c": 1.0}


def pack(
    folder: Path, rows: pa.Table, shards: int, config: PackConfig, epochs: dict[str, float] = EPOCHS
) -> tuple[dict[str, pa.Table], PackPlan, str]:
    """Both passes; the files by name, the plan, and the folder of the first pass."""
    names = write_shards(folder / "tokens", TOKENS, rows, shards)
    first = BucketStage(str(folder / "tokens"), epochs, config)
    run_locally(first, [Task(name, {}) for name in names], str(folder))
    buckets = str(folder / BUCKETED_TOKENS.name)
    plan = plan_packing(bucket_sizes(buckets, names), list(epochs), config)
    run_locally(PackStage(buckets, names, EOT, config), plan.tasks, str(folder))
    files = sorted((folder / "pretraining").glob("*.parquet"))
    return {file.stem: pq.read_table(file) for file in files}, plan, buckets


def joined(files: dict[str, pa.Table], prefix: str) -> list[list[int]]:
    return [
        row
        for name in sorted(files)
        if name.startswith(prefix)
        for row in files[name]["input_ids"].to_pylist()
    ]


@pytest.mark.parametrize(
    ("context", "buckets"),
    [
        pytest.param(16, 4, id="several_sequences_a_bucket"),
        pytest.param(1, 3, id="shortest_sequences"),
        pytest.param(255, 8, id="sequences_longer_than_buckets"),
        pytest.param(16, 1, id="one_bucket"),
    ],
)
def test_the_stream_is_cut_whole_and_only_its_end_is_lost(tmp_path: Path, context: int, buckets: int) -> None:
    rows, config = tokens_table(150), PackConfig(context=context, buckets=buckets)
    files, plan, folder = pack(tmp_path, rows, 3, config)
    shards = [f"shard-{i:05d}" for i in range(3)]
    streams = {"train-": list(range(buckets))}
    streams |= {f"validation-{i:05d}": [buckets + i] for i in range(3)}
    for prefix, numbers in streams.items():
        stream: list[int] = []
        for number in numbers:
            for ids in read_bucket(folder, shards, number)["input_ids"].to_pylist():
                stream += [*ids, EOT]
        n = len(stream) // (context + 1)
        expected = [stream[i * (context + 1) : (i + 1) * (context + 1)] for i in range(n)]
        assert joined(files, prefix) == expected
        name = "train" if prefix == "train-" else f"validation/{'abc'[int(prefix[-5:])]}"
        assert plan.tokens[name] == len(stream)
        assert plan.lost[name] == len(stream) - n * (context + 1)


def test_validation_holds_each_document_once_and_none_of_train(tmp_path: Path) -> None:
    rows = tokens_table(150)
    files, _, _ = pack(tmp_path, rows, 2, PackConfig(context=1, buckets=2))
    held_out = rows.filter(pa.compute.equal(rows["split"], "validation"))
    tokens = [t for row in joined(files, "validation-") for t in row if t != EOT]
    assert len(tokens) == len(set(tokens)) >= sum(map(len, held_out["input_ids"].to_pylist())) - 3
    train_tokens = {t for row in joined(files, "train-") for t in row if t != EOT}
    assert not train_tokens & set(tokens)
    for name, table in files.items():
        assert set(table["split"].to_pylist()) == {name.partition("-")[0]}
        if name.startswith("validation"):
            assert len({s for row in table["sources"].to_pylist() for s in row}) == 1


def test_same_sequences_in_the_same_order_for_any_sharding(tmp_path: Path) -> None:
    rows, config = tokens_table(150), PackConfig(context=16, buckets=4)
    whole = pack(tmp_path / "1", rows, 1, config)[0]
    assert len(whole) > 5
    for shards in (3, 7):
        made = pack(tmp_path / str(shards), rows, shards, config)[0]
        assert made == whole
    backwards = rows.take(pa.array(range(149, -1, -1)))
    assert pack(tmp_path / "backwards", backwards, 3, config)[0] == whole


def test_another_seed_is_another_order(tmp_path: Path) -> None:
    rows = tokens_table(150)
    one = pack(tmp_path / "1", rows, 1, PackConfig(context=16, buckets=4, seed=1), dict.fromkeys("abc", 1.0))[
        0
    ]
    two = pack(tmp_path / "2", rows, 1, PackConfig(context=16, buckets=4, seed=2), dict.fromkeys("abc", 1.0))[
        0
    ]
    assert joined(one, "train-") != joined(two, "train-")


def test_rows_name_their_documents(tmp_path: Path) -> None:
    rows = tokens_table(150)
    files, _, _ = pack(tmp_path, rows, 3, PackConfig(context=40, buckets=4))
    known = {row["doc_id"]: row for row in rows.to_pylist()}
    for table in files.values():
        pretraining_schema(40).check(table.schema, "file")
        for row in table.to_pylist():
            ends = [*row["boundaries"][1:], 41]
            held = dict.fromkeys("abc", 0)
            for k, (doc_id, start, end) in enumerate(
                zip(row["doc_ids"], row["boundaries"], ends, strict=True)
            ):
                document = [*known[doc_id]["input_ids"], EOT]
                part = row["input_ids"][start:end]
                assert row["sources"][k] == known[doc_id]["source"]
                held[row["sources"][k]] += len(part)
                inner = 0 < k < len(row["doc_ids"]) - 1
                places = [i for i in range(len(document)) if document[i : i + len(part)] == part]
                assert part == document if inner else places
                if k < len(row["doc_ids"]) - 1:
                    assert part[-1] == EOT
            assert row["source"] == min(held, key=lambda name: (-held[name], name))


def test_row_groups_are_small(tmp_path: Path) -> None:
    pack(tmp_path, tokens_table(400), 1, PackConfig(context=4, buckets=1))
    file = pq.ParquetFile(tmp_path / "pretraining" / "train-00000.parquet")
    assert file.metadata.num_rows > 128
    assert max(file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)) == 64


def test_a_sequence_decodes_to_the_texts_with_end_of_text_between(tmp_path: Path) -> None:
    texts = [("a", f"Page {i}: <|endoftext|> 汉字 {'word ' * (i % 7)}") for i in range(40)]
    rows = corpus_table(texts)
    tokenizer = train(rows, TokenizerConfig(vocab_size=300))
    ids = Encoder(tokenizer.to_str(), 10**9).encode(rows["text"])
    split = pa.array(["train"] * 40)
    tokens = pa.table([rows["doc_id"], rows["source"], split, ids], schema=TOKENS.schema)
    assert special_ids(tokenizer).end_of_text == EOT
    files, plan, _ = pack(tmp_path, tokens, 3, PackConfig(context=30, buckets=3), {"a": 1.0})
    decode = Tokenizer.from_str(tokenizer.to_str()).decode
    stream = [t for row in joined(files, "train-") for t in row]
    documents = "".join("\0" if t == EOT else f"{t}," for t in stream).split("\0")
    found = [decode([int(t) for t in doc.split(",") if t], skip_special_tokens=False) for doc in documents]
    whole = [text for _, text in texts]
    assert set(found[:-1]) <= set(whole)
    assert len(set(found[:-1])) == len(found) - 1 >= 40 - 1 - plan.lost["train"]
    first = decode(joined(files, "train-")[0], skip_special_tokens=False)
    assert any(first.startswith((text + END_OF_TEXT)[:20]) for text in whole)


@given(
    lengths=st.lists(st.integers(0, 12), min_size=1, max_size=20),
    context=st.integers(1, 9),
    skip=st.integers(0, 8),
)
def test_cut_conserves_tokens(lengths: list[int], context: int, skip: int) -> None:
    ids = pa.array([list(range(1, n + 1)) for n in lengths], pa.list_(pa.int32()))
    names = [str(i) for i in range(len(lengths))]
    documents = lay_out([pa.table({"doc_id": names, "source": names, "input_ids": ids})], EOT)
    stream = [t for n in lengths for t in [*range(1, n + 1), EOT]]
    assert documents.tokens.tolist() == stream
    made = cut(documents, skip, context, "train")
    flat = [t for row in made["input_ids"].to_pylist() for t in row]
    n = max(len(stream) - skip, 0) // (context + 1) * (context + 1)
    assert flat == stream[skip : skip + n]
    starts = np.cumsum([0, *(n + 1 for n in lengths)])
    for i, row in enumerate(made.to_pylist()):
        begin = skip + i * (context + 1)
        inside = [d for d in range(len(lengths)) if starts[d + 1] > begin and starts[d] < begin + context + 1]
        assert row["doc_ids"] == [str(d) for d in inside]
        assert row["boundaries"] == [max(int(starts[d]) - begin, 0) for d in inside]


@given(
    sizes=st.dictionaries(st.integers(0, 5), st.integers(0, 50), max_size=6),
    context=st.integers(1, 20),
)
def test_plan_gives_every_sequence_to_one_task(sizes: dict[int, int], context: int) -> None:
    config = PackConfig(context=context, buckets=4)
    total = sum(n for bucket, n in sizes.items() if bucket < 4)
    if total <= context:
        with pytest.raises(PackError, match=r"ops\.pretraining\.config\.context"):
            plan_packing(sizes, ["a", "b"], config)
        return
    plan = plan_packing(sizes, ["a", "b"], config)
    sequences = {"train": 0, "validation": 0}
    for task in plan.tasks:
        given_ = task.payload
        behind = sum(sizes.get(bucket, 0) for bucket in given_["followers"])
        at_hand = given_["tokens"] - given_["skip"] + min(given_["need"], behind)
        assert at_hand >= context + 1
        sequences[given_["split"]] += at_hand // (context + 1)
    assert sequences["train"] == total // (context + 1)
    assert sequences["validation"] == sum(sizes.get(bucket, 0) // (context + 1) for bucket in (4, 5))


def test_changed_buckets_are_noticed(tmp_path: Path) -> None:
    config = PackConfig(context=16, buckets=2)
    _, plan, folder = pack(tmp_path, tokens_table(60), 2, config)
    stage = PackStage(folder, ["shard-00000"], EOT, config)
    with pytest.raises(StageError, match="planned were"):
        run_locally(stage, plan.tasks[:1], str(tmp_path / "again"))
