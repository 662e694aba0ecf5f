"""A small benchmark made from the environment, so that decontamination has something real to find.

Each item asks which function a sentence of the documentation describes. The crawl holds these sentences, as
the web holds the questions of public benchmarks.
"""

import importlib
import inspect
import json
from collections.abc import Iterator

from pipelines.decontamination.benchmarks import BenchmarkConfig
from pipelines.demo.environment import is_made, mark_made
from pipelines.engine import storage

_MODULES = (
    "bisect",
    "calendar",
    "collections",
    "contextlib",
    "copy",
    "csv",
    "difflib",
    "filecmp",
    "fractions",
    "functools",
    "glob",
    "heapq",
    "itertools",
    "json",
    "random",
    "secrets",
    "shutil",
    "statistics",
    "string",
    "textwrap",
    "traceback",
    "zipfile",
)
_MIN_WORDS = 20  # an item needs more than the 13 words of one n-gram
_MAX_WORDS = 60


def build_demo_benchmarks(folder: str) -> list[BenchmarkConfig]:
    """Write the benchmark as a JSONL file into `folder` (once for an environment) and return its config.

    The items hold id, question (20 to 60 words of a docstring) and answer (the function's qualified name).
    """
    path = storage.join(folder, "which_function.jsonl")
    marker = storage.join(folder, "_benchmarks.json")
    if not is_made(marker):
        items = list(which_function())
        storage.write_bytes(
            path, "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items).encode()
        )
        mark_made(marker, [path], {"items": len(items)})
    return [BenchmarkConfig(name="which_function", files=[path], fields=["question"])]


def which_function() -> Iterator[dict[str, str]]:
    """The items, in order of module and name."""
    seen: set[str] = set()
    for module_name in _MODULES:
        module = importlib.import_module(module_name)
        for name in sorted(getattr(module, "__all__", [])):
            words = (inspect.getdoc(getattr(module, name)) or "").split()
            question = " ".join(words[:_MAX_WORDS])
            if len(words) >= _MIN_WORDS and question not in seen:
                seen.add(question)
                answer = f"{module_name}.{name}"
                yield {"id": answer, "question": question, "answer": answer}
