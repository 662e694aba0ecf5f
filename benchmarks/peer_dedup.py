"""One deduplication tool at work, in the Python that has it installed: started by dedup_peers and dedup_quality.

    PYTHON benchmarks/peer_dedup.py TOOL WORK INPUT OUTPUT

Knows nothing of this project, so that it runs where only the tool is. TOOL: datatrove, datasketch, rensa,
text-dedup. INPUT: a Parquet file with the columns doc_id and text (for `pairs`: text_a and text_b; for
`kernel`: an .npz with uint64 `hashes` and int64 `offsets`). WORK:

- kernel      shingle hashes in memory -> signatures
- signatures  file of texts -> file of signatures
- dedup       file of texts -> file of the kept texts
- pairs       for each pair whether it alone would be merged -> bool per line

All use word 5-grams and 112 hashes in 14 bands of 8. Where a tool leaves words and shingles to its user, these
are a regular expression and a join, as its examples have them. The last line of output is JSON: `version`,
`cpu_seconds` of one run (imports and a first warming up left out, threads and children added up), `runs` it
is the mean of, `peak_mb` of its largest process and `start_mb` before the work.
"""

import importlib
import importlib.metadata
import json
import re
import resource
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

NGRAM, BANDS, ROWS, SEED, THRESHOLD = 5, 14, 8, 1, 0.75
PERMUTATIONS = BANDS * ROWS
WORD = re.compile(r"\w+")
LEAST_SECONDS = 2.0
Pairs = Iterable[tuple[str, str]]


def cpu_seconds() -> float:
    """User and system time of this process, its threads and the children that it has waited for."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def peak_mb() -> float:
    """Highest resident memory so far of this process or one of its children, 10^6 bytes.

    This process's own ru_maxrss would also count the one that it was forked from.
    """
    own = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return max(int(own[1]) if own else 0, children) * 1024 / 1e6


def measured(work: Callable[[], Any], least_seconds: float = LEAST_SECONDS) -> dict[str, float]:
    """Runs `work` until it has taken `least_seconds` of processor time; what one run took."""
    start_mb, started, runs = peak_mb(), cpu_seconds(), 0
    while not runs or cpu_seconds() - started < least_seconds:
        work()
        runs += 1
    taken = (cpu_seconds() - started) / runs
    return {"cpu_seconds": taken, "runs": runs, "peak_mb": peak_mb(), "start_mb": start_mb}


def read(path: str) -> tuple[list[str], list[str]]:
    """Ids and texts of a Parquet file."""
    import pyarrow.parquet as pq

    table = pq.read_table(path, columns=["doc_id", "text"])
    return table["doc_id"].to_pylist(), table["text"].to_pylist()


def shingles(text: str) -> list[str]:
    """Word 5-grams as a user of datasketch or rensa makes them; a shorter text has one of what it has."""
    words = WORD.findall(text.lower())
    return [" ".join(words[i : i + NGRAM]) for i in range(max(1, len(words) - NGRAM + 1))]


def write_kept(path: str, ids: Iterable[str]) -> None:
    """One id a line."""
    Path(path).write_text("".join(f"{key}\n" for key in ids))


class Datasketch:
    """MinHash of xxhash32 shingles; a text that the LSH index answers for is left out, others are inserted."""

    def __init__(self) -> None:
        import datasketch
        import xxhash

        self.lsh = datasketch.MinHashLSH
        self.fresh = datasketch.MinHash(num_perm=PERMUTATIONS, seed=SEED, hashfunc=xxhash.xxh32_intdigest)
        self.numbers = datasketch.MinHash(num_perm=PERMUTATIONS, seed=SEED, hashfunc=int)

    def signature(self, text: str) -> Any:
        """One text's MinHash."""
        made = self.fresh.copy()
        made.update_batch([gram.encode() for gram in shingles(text)])
        return made

    def kernel(self, hashes: np.ndarray, offsets: np.ndarray) -> None:
        """Signatures of given shingles."""
        for a, b in pairwise(offsets):
            self.numbers.copy().update_batch((hashes[a:b] & 0xFFFFFFFF).tolist())

    def signatures(self, source: str, target: str) -> None:
        """File to file."""
        np.save(target, np.array([self.signature(text).hashvalues for text in read(source)[1]]))

    def dedup(self, source: str, target: str) -> None:
        """First come, first kept; no verification."""
        index = self.lsh(num_perm=PERMUTATIONS, params=(BANDS, ROWS))
        kept = []
        for key, text in zip(*read(source), strict=True):
            signature = self.signature(text)
            if not index.query(signature):
                index.insert(key, signature)
                kept.append(key)
        write_kept(target, kept)

    def pairs(self, pairs: Pairs) -> Iterator[bool]:
        """Whether the second is found by the first."""
        for a, b in pairs:
            index = self.lsh(num_perm=PERMUTATIONS, params=(BANDS, ROWS))
            index.insert("a", self.signature(a))
            yield bool(index.query(self.signature(b)))


