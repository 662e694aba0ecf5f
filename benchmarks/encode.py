"""Speed of encoding on unseen text beside the tokenizers library, and of the stages from corpus to sequences.

    python -m benchmarks.encode --train FILES --unseen FILES [--vocab-size 50258] [--peer-megabytes 1.0]

FILES are UTF-8 text or JSON lines with a field "text", plain or .gz. The tokenizer is trained on --train;
text that is in it is left out of --unseen, and no encoder sees a text twice, since gigatoken remembers
every word it has seen: "cold" is a new encoder over the first half, "warm" the same one over the second. A
figure is one run, in MB (10^6 bytes of UTF-8) a second of processor time, all threads added up, as JSON.
"""

import argparse
import gzip
import json
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from tokenizers import Tokenizer

from pipelines.engine.runner import Task, run_locally
from pipelines.ids import payload_digest
from pipelines.mixing.buckets import BUCKETED_TOKENS, BucketStage, PackConfig, bucket_sizes
from pipelines.mixing.pack import PackStage, plan_packing
from pipelines.mixing.tokenize import Encoder, TokenizeConfig, TokenizeStage
from pipelines.mixing.tokenizer import TokenizerConfig, save, special_ids, train
from pipelines.schemas import CORPUS, TOKENS

DOCUMENT_CHARACTERS = 5_000
SHARD = "shard-00000"


def documents(paths: list[Path]) -> list[str]:
    """The files' texts, long ones cut into documents, no document twice."""
    texts: list[str] = []
    for path in paths:
        content = (gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()).decode()
        lines = ".jsonl" in path.suffixes
        texts += [json.loads(line)["text"] for line in content.splitlines()] if lines else [content]
    cut = [
        text[at : at + DOCUMENT_CHARACTERS]
        for text in texts
        for at in range(0, len(text), DOCUMENT_CHARACTERS)
    ]
    return list(dict.fromkeys(cut))


def corpus(texts: list[str]) -> pa.Table:
    """The documents as CORPUS rows."""
    ids = [payload_digest(text.encode()) for text in texts]
    sizes = [len(text.encode()) for text in texts]
    blank = [""] * len(texts)
    columns = [ids, ids, ["a"] * len(texts), blank, blank, texts, sizes, [0] * len(texts)]
    return pa.table(columns, schema=CORPUS.schema)


def timed(run: Callable[..., object], *arguments: object) -> float:
    """Seconds of processor time of one run."""
    begin = time.process_time()
    run(*arguments)
    return time.process_time() - begin


def encoding(tokenizer: Tokenizer, texts: list[str], peer_bytes: int) -> dict[str, float]:
    """MB/s of a new and a warm encoder on unseen halves, and of the tokenizers library on part of one."""
    half = len(texts) // 2
    parts = [pa.array(texts[:half]), pa.array(texts[half:])]
    encoder = Encoder(tokenizer.to_str(), rebuild_bytes=10**12)
    seconds = [timed(encoder.encode, part) for part in parts]
    cold, warm = (pc.sum(pc.binary_length(p)).as_py() / s / 1e6 for p, s in zip(parts, seconds, strict=True))
    few, size = [], 0
    for text in texts[:half]:
        if size < peer_bytes:
            few.append(text)
            size += len(text.encode())
    peer = size / timed(lambda: [tokenizer.encode(text, add_special_tokens=False) for text in few]) / 1e6
    return {
        "cold": cold,
        "warm": warm,
        "tokenizers": peer,
        "cold_ratio": cold / peer,
        "warm_ratio": warm / peer,
    }


def stages(tokenizer: Tokenizer, texts: list[str]) -> dict[str, float]:
    """MB/s of text through the tokenise stage and both packing passes, Parquet in and out."""
    rows = corpus(texts)
    size = sum(rows["n_bytes"].to_pylist()) / 1e6
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "corpus").mkdir()
        pq.write_table(
            rows, Path(folder, "corpus", f"{SHARD}.parquet"), compression="zstd", row_group_size=1000
        )
        save(tokenizer, f"{folder}/tokenizer")
        path = Path(folder, "tokenizer", "tokenizer.json")
        tokenise = TokenizeStage(
            f"{folder}/corpus", str(path), payload_digest(path.read_bytes()), TokenizeConfig()
        )
        config = PackConfig(context=512, buckets=4)
        bucket = BucketStage(f"{folder}/{TOKENS.name}", {"a": 1.0}, config)
        buckets = f"{folder}/{BUCKETED_TOKENS.name}"
        seconds = [timed(run_locally, stage, [Task(SHARD, {})], folder) for stage in (tokenise, bucket)]
        plan = plan_packing(bucket_sizes(buckets, [SHARD]), ["a"], config)
        pack = PackStage(buckets, [SHARD], special_ids(tokenizer).end_of_text, config)
        seconds.append(timed(run_locally, pack, plan.tasks, folder))
    names = ("tokenise_stage", "bucket_stage", "pack_stage")
    rates = {name: size / s for name, s in zip(names, seconds, strict=True)}
    return {**rates, "corpus_to_packed": size / sum(seconds)}


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--train", nargs="+", type=Path, required=True)
    parser.add_argument("--unseen", nargs="+", type=Path, required=True)
    parser.add_argument("--vocab-size", type=int, default=50_258)
    parser.add_argument("--peer-megabytes", type=float, default=1.0)
    arguments = parser.parse_args()
    seen = documents(arguments.train)
    unseen = [text for text in documents(arguments.unseen) if text not in set(seen)]
    tokenizer = train(corpus(seen), TokenizerConfig(vocab_size=arguments.vocab_size))
    figures = {
        **encoding(tokenizer, unseen, int(arguments.peer_megabytes * 1e6)),
        **stages(tokenizer, unseen),
    }
    context = {
        "unseen_megabytes": round(sum(len(text.encode()) for text in unseen) / 1e6, 2),
        "vocabulary": tokenizer.get_vocab_size(),
        "machine": platform.processor() or platform.machine(),
    }
    print(
        json.dumps({**context, "megabytes_a_second": {k: round(v, 1) for k, v in figures.items()}}, indent=2)
    )


if __name__ == "__main__":
    main()
