"""Compare policies: `python -m model.alignment CONFIG.json --out FOLDER`.

All contenders answer the same prompts. Every judge, a reward model, says which answer is better than the baseline's:
win rates with intervals; beside them divergence from the reference, length, and best-of-n as the baseline that needs
no training. Alignment tax: benchmarks and losses of every model, less those of one before. Writes answers/ (a Parquet
file a contender), evaluation/, results.json, summary.json (flat), and table.txt, which is printed too; what is
finished is not done again.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from transformers import PreTrainedTokenizerFast

from model import memory
from model.alignment_config import AlignmentConfig, ContenderConfig, TaxConfig
from model.best_of_n import draw_prompts, kl_of_best, sample_scored
from model.command import run_command
from model.evaluate import evaluate
from model.evaluate_config import EvaluateConfig
from model.export import load_hf, load_hf_scalar
from model.gpt import GPT
from model.inference import decode_text, open_model
from model.metrics import write_json
from model.parts import Parts
from model.reward_report import wilson
from model.rollout import Episodes, ModelReward, Prompt, Reward, answer_logprobs, load_prompts
from model.row_files import write_parquet
from model.sampling_config import SamplingConfig
from model.tokenizer import end_ids

Floats = npt.NDArray[np.float64]
RESAMPLES = 1000  # bootstrap


class Court(NamedTuple):
    """Who judges: the reference and the judges by name, on one device; prompts and how they are answered."""

    reference: GPT
    judges: dict[str, Reward]
    prompts: list[Prompt]
    tokenizer: PreTrainedTokenizerFast


def compare(config: AlignmentConfig, out: Path) -> dict[str, Any]:
    """Measure everything into the folder `out`, and give the flat summary.

    A ValueError names the config key, or the folder at fault.
    """
    court, left_out = _court(config)
    folders = {contender.folder for contender in config.contenders}
    folders |= {judge.folder for judge in config.judges} | {config.reference}
    memory_alone = ("generate_rows", "micro_rows", "tax.batch_tokens")
    parts = Parts(out, asdict(config), sorted(folders), free=memory_alone)
    tables = {}
    for contender in config.contenders:
        file, finished = parts.part(f"answers/{contender.name}.parquet")
        if not finished:
            write_parquet(file, answer_prompts(config, contender, court))
        tables[contender.name] = pq.read_table(file)
    results: dict[str, Any] = {
        "prompts": len(court.prompts),
        "prompts_left_out": left_out,
        "contenders": {
            contender.name: standing(config, contender, tables) for contender in config.contenders
        },
    }
    if config.tax is not None:
        results["tax"] = _tax(config, config.tax, out)
    table = show(results, config)
    print(table)
    (out / "table.txt").write_text(table + "\n", encoding="utf-8")
    write_json(out / "results.json", results)
    summary = flat(results)
    write_json(out / "summary.json", summary)
    return summary


def answer_prompts(config: AlignmentConfig, contender: ContenderConfig, court: Court) -> pa.Table:
    """A row a prompt: the contender's answer, its length, its divergence from the reference, its scores.

    Answers of single draws share their noise with those of the others. Best-of-n has noise of its own: with the
    baseline's among its draws it would tie with it, and not lose, where that one is best.
    """
    model, tokenizer = open_model(contender.folder, config.device, config.dtype)
    if tokenizer.get_vocab() != court.tokenizer.get_vocab():
        raise ValueError(
            f"contenders: {contender.folder} has another tokenizer than {config.contenders[0].folder}; the "
            "answers of all must be read by the same judges"
        )
    n, first = contender.best_of, next(iter(court.judges.values()))
    sampling = SamplingConfig(
        max_new_tokens=config.answer_tokens,
        on_long_prompt="refuse",
        seed=config.seed if n == 1 else ((config.seed + 1) << 32) + n,
        max_rows=config.generate_rows,
    )
    ends = end_ids(court.tokenizer)
    with memory.advice("generate_rows", config.generate_rows):
        episodes, scores = sample_scored(model, court.prompts, n, first, sampling, ends)
    chosen = torch.from_numpy(np.arange(len(scores)) * n + scores.argmax(axis=1))
    episodes = episodes.take(chosen)
    answers = episodes.answers()
    columns: dict[str, Any] = {
        "prompt_id": [prompt.prompt_id for prompt in court.prompts],
        "prompt": [decode_text(court.tokenizer, prompt.ids, special=True) for prompt in court.prompts],
        "answer": [decode_text(court.tokenizer, answer) for answer in answers],
        "n_tokens": [len(answer) for answer in answers],
        "ended": episodes.ended.tolist(),
        "kl": divergences(model, court.reference, episodes, config.micro_rows),
    }
    columns |= {
        f"score/{name}": judge(episodes).double().cpu().numpy() for name, judge in court.judges.items()
    }
    return pa.table(columns)


@torch.no_grad()
def divergences(model: GPT, reference: GPT, episodes: Episodes, micro_rows: int) -> Floats:
    """ln P(answer) - ln P_reference(answer) of each episode [N], in nats; its mean estimates the KL."""
    found = []
    for rows in torch.split(torch.arange(len(episodes.ids)), micro_rows):
        part = episodes.take(rows)
        ours, theirs = (answer_logprobs(reader, part)[0] for reader in (model, reference))
        found.append((ours - theirs).double().sum(1).cpu().numpy())
    return np.concatenate(found)


def standing(
    config: AlignmentConfig, contender: ContenderConfig, tables: dict[str, pa.Table]
) -> dict[str, Any]:
    """A contender's figures, against the baseline by each judge, and on its own."""
    mine, other = tables[contender.name], tables[config.baseline]
    lengths, kls = mine["n_tokens"].to_numpy(), mine["kl"].to_numpy()
    figures: dict[str, Any] = {
        "answer_tokens": float(lengths.mean()),
        "ended_share": float(mine["ended"].to_numpy(zero_copy_only=False).mean()),
        "best_of": contender.best_of,
        "judges": {},
    }
    if contender.best_of == 1:
        figures |= {"kl": float(kls.mean()), "kl_standard_error": _standard_error(kls)}
    else:
        # The log-ratio of a chosen answer is no sample of it. The formula's is from the model that answered.
        figures |= {"kl": kl_of_best(contender.best_of), "kl_standard_error": None}
    for judge in config.judges:
        ours, theirs = (table[f"score/{judge.name}"].to_numpy() for table in (mine, other))
        figures["judges"][judge.name] = beats(ours, theirs, config.seed)
    return figures


