"""Speed of the signals beside datatrove's filters, and how far the decisions agree, on the same real texts.

    python -m benchmarks.signals FOLDER --peer PYTHON [--documents 1500] [--json FILE]

FOLDER: a version folder of the dataset documents. Of it, English texts (by language identification) of at most
60,000 characters are drawn by the hash of their text. PYTHON: an environment that has datatrove, spacy, nltk,
regex and pyarrow. Seconds are processor time of one thread; MB are 10^6 bytes of UTF-8.

A disagreement is put in the first class that fits: `unspaced`, the text holds characters of a script without
spaces, which an English tokenizer does not part; `white space`, the peer agrees once lines are stripped and blank
ones empty; `case`, it agrees once the text is in lower case as well; `tokens`, else.
"""

import argparse
import json
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import peer_filters
from benchmarks.dedup_sets import real_texts
from quality.language import identify
from quality.measures.characters import UNSPACED, character_table
from quality.rule_sets import RULE_SETS, GopherLimits, RuleSet
from quality.rules import decide
from quality.signals import compute
from text.hashing import hash64

MAX_CHARACTERS = 60_000
LEAST_SECONDS = 3.0
_REPETITION = {name for name in GopherLimits.model_fields if name.startswith(("max_dup", "max_top"))}


def sets() -> dict[str, RuleSet]:
    """The peer's four filters as rule sets of ours."""
    whole = GopherLimits(reading="datatrove")
    limits = set(GopherLimits.model_fields) - {"reading"}
    quality = whole.model_copy(update=dict.fromkeys(_REPETITION))
    repetition = whole.model_copy(update=dict.fromkeys(limits - _REPETITION))
    return {
        "gopher_quality": RuleSet(name="quality", gopher=quality),
        "gopher_repetition": RuleSet(name="repetition", gopher=repetition),
        "c4": RULE_SETS["c4_datatrove"],
        "fineweb": RULE_SETS["fineweb"],
    }


def drawn(folder: Path, n: int) -> list[str]:
    """English texts, in an order that depends on them alone."""
    texts = [text for text in real_texts(folder)[0] if len(text) <= MAX_CHARACTERS]
    order = np.argsort(hash64(pa.array(texts, pa.large_string())))
    texts = [texts[i] for i in order[: 4 * n]]
    english = np.asarray(identify(texts)["language"].to_pylist()) == "en"
    return [text for text, chosen in zip(texts, english, strict=True) if chosen][:n]


def judged_by_peer(python: str, texts: Sequence[str], folder: Path) -> tuple[pa.Table, dict[str, Any]]:
    """The peer's reasons, a column a filter, and what it tells of its run."""
    source, target = folder / "in.parquet", folder / "out.parquet"
    pq.write_table(pa.table({"text": pa.array(texts, pa.large_string())}), source)
    command = [python, "-P", peer_filters.__file__, str(source), str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"datatrove: exit status {done.returncode}\n{done.stderr[-3000:]}")
    return pq.read_table(target), json.loads(done.stdout.splitlines()[-1])


def seconds_of_ours(texts: pa.Array) -> float:
    """Processor seconds of measuring and deciding by all four sets, the mean of some runs."""
    chosen = list(sets().values())
    decide(compute(texts.slice(0, 10), "en"), chosen)
    started, runs = time.process_time(), 0
    while not runs or time.process_time() - started < LEAST_SECONDS:
        decide(compute(texts, "en"), chosen)
        runs += 1
    return (time.process_time() - started) / runs


def stripped(text: str) -> str:
    """Lines without white space at their ends."""
    return "\n".join(line.strip() for line in text.split("\n")).strip("\n")


def has_unspaced(text: str) -> bool:
    """Whether a character is of a script written without spaces, or Hangul or full-width."""
    codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    return bool((character_table()[codes] & UNSPACED).any() or ((codes >= 0xAC00) & (codes <= 0xFFEF)).any())


def agreement(python: str, texts: list[str], peer: pa.Table, folder: Path) -> dict[str, dict[str, Any]]:
    """Kept by both sides, share of equal decisions, and the classes of the others, by filter."""
    signals = compute(texts, "en")
    kept = {
        name: np.asarray(decide(signals, rule_set)["reason"].is_null()) for name, rule_set in sets().items()
    }
    differs = {name: kept[name] != np.asarray(peer[name].is_null()) for name in kept}
    rows = np.flatnonzero(np.any(list(differs.values()), axis=0))
    plain = [stripped(texts[i]) for i in rows]
    again = judged_by_peer(python, plain, folder)[0]
    lower = judged_by_peer(python, [text.lower() for text in plain], folder)[0]
    told = {}
    for name, different in differs.items():
        classes: Counter[str] = Counter()
        for place, row in enumerate(rows):
            if not different[row]:
                continue
            if has_unspaced(texts[row]):
                classes["unspaced"] += 1
            elif again[name][place].is_valid != kept[name][row]:
                classes["white space"] += 1
            elif lower[name][place].is_valid != kept[name][row]:
                classes["case"] += 1
            else:
                classes["tokens"] += 1
        told[name] = {
            "agree": float(1 - different.mean()),
            "kept": float(kept[name].mean()),
            "kept_by_peer": float(np.asarray(peer[name].is_null()).mean()),
            "disagreements": dict(classes),
        }
    return told


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--peer", required=True, metavar="PYTHON")
    parser.add_argument("--documents", type=int, default=1500)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    texts = drawn(arguments.folder, arguments.documents)
    size = sum(len(text.encode()) for text in texts) / 1e6
    with tempfile.TemporaryDirectory() as scratch:
        peer, told = judged_by_peer(arguments.peer, texts, Path(scratch))
        found = agreement(arguments.peer, texts, peer, Path(scratch))
    ours, theirs = seconds_of_ours(pa.array(texts)), sum(told["seconds"].values())
    print(f"{len(texts)} English documents, {size:.2f} MB; datatrove {told['version']}")
    print(f"all signals and four decisions: {size / ours:.1f} MB/s; four filters: {size / theirs:.3f} MB/s")
    print(f"ratio {theirs / ours:.0f}")
    print(f"{'filter':20s} {'agree':>7s} {'kept':>7s} {'by peer':>8s}  disagreements")
    for name, row in found.items():
        figures = f"{row['agree']:7.4f} {row['kept']:7.4f} {row['kept_by_peer']:8.4f}"
        print(f"{name:20s} {figures}  {row['disagreements']}")
    result = {"documents": len(texts), "megabytes": size, "ours_mb_s": size / ours, "agreement": found}
    result |= {"peer_mb_s": size / theirs, "peer": told}
    print(json.dumps(result))
    if arguments.json:
        arguments.json.write_text(json.dumps(result))


if __name__ == "__main__":
    main()