class Rensa:
    """RMinHash of shingle strings; the deduplicator checks its LSH candidates against the sketch similarity."""

    def __init__(self) -> None:
        self.rensa = importlib.import_module("rensa")

    def kernel(self, hashes: np.ndarray, offsets: np.ndarray) -> None:
        """Signatures of given shingles."""
        self.rensa.RMinHash.digest_matrix_from_flat_token_hashes(
            hashes, offsets.astype(np.uint64), num_perm=PERMUTATIONS, seed=SEED
        )

    def signatures(self, source: str, target: str) -> None:
        """File to file."""
        sets = (shingles(text) for text in read(source)[1])
        made = self.rensa.RMinHash.digest_matrix_from_token_sets(sets, num_perm=PERMUTATIONS, seed=SEED)
        np.save(target, np.array(made.to_rows(), dtype=np.uint32))

    def flags(self, ids: list[str], texts: list[str]) -> list[bool]:
        """For each text whether it stays."""
        tool = self.rensa.RMinHashDeduplicator(THRESHOLD, PERMUTATIONS, True, num_bands=BANDS, seed=SEED)
        return list(tool.add_pairs((key, shingles(text)) for key, text in zip(ids, texts, strict=True)))

    def dedup(self, source: str, target: str) -> None:
        """First come, first kept."""
        ids, texts = read(source)
        write_kept(target, (key for key, stays in zip(ids, self.flags(ids, texts), strict=True) if stays))

    def pairs(self, pairs: Pairs) -> Iterator[bool]:
        """Whether the second goes."""
        return (not self.flags(["a", "b"], [a, b])[1] for a, b in pairs)


class Datatrove:
    """The four MinHash stages, each run by the local executor in this process."""

    def __init__(self) -> None:
        from datatrove.utils.logging import logger

        logger.remove()
        self.stages = importlib.import_module("datatrove.pipeline.dedup.minhash")
        self.config = self.stages.MinhashConfig(n_grams=NGRAM, num_buckets=BANDS, hashes_per_bucket=ROWS)
        self.first = self.stages.MinhashDedupSignature(tempfile.mkdtemp(), self.config)
        self.first.get_shingles("a first text makes the tokenizer ready")

    def run(self, steps: list[Any], logs: Path, tasks: int = 1) -> None:
        """One stage."""
        from datatrove.executor import LocalPipelineExecutor

        LocalPipelineExecutor(steps, tasks=tasks, workers=1, logging_dir=str(logs)).run()

    def reader(self, source: str) -> Any:
        """The texts."""
        from datatrove.pipeline.readers import ParquetReader

        path = Path(source)
        return ParquetReader(str(path.parent), glob_pattern=path.name, text_key="text", id_key="doc_id")

    def kernel(self, hashes: np.ndarray, offsets: np.ndarray) -> None:
        """Signatures of given shingles."""
        for a, b in pairwise(offsets):
            if a < b:
                self.first.get_signature(hashes[a:b, None])

    def signatures(self, source: str, target: str) -> None:
        """Stage 1."""
        folder = Path(tempfile.mkdtemp(dir=Path(target).parent))
        step = self.stages.MinhashDedupSignature(str(folder / "signatures"), self.config)
        self.run([self.reader(source), step], folder / "logs")
        shutil.rmtree(folder)

    def dedup(self, source: str, target: str) -> None:
        """Stages 1 to 4."""
        from datatrove.pipeline.writers import ParquetWriter

        folder = Path(tempfile.mkdtemp(dir=Path(target).parent))
        names = ("signatures", "buckets", "remove", "kept")
        made = {name: str(folder / name) for name in names}
        stages = self.stages
        one = stages.MinhashDedupSignature(made["signatures"], self.config)
        two = stages.MinhashDedupBuckets(made["signatures"], made["buckets"], config=self.config)
        three = stages.MinhashDedupCluster(made["buckets"], made["remove"], config=self.config)
        four = stages.MinhashDedupFilter(made["remove"])
        self.run([self.reader(source), one], folder / "1")
        self.run([two], folder / "2", tasks=BANDS)
        self.run([three], folder / "3")
        self.run([self.reader(source), four, ParquetWriter(made["kept"])], folder / "4")
        import pyarrow.parquet as pq

        write_kept(target, pq.read_table(made["kept"], columns=["id"])["id"].to_pylist())
        shutil.rmtree(folder)

    def pairs(self, pairs: Pairs) -> Iterator[bool]:
        """Whether a bucket of stage 1 is equal."""
        for pair in pairs:
            grams = [self.first.get_shingles(text) for text in pair]
            made = [self.first.get_signature(some) if some.size else [] for some in grams]
            yield any(a == b for a, b in zip(*made, strict=False))


