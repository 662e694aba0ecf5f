"""What a person reads after a training: whether each stage has learnt, with samples from before and after.

`python -m pipelines.training_report` prints it for the published versions; stages that have not run are left out.
"""

import json
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.build.training import METRICS_FILE, SAMPLES_FILE, TrainingError, read_lines, require_local
from pipelines.engine.dataset import DatasetError, DatasetVersion, current
from pipelines.engine.mill import data_root
from pipelines.report import text_table

STRETCHES = 6
SAMPLES = 3
SAMPLE_CHARACTERS = 240

Line = Mapping[str, Any]
Rows = list[list[Any]]


def held_out(base: DatasetVersion) -> Rows:
    """Header and rows: loss on held-back sequences, from a guess that knows nothing to the end of pretraining."""
    lines = [line for line in read_lines(Path(base.folder) / METRICS_FILE) if "validation/loss" in line]
    config = json.loads((Path(base.folder) / "config.json").read_text(encoding="utf-8"))
    summary = _summary(base)
    rows: Rows = [["all tokens equally likely", 0, f"{math.log(config['model']['vocab_size']):.3f}", "-"]]
    marks = [
        (line["tokens"], line["validation/loss"], line.get("validation/bits_per_byte")) for line in lines
    ]
    if "validation/loss" in summary:
        marks.append((summary["tokens"], summary["validation/loss"], summary.get("validation/bits_per_byte")))
    for tokens, loss, bits in [*marks[:1], *marks[-1:]] if len(marks) > 1 else marks:
        rows.append(["pretrained", tokens, f"{loss:.3f}", "-" if bits is None else f"{bits:.3f}"])
    return [["", "tokens seen", "held-out loss, nats a token", "bits a byte"], *rows]


def fine_tuning(candidates: DatasetVersion, chosen: DatasetVersion | None) -> Rows:
    """Header and rows: held-out loss of the first, the best and the last epoch, and the one that was chosen."""
    epochs = {line["epoch"]: line["validation/loss"] for line in _summary(candidates)["epochs"]}
    scores: dict[int, float] = {}
    marks = {min(epochs): "first", min(epochs, key=epochs.__getitem__): "lowest loss", max(epochs): "last"}
    if chosen is not None:
        told = _summary(chosen)
        scores = {line["epoch"]: line["score"] for line in told["epochs"]}
        marks[told["chosen_epoch"]] = "highest reward: chosen"
    rows = [
        [marks[epoch], epoch, f"{epochs[epoch]:.3f}", f"{scores[epoch]:.3f}" if epoch in scores else "-"]
        for epoch in sorted(marks)
    ]
    return [["epoch", "number", "held-out loss", "mean reward"], *rows]


def reward(model: DatasetVersion) -> Rows:
    """Header and row: accuracy on held-back comparisons with its 95 % interval."""
    told = _summary(model)
    low, high = told["validation/low"], told["validation/high"]
    row = [f"{told['validation/accuracy']:.3f}", f"{low:.3f} to {high:.3f}", "0.5"]
    return [
        ["accuracy", "95 % interval", "chance", "pairs", "prompts"],
        [*row, told["validation/pairs"], told["validation/prompts"]],
    ]


def rewards_over_steps(policy: DatasetVersion) -> Rows:
    """Header and rows: means over stretches of PPO's steps."""
    lines = read_lines(Path(policy.folder) / METRICS_FILE)
    size = max(1, math.ceil(len(lines) / STRETCHES))
    rows = []
    for at in range(0, len(lines), size):
        part = lines[at : at + size]
        figures = ("objective/scores", "objective/kl", "val/answer_tokens")
        means = [f"{math.fsum(line[key] for line in part) / len(part):.3f}" for key in figures]
        rows.append([f"{part[0]['step']} to {part[-1]['step']}", *means])
    return [["steps", "mean reward", "KL, nats an answer", "tokens an answer"], *rows]


def samples(version: DatasetVersion, answer: str) -> Rows:
    """Header and rows: texts of the first and of the last set, each under its prompt."""
    lines = read_lines(Path(version.folder) / SAMPLES_FILE)
    if not lines:
        return []
    rows = []
    for when, step in (("before", lines[0]["step"]), ("after", lines[-1]["step"])):
        of_step = [line for line in lines if line["step"] == step][:SAMPLES]
        rows += [[f"{when} (step {step})", _shown(line["prompt"]), _shown(line[answer])] for line in of_step]
    return [["", "prompt", "text"], *rows]


def training_summary(root: str) -> str:
    """The whole report for a terminal; DatasetError where not even the base model is there."""
    require_local(root)
    base = current(root, "base_model")
    parts = [
        *_part("Pretraining: loss on sequences that were held back", held_out(base)),
        *_listed("Samples of the pretrained model", samples(base, "text")),
    ]
    candidates, rm, policy = (_found(root, name) for name in ("sft_candidates", "reward_model", "policy"))
    if candidates is not None:
        rows = fine_tuning(candidates, _found(root, "sft_model"))
        parts += _part("Supervised fine-tuning: held-back demonstrations, and reward of answers", rows)
    if rm is not None:
        parts += _part(
            "Reward model: which of two answers was ranked higher, on held-back prompts", reward(rm)
        )
    if policy is not None:
        parts += _part("PPO: reward of sampled answers", rewards_over_steps(policy))
        parts += _listed("Samples of the policy", samples(policy, "answer"))
    if (compared := _found(root, "alignment_evaluation")) is not None:
        table = (Path(compared.folder) / "table.txt").read_text(encoding="utf-8")
        parts += ["Policy against the others, by the reward model", table]
    for version in filter(None, (base, _found(root, "sft_model"), rm, policy)):
        parts.append(f"{version.name}: {version.folder}/final")
    return "\n".join(parts)


def _part(title: str, rows: Rows) -> list[str]:
    return [title, text_table(rows), ""]


def _listed(title: str, rows: Rows) -> list[str]:
    return [title, *(f"  {when}: [{prompt}] {text}" for when, prompt, text in rows[1:]), ""] if rows else []


def _shown(text: str) -> str:
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= SAMPLE_CHARACTERS else one_line[: SAMPLE_CHARACTERS - 1] + "…"


def _summary(version: DatasetVersion) -> dict[str, Any]:
    return dict(version.manifest["details"]["summary"])


def _found(root: str, name: str) -> DatasetVersion | None:
    try:
        return current(root, name)
    except DatasetError:
        return None


def main() -> int:
    """Print the report of the data root."""
    root = data_root(sys.argv[1] if len(sys.argv) > 1 else "")
    try:
        sys.stdout.write(training_summary(root) + "\n")
    except (DatasetError, TrainingError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