def beats(mine: Floats, baseline: Floats, seed: int) -> dict[str, Any]:
    """Scores of answers to the same prompts [P]: how often the first are better (a tie counts half), and by how much.

    Wilson's 95 % interval of the win rate; a bootstrap interval over prompts of the difference of means.
    """
    rate = float(((np.sign(mine - baseline) + 1) / 2).mean())
    low, high = wilson(rate, len(mine))
    gap = mine - baseline
    drawn = np.random.default_rng(seed).integers(len(gap), size=(RESAMPLES, len(gap)))
    ends = np.percentile(gap[drawn].mean(axis=1), [2.5, 97.5])
    return {
        "win_rate": rate,
        "win_rate_low": low,
        "win_rate_high": high,
        "ties": float((gap == 0).mean()),
        "score": float(mine.mean()),
        "score_gain": float(gap.mean()),
        "score_gain_low": float(ends[0]),
        "score_gain_high": float(ends[1]),
    }


def tax_of(figures: dict[str, dict[str, float]], before: str) -> dict[str, Any]:
    """Figures of each model (by name), and how much more they are than `before`'s, where both are numbers."""
    first = {key: value for key, value in figures[before].items() if value is not None}
    return {
        name: {
            "figures": mine,
            "change": {key: mine[key] - first[key] for key in mine if key in first and mine[key] is not None},
        }
        for name, mine in figures.items()
    }


def show(results: dict[str, Any], config: AlignmentConfig) -> str:
    """The table for people: a line a contender and judge, then the tax."""
    lines = [
        f"{'contender':<16} {'judge':<12} win rate against {config.baseline:<12} "
        f"{'score':>8} {'KL':>8} {'tokens':>7}"
    ]
    for name, figures in results["contenders"].items():
        for judge, by in figures["judges"].items():
            interval = f"[{by['win_rate_low']:.3f}, {by['win_rate_high']:.3f}]"
            lines.append(
                f"{name:<16} {judge:<12} {by['win_rate']:.3f} {interval:<22} "
                f"{by['score']:>8.3f} {figures['kl']:>8.3f} {figures['answer_tokens']:>7.1f}"
            )
    for name, tax in results.get("tax", {}).items():
        lines += [
            f"tax {name:<12} {key:<40} {tax['figures'][key]:>9.4f} ({change:+.4f})"
            for key, change in tax["change"].items()
        ]
    return "\n".join(lines)


def flat(results: dict[str, Any]) -> dict[str, Any]:
    """The figures that a table of runs shows, by name."""
    found: dict[str, Any] = {key: results[key] for key in ("prompts", "prompts_left_out")}
    for name, figures in results["contenders"].items():
        found |= {f"{name}/{key}": value for key, value in figures.items() if key != "judges"}
        for judge, by in figures["judges"].items():
            found |= {f"{name}/{judge}/{key}": value for key, value in by.items()}
    for name, tax in results.get("tax", {}).items():
        found |= {f"{name}/tax/{key}": value for key, value in tax["change"].items()}
    return found


def _court(config: AlignmentConfig) -> tuple[Court, int]:
    """The models that judge, and the prompts; how many of these were too long."""
    opened, tokenizer = open_model(config.contenders[0].folder, config.device, config.dtype)
    device, dtype = opened.wte.weight.device, opened.wte.weight.dtype
    reference = load_hf(config.reference).to(device, dtype)
    scalars = {judge.name: load_hf_scalar(judge.folder).to(device, dtype) for judge in config.judges}
    end = end_ids(tokenizer)[-1]
    judges: dict[str, Reward] = {
        name: ModelReward(model, end, config.micro_rows) for name, model in scalars.items()
    }
    context = min(
        model.config.context for model in (opened, reference, *(scalar.trunk for scalar in scalars.values()))
    )
    known, left_out = load_prompts(config.prompts, tokenizer, context - config.answer_tokens - 1)
    return Court(reference, judges, draw_prompts(known, config.limit, config.seed), tokenizer), left_out


def _tax(config: AlignmentConfig, tax: TaxConfig, out: Path) -> dict[str, Any]:
    """Benchmarks and losses of every contender that is a model of its own."""
    figures = {}
    for contender in config.contenders:
        if contender.best_of > 1:
            continue
        measured = EvaluateConfig(
            model=contender.folder,
            tasks=tax.tasks,
            losses=tax.losses,
            contamination=tax.contamination,
            seed=config.seed,
            batch_tokens=tax.batch_tokens,
            device=config.device,
            dtype=config.dtype,
        )
        figures[contender.name] = evaluate(measured, out / "evaluation" / contender.name)
    return tax_of(figures, tax.before)


def _standard_error(values: Sequence[float] | Floats) -> float | None:
    sample = np.asarray(values, np.float64)
    return float(sample.std(ddof=1) / np.sqrt(len(sample))) if len(sample) > 1 else None


if __name__ == "__main__":
    run_command(AlignmentConfig, compare, __doc__)
