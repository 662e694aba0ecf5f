"""Measure a checkpoint: `python -m model.evaluate CONFIG.json --out FOLDER`.

Tasks are scored by likelihood as in GPT-3 (section 2.4), each on all its examples and, where it is known which of
them the training texts hold, on clean and dirty ones apart (appendix C). Held-out losses stand by source, of the
training distribution and of others. FOLDER gets results.json, summary.json (flat figures) and a Parquet file per task
with a row an example; what is finished is not done again.
"""

import math
import random
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from transformers import PreTrainedTokenizerFast

from model import memory
from model.command import run_command
from model.evaluate_config import EvaluateConfig as EvaluateConfig
from model.evaluate_config import TaskConfig as TaskConfig
from model.few_shot import NORMALISATIONS, Shots, score_examples
from model.gpt import GPT
from model.inference import open_model
from model.metrics import write_json
from model.parts import Parts
from model.row_files import read_rows, write_parquet
from model.source_losses import by_source, document_losses, read_documents
from model.tasks import LAYOUTS, Example, Normalisation, read_examples

LARGEST_EXPONENT = 700.0  # e to this is still a float
Flags = dict[tuple[str, str], bool]


def read_flags(path: str | None) -> Flags:
    """Contamination by (task name, example id); a ValueError names the file and the row at fault."""
    flags: Flags = {}
    for number, row in enumerate(read_rows(path) if path is not None else ()):
        where = f"{path}: row {number}"
        task, example_id, dirty = (row.get(name) for name in ("task", "example_id", "dirty"))
        if not isinstance(task, str) or not isinstance(example_id, str | int) or not isinstance(dirty, bool):
            raise ValueError(  # noqa: TRY004
                f"{where}: expected task (text), example_id (text or number) and dirty (true or false)"
            )
        if flags.setdefault((task, str(example_id)), dirty) != dirty:
            raise ValueError(f"{where}: example {example_id} of {task} is flagged twice, and differently")
    return flags


def evaluate(config: EvaluateConfig, out: Path) -> dict[str, Any]:
    """Measure everything into the folder `out`, and give the flat summary.

    A ValueError names the config key, or the file and row at fault; all files are read before anything is scored.
    """
    model, tokenizer = open_model(config.model, config.device, config.dtype)
    flags = read_flags(config.contamination)
    read = [_read_task(task, config.seed, flags) for task in config.tasks]
    documents = [list(read_documents(losses, tokenizer)) for losses in config.losses]
    files = {file for task in config.tasks for file in (task.file, task.shots_file) if file}
    files |= {losses.file for losses in config.losses} | {config.model}
    files |= {config.contamination} if config.contamination else set()
    parts = Parts(out, asdict(config), sorted(files), free=("batch_tokens",))
    advised = partial(memory.advice, "batch_tokens", config.batch_tokens)
    tasks = {}
    for task, (examples, shots) in zip(config.tasks, read, strict=True):
        path, finished = parts.part(f"examples/{task.key}.parquet")
        if not finished:
            with advised():
                rows = score_examples(model, tokenizer, examples, shots, config.batch_tokens)
            flagged = [row | {"dirty": flags.get((task.name, row["example_id"]))} for row in rows]
            write_parquet(path, pa.Table.from_pylist(flagged, schema=EXAMPLES))
        rows = pq.read_table(path).to_pylist()
        if not rows:
            raise ValueError(
                f"tasks: no answer of {task.key} fits the context of {model.config.context} tokens"
            )
        results = task_results(rows, LAYOUTS[task.layout].normalisation)
        tasks[task.key] = {"left_out": len(examples) - len(rows), **results}
    losses_path, finished = parts.part("examples/losses.parquet")
    if config.losses and not finished:
        with advised():
            rows = _losses(model, tokenizer, config, documents)
        write_parquet(losses_path, pa.Table.from_pylist(rows))
    losses = by_source(pq.read_table(losses_path).to_pylist()) if config.losses else {}
    write_json(out / "results.json", {"tasks": tasks, "losses": losses})
    summary = flat_summary(tasks, losses)
    write_json(out / "summary.json", summary)
    return summary


EXAMPLES = pa.schema(
    {
        "example_id": pa.string(),  # row in the task's file, from 0
        "group": pa.string(),
        "gold": pa.int32(),
        "n_shots": pa.int32(),  # demonstrations that fitted
        "trimmed": pa.bool_(),
        "dirty": pa.bool_(),  # null: not known
        "logprobs": pa.list_(pa.float64()),  # nats, a choice each
        "unconditional_logprobs": pa.list_(pa.float64()),
        "n_tokens": pa.list_(pa.int32()),
        "n_bytes": pa.list_(pa.int32()),
        "greedy": pa.bool_(),  # each token of the right answer is the likeliest one
        **{f"right_{name}": pa.bool_() for name in NORMALISATIONS},
    }
)