class TextDedup:
    """text_dedup.minhash as its command line runs it, one process, least length 0 so that it drops nothing."""

    def __init__(self) -> None:
        self.module = importlib.import_module("text_dedup.minhash")
        datasets = importlib.import_module("datasets")
        datasets.disable_progress_bars()
        hash_func = importlib.import_module("text_dedup.utils").xxh3_32hash
        draw = np.random.RandomState(SEED)
        prime = np.uint64((1 << 61) - 1)
        self.settings = {
            "num_perm": PERMUTATIONS,
            "ngram_size": NGRAM,
            "min_length": 0,
            "hashranges": [(i * ROWS, (i + 1) * ROWS) for i in range(BANDS)],
            "permutations": tuple(draw.randint(1, prime, PERMUTATIONS, dtype=np.uint64) for _ in range(2)),
            "hash_func": lambda data: hash_func(data),
            "dtype": np.uint64,
            "max_hash": np.uint32(0xFFFFFFFF),
            "modulo_prime": prime,
        }

    def signatures(self, source: str, target: str) -> None:
        """Its embedding function over the texts."""
        made = [self.module.embed_func(text, 0, **self.settings) for text in read(source)[1]]
        np.save(target, np.array([b"".join(row["__signatures__"]) for row in made]))

    def dedup(self, source: str, target: str) -> None:
        """Its command, from file to folder."""
        folder = Path(tempfile.mkdtemp(dir=Path(target).parent))
        arguments = f"--path parquet --split train --column text --ngram {NGRAM} --num_perm {PERMUTATIONS}"
        arguments += f" --b {BANDS} --r {ROWS} --min_length 0 --hash_func xxh3 --num_proc 1"
        paths = [
            "--data_files",
            source,
            "--output",
            str(folder / "kept"),
            "--cache_dir",
            str(folder / "cache"),
        ]
        self.module.main([*arguments.split(), *paths], standalone_mode=False)
        datasets = importlib.import_module("datasets")
        write_kept(target, datasets.load_from_disk(str(folder / "kept"))["doc_id"])
        shutil.rmtree(folder)

    def pairs(self, pairs: Pairs) -> Iterator[bool]:
        """Whether a band is equal."""
        for pair in pairs:
            made = [self.module.embed_func(text, 0, **self.settings)["__signatures__"] for text in pair]
            yield any(a == b for a, b in zip(*made, strict=True))


TOOLS: dict[str, tuple[str, type[Any]]] = {
    "datatrove": ("datatrove", Datatrove),
    "datasketch": ("datasketch", Datasketch),
    "rensa": ("rensa", Rensa),
    "text-dedup": ("text_dedup", TextDedup),
}


def perform(tool: Any, work: str, source: str, target: str) -> dict[str, float]:
    """Do one kind of work and say what it took."""
    if work == "kernel":
        given = np.load(source)
        hashes, offsets = given["hashes"], given["offsets"]
        return measured(lambda: tool.kernel(hashes, offsets))
    if work == "pairs":
        import pyarrow.parquet as pq

        table = pq.read_table(source, columns=["text_a", "text_b"])
        pairs = list(zip(*(column.to_pylist() for column in table.columns), strict=True))
        merged: list[bool] = []
        told = measured(lambda: merged.extend(tool.pairs(pairs)), least_seconds=0)
        write_kept(target, map(str, map(int, merged)))
        return told
    return measured(lambda: getattr(tool, work)(source, target))


def main(name: str, work: str, source: str, target: str) -> None:
    """Print the figures; exit status 3 if the tool is not installed or does not know this kind of work."""
    tool = TOOLS[name][1]
    if not hasattr(tool, work):
        sys.exit(3)
    try:
        made = tool()
    except ImportError as error:
        print(error)
        sys.exit(3)
    print(json.dumps({"version": importlib.metadata.version(name), **perform(made, work, source, target)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
