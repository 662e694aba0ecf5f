"""Language identification by language: accuracy and speed, beside a second identifier on the same texts.

    python -m benchmarks.language EVAL [--peer PYTHON]

EVAL is a folder with lid_sentences.jsonl.gz (lang, kind, text), hplt_web_text_labels.jsonl.gz (lang,
lang_correct, text) and udhr2.zip (a text a language; read is Chinese). PYTHON has py3langid installed; its identifier
runs there over the same texts. Printed are Markdown tables by language and JSON of the summary.
"""

import argparse
import collections
import gzip
import json
import subprocess
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from quality.language import identify, mixed

# lid.176's code of each language that the sets name otherwise; "no" is Bokmål to it.
SAME = {"nb": "no", "nob": "no", "cmn": "zh", "pes": "fa", "zho": "zh"}
THREE_TO_TWO = {
    "rus": "ru", "slk": "sk", "mar": "mr", "zho": "zh", "nld": "nl", "eng": "en", "spa": "es",
    "pes": "fa", "pol": "pl", "ben": "bn", "ell": "el", "cat": "ca", "ara": "ar", "fin": "fi",
    "ces": "cs", "tur": "tr", "deu": "de", "nob": "no", "hin": "hi", "gla": "gd", "nno": "nn",
    "ast": "ast",
}  # fmt: skip
UDHR_CHINESE = {"cmn_hans": "Chinese, simplified", "cmn_hant": "Chinese, traditional"}
UDHR_PIECE = 300

PEER = """
import json, sys, time
from py3langid import classify
texts = json.load(sys.stdin)
classify(texts[0])
begin = time.process_time()
found = [str(classify(text)[0]) for text in texts]
json.dump([found, time.process_time() - begin], sys.stdout)
"""


def ours(texts: Sequence[str]) -> tuple[list[str], float]:
    """Languages and processor seconds."""
    array = pa.array(texts)
    identify(array.slice(0, 1))
    begin = time.process_time()
    found = identify(array)["language"].to_pylist()
    return found, time.process_time() - begin


def peer(python: str, texts: Sequence[str]) -> tuple[list[str], float]:
    """The same of py3langid in another Python."""
    done = subprocess.run(
        [python, "-c", PEER], input=json.dumps(texts), capture_output=True, text=True, check=True
    )
    found, seconds = json.loads(done.stdout)
    return found, seconds


def sets(folder: Path) -> dict[str, list[tuple[str, str]]]:
    """(language, text) rows by set."""
    rows: dict[str, list[tuple[str, str]]] = {
        "sentences": [],
        "word pairs": [],
        "web text": [],
        "declaration": [],
    }
    for row in _lines(folder / "lid_sentences.jsonl.gz"):
        rows["sentences" if row["kind"] == "sentence" else "word pairs"].append((row["lang"], row["text"]))
    for row in _lines(folder / "hplt_web_text_labels.jsonl.gz"):
        if row["lang_correct"] == 1:
            rows["web text"].append((THREE_TO_TWO[row["lang"][:3]], row["text"]))
    with zipfile.ZipFile(folder / "udhr2.zip") as archive:
        for name in UDHR_CHINESE:
            text = archive.read(f"udhr2/{name}.txt").decode()
            pieces = [text[at : at + UDHR_PIECE] for at in range(0, len(text), UDHR_PIECE)]
            rows["declaration"] += [(name, piece) for piece in pieces if len(piece) == UDHR_PIECE]
    return rows


def accuracies(rows: Sequence[tuple[str, str]], found: Sequence[str]) -> dict[str, float]:
    """Share of the right names by language."""
    counts: dict[str, list[int]] = collections.defaultdict(lambda: [0, 0])
    for (language, _), name in zip(rows, found, strict=True):
        expected = "zh" if language in UDHR_CHINESE else SAME.get(language, language)
        right = SAME.get(name, name) == expected
        counts[language][0] += right
        counts[language][1] += 1
    return {language: right / n for language, (right, n) in sorted(counts.items())}


def mixed_recall(rows: Sequence[tuple[str, str]]) -> dict[str, float]:
    """Share of texts of 60 sentences in one language called mixed; of 40 and 20 in two, with the second found."""
    by_language: dict[str, list[str]] = collections.defaultdict(list)
    for language, text in rows:
        by_language[language].append(text)
    names = sorted(by_language)
    alone = [" ".join(by_language[name][:60]) for name in names]
    pairs = [(name, names[(place + 7) % len(names)]) for place, name in enumerate(names)]
    joined = ["\n".join([*by_language[a][:40], *by_language[b][:20]]) for a, b in pairs]
    false = mixed(pa.array(alone))["second_language_share"].to_pylist()
    found = mixed(pa.array(joined))
    shares = found["second_language_share"].to_pylist()
    right = [
        share >= 0.1 and SAME.get(name or "", name) in {SAME.get(code, code) for code in pair}
        for name, share, pair in zip(found["second_language"].to_pylist(), shares, pairs, strict=True)
    ]
    n = len(names)
    return {
        "one language called mixed": sum(share >= 0.1 for share in false) / n,
        "second found": sum(right) / n,
    }


def _lines(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="folder with the evaluation sets")
    parser.add_argument("--peer", help="a Python that has py3langid")
    arguments = parser.parse_args()
    summary: dict[str, Any] = {}
    table: dict[str, dict[str, float]] = {}
    for name, rows in sets(arguments.folder).items():
        texts = [text for _, text in rows]
        size = sum(len(text.encode()) for text in texts) / 1e6
        tools = {"ours": ours(texts)} | ({"py3langid": peer(arguments.peer, texts)} if arguments.peer else {})
        for tool, (found, seconds) in tools.items():
            by_language = accuracies(rows, found)
            table[f"{name}, {tool}"] = by_language
            mean = sum(by_language.values()) / len(by_language)
            summary[f"{name}, {tool}"] = {
                "texts": len(texts),
                "languages": len(by_language),
                "mean accuracy": round(mean, 4),
                "MB/s of processor time": round(size / seconds, 2),
            }
            if name == "sentences":
                summary["mixed"] = mixed_recall(rows)
    for name in ("sentences", "declaration", "web text"):
        columns = [column for column in table if column.startswith(name)]
        print(f"\n| {name} | " + " | ".join(column.split(", ")[-1] for column in columns) + " |")
        print("| --- |" + " --- |" * len(columns))
        for language in table[columns[0]]:
            print(
                f"| {language} | " + " | ".join(f"{table[column][language]:.2f}" for column in columns) + " |"
            )
    print(json.dumps(summary, indent=2))


if __name__ == "__main__":
    main()