def _read_task(task: TaskConfig, seed: int, flags: Flags) -> tuple[list[Example], Shots]:
    """The examples to score and where their demonstrations come from."""
    examples = read_examples(task.file, task.layout)
    pool = examples if task.shots_file is None else read_examples(task.shots_file, task.layout)
    shots = Shots(LAYOUTS[task.layout], task.shots, pool, task.shots_file is None, seed)
    if task.limit is not None and task.limit < len(examples):
        drawn = random.Random(f"{seed} {task.name}").sample(range(len(examples)), task.limit)
        examples = [examples[row] for row in sorted(drawn)]
    unknown = [example.id for example in examples if (task.name, example.id) not in flags]
    if unknown and any(name == task.name for name, _ in flags):
        raise ValueError(
            f"contamination: {len(unknown)} examples of {task.name} have no flag, the first is {unknown[0]}; "
            "flag all examples of a task or none"
        )
    for example in examples:
        shots.draw(example)
    return examples, shots


def _losses(
    model: GPT, tokenizer: PreTrainedTokenizerFast, config: EvaluateConfig, documents: list[list[Any]]
) -> list[dict[str, Any]]:
    """A row a document: which it is, and its loss summed over tokens, in nats."""
    rows = []
    for losses, mine in zip(config.losses, documents, strict=True):
        found = document_losses(model, tokenizer, mine, config.batch_tokens)
        rows += [
            {
                "distribution": losses.distribution,
                "source": document.source,
                "file": document.file,
                "row": document.row,
                "n_tokens": len(document.ids),
                "n_bytes": document.n_bytes,
                "loss": nats,
            }
            for document, nats in zip(mine, found, strict=True)
        ]
    return rows


def task_results(rows: list[dict[str, Any]], normalisation: Normalisation) -> dict[str, Any]:
    """Scores of all examples and, where they are flagged, of the dirty and the clean ones (Table C.1's columns).

    `score` is the accuracy by the layout's normalisation, or of greedy answers where there is one choice.
    """
    results: dict[str, Any] = {
        "normalisation": "greedy" if len(rows[0]["logprobs"]) == 1 else normalisation,
        "trimmed": sum(row["trimmed"] for row in rows),
        "mean_shots": sum(row["n_shots"] for row in rows) / len(rows),
        "all": _scores(rows, normalisation),
    }
    if any(row["dirty"] is None for row in rows):
        return results
    for name, dirty in (("dirty", True), ("clean", False)):
        results[name] = _scores([row for row in rows if row["dirty"] is dirty], normalisation)
    every, clean = results["all"]["score"], results["clean"].get("score")
    results["clean_percentage"] = 100 * results["clean"]["count"] / len(rows)
    # The paper's measure of how far contamination flatters a model.
    comparable = clean is not None and every > 0
    results["relative_difference_clean_vs_all"] = 100 * (clean - every) / every if comparable else None
    return results


def _scores(rows: list[dict[str, Any]], normalisation: Normalisation) -> dict[str, Any]:
    """Figures of a set of examples; of none only the count."""
    n = len(rows)
    if not n:
        return {"count": 0}
    answers: dict[str, Any]
    if len(rows[0]["logprobs"]) == 1:
        score = sum(row["greedy"] for row in rows) / n
        nats = -sum(row["logprobs"][0] for row in rows)
        # Of a whole answer, as the paper gives it for LAMBADA's word; of a long one no number can hold it.
        answers = {
            "perplexity": math.exp(nats / n) if nats / n < LARGEST_EXPONENT else None,
            "token_perplexity": math.exp(nats / sum(row["n_tokens"][0] for row in rows)),
        }
    else:
        accuracy = {name: sum(row[f"right_{name}"] for row in rows) / n for name in NORMALISATIONS}
        score = accuracy[normalisation]
        chance = sum(1 / len(row["logprobs"]) for row in rows) / n
        answers = {"accuracy": accuracy, "chance": chance}
    return {"count": n, "score": score, "standard_error": math.sqrt(score * (1 - score) / n), **answers}


def flat_summary(tasks: dict[str, Any], losses: dict[str, Any]) -> dict[str, float]:
    """The figures that a table of runs shows, by name."""
    summary: dict[str, float] = {}
    for key, result in tasks.items():
        for part in ("all", "clean", "dirty"):
            name = key if part == "all" else f"{key}/{part}"
            figures = result.get(part, {})
            summary |= {
                f"{name}/{unit}": figures[unit] for unit in ("score", "perplexity") if unit in figures
            }
    for distribution in losses.keys() & {"in", "out"}:
        sources = {"all": losses[distribution]["all"], **losses[distribution]["sources"]}
        for source, figures in sources.items():
            summary |= {
                f"loss/{distribution}/{source}/{unit}": figures[unit] for unit in ("loss", "bits_per_byte")
            }
    return dict(sorted(summary.items()))


if __name__ == "__main__":
    run_command(EvaluateConfig, evaluate, __doc__)
