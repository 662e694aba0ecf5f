"""Train a reward model on comparisons: `python -m model.reward CONFIG.json --out FOLDER`. The same command resumes.

Writes metrics.jsonl, checkpoints/, value_init/ (the model before the shift, for PPO's value function), final/ (which
stock transformers load as a classifier of one score), report.json, scores.parquet, summary.json, and folds/ where
the config asks for cross-validation.

InstructGPT, section 3.5 and appendix C.2: the fine-tuned model with a scalar head, one epoch, all judged pairs of a
prompt one element of the batch, and scores shifted so that demonstrations average 0.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

from model import memory
from model.command import run_command
from model.dialogue_rows import TokenRows, demonstration_rows, fit, last_answer_lengths
from model.distributed import join_world
from model.export import load_hf, save_hf
from model.gpt import ScalarGPT
from model.hf_weights import family_of
from model.judgements import COLUMNS, OPTIONAL, Judged, fold_of, read_judgements
from model.loader import Loader
from model.metrics import read_metrics, summarise, write_json
from model.optimizer import Optimizer
from model.pair_loss import element_weights, pair_loss
from model.reward_batches import PairBatch, RewardStep, reward_step
from model.reward_config import RewardConfig, ZeroConfig
from model.reward_report import flat, report
from model.row_files import write_parquet
from model.row_order import Rows
from model.schedule import warmup_cosine
from model.scoring import last_scores, score_rows, shift_scores
from model.split_tables import read_split
from model.step_batches import StepOrder, StepPlan, digest
from model.tokenizer import load_tokenizer
from model.trainer import Trainer

MAY_CHANGE = ("batch.micro_tokens", "prefetch", "validate_every", "demonstrations")
Scores = npt.NDArray[np.float32]


def train(config: RewardConfig, out: Path) -> dict[str, Any]:
    """Train, resuming what `out` holds, shift, export, report; the figures of summary.json.

    ValueError (DataError, CheckpointError) where config, data and checkpoints do not fit together.
    """
    tokenizer = load_tokenizer(config.model, "right")
    if tokenizer.pad_token_id is None:
        raise ValueError(f"{config.model}: the tokenizer has no <|pad|>; give a model of the chat tokenizer")
    shape = load_hf(config.model).config
    family_of(shape)
    judged = _read(config, tokenizer, "train", shape.context)
    held = _read(config, tokenizer, "validation", shape.context)
    zero = None if config.demonstrations is None else _zero_rows(config, tokenizer, shape.context)
    with join_world(config.run.device):  # for all folds and the main run
        folds = [_fold(config, out, tokenizer, judged, number) for number in range(config.folds)]
        with Trainer(out, config.run, asdict(config), MAY_CHANGE) as run:
            loop = _Loop(config, run, tokenizer, judged, held)
            with memory.advice("batch.micro_tokens", config.batch.micro_tokens):
                loop.run_all()
                return _finish(loop, zero, folds)


def _read(config: RewardConfig, tokenizer: PreTrainedTokenizerFast, split: str, context: int) -> Judged:
    table = read_split(config.comparisons, split, COLUMNS, OPTIONAL)
    judged = read_judgements(table, tokenizer, context, config.on_long)
    if not judged.counts.pairs:
        raise ValueError(
            f"{config.comparisons}: split '{split}' has {judged.counts.judgements} judgements and no pair of "
            f"different ranks within the context of {context} tokens; add comparisons, or set on_long to 'trim'"
        )
    return judged


def _zero_rows(config: RewardConfig, tokenizer: PreTrainedTokenizerFast, context: int) -> TokenRows:
    zero = config.demonstrations or ZeroConfig("")
    table = read_split(zero.folder, zero.split, ["prompt", "completion"], ["kind"])
    if zero.kinds and "kind" in table.column_names:
        table = table.filter(pc.is_in(table["kind"], pa.array(zero.kinds)))
    rows = demonstration_rows(table.slice(0, zero.rows), tokenizer)
    fitted = fit(rows, context, config.on_long, last_answer_lengths(rows))
    if not len(fitted.kept):
        raise ValueError(
            f"{zero.folder}: no row of split '{zero.split}' and kinds {list(zero.kinds)} fits the context of "
            f"{context}; change config key demonstrations, or set it to null for no shift"
        )
    return fitted.rows


class _Loop:
    """The model with its data, and the steps."""

    def __init__(
        self,
        config: RewardConfig,
        run: Trainer,
        tokenizer: PreTrainedTokenizerFast,
        judged: Judged,
        held: Judged,
    ) -> None:
        self.config, self.run, self.judged, self.held = config, run, judged, held
        self.pad = int(tokenizer.pad_token_id)
        self.model = ScalarGPT(load_hf(config.model, resid_dropout=config.resid_dropout))
        self.plan = StepPlan(len(judged.prompts), config.batch.prompts, config.epochs, config.run.seed)
        self.optimizer: Optimizer = run.optimizer("model", self.model, config.adam)
        self.forward: nn.Module = run.compiled(self.model)
        rows = judged.rows
        order = StepOrder(digest(rows.ids, rows.offsets, judged.better, judged.worse, judged.weight))
        self.loader: Loader[RewardStep] = Loader(order, self._fetch, 1, depth=config.prefetch)
        run.track("data", self.loader)

    def run_all(self) -> None:
        """All steps from where the run stands, the last checkpoint, and the model left in fp32."""
        run, plan, rate = self.run, self.plan, self.config.rate
        if run.resume() and run.world.is_first:
            print(f"resumed at step {run.step} of {plan.steps}", file=sys.stderr)
        self.model.train()
        while run.step < plan.steps:
            with run.waiting():
                batch = next(self.loader)
            loss, accuracy = self._accumulate(batch)
            now = warmup_cosine(run.step + 1, rate.warmup_steps, plan.steps, rate.peak, rate.final_fraction)
            norm = run.update(self.optimizer, now, {"loss": loss})
            figures = {"loss": loss, "accuracy": accuracy, "rate": now, "gradient_norm": norm}
            figures |= {"pairs": batch.pairs, "epoch": plan.epoch(run.step) + 1}
            if self.config.validate_every and (run.step + 1) % self.config.validate_every == 0:
                with run.off_the_clock():
                    figures |= self._validate()
            run.finish_step(batch.tokens, figures)
        self.loader.close()
        run.save()
        self.optimizer.release(self.model)
        self.model.eval()

    def scores(self, rows: TokenRows) -> Scores:
        """The score of every row, over all processes."""
        world = self.run.world
        found = score_rows(self.model, rows, self.config.batch.micro_tokens, self.pad, world.rank, world.size)
        total = torch.from_numpy(found).to(world.device)
        world.sum([total])
        return total.cpu().numpy()

    def _fetch(self, steps: Rows) -> RewardStep:
        world, budget = self.run.world, self.config.batch.micro_tokens
        prompts = self.plan.rows(int(steps[0]))
        return reward_step(self.judged, prompts, budget, self.pad, world.rank, world.size)

    def _accumulate(self, batch: RewardStep) -> tuple[float, float]:
        """Gradients of a whole step; its loss, and the accuracy by the same weights, over all processes."""
        total = torch.zeros(2, device=self.run.device)
        for micro in batch.micros:
            on_device = PairBatch(*(part.to(self.run.device, non_blocking=True) for part in micro))
            scores = last_scores(self.forward, on_device.ids, on_device.last)
            loss = pair_loss(scores, on_device.better, on_device.worse, on_device.weights)
            self.run.backward(loss, self.optimizer)
            right = scores[on_device.better] > scores[on_device.worse]
            total += torch.stack([loss, (on_device.weights * right).sum()]).detach()
        self.run.world.sum([total])
        loss_, accuracy = total.tolist()  # waits for the device, once a step
        return loss_, accuracy

    def _validate(self) -> dict[str, float]:
        scores = self.scores(self.held.rows)
        return {
            "validation/loss": mean_loss(self.held, scores),
            **flat(report(self.held, scores), "validation"),
        }


def mean_loss(judged: Judged, scores: Scores) -> float:
    """The loss of all pairs, as in training: by prompt first."""
    weights = torch.from_numpy(element_weights(judged.prompt_of_pair, judged.weight)).float()
    better, worse = torch.from_numpy(judged.better), torch.from_numpy(judged.worse)
    loss: Tensor = pair_loss(torch.from_numpy(scores), better, worse, weights)
    return float(loss.item())


def _finish(loop: _Loop, zero: TokenRows | None, folds: list[dict[str, Any]]) -> dict[str, Any]:
    run, model, config = loop.run, loop.model, loop.config
    shift = 0.0 if zero is None else -float(loop.scores(zero).astype(np.float64).mean())
    if run.world.is_first:
        save_hf(model, run.out / "value_init", config.model)
    if shift:
        shift_scores(model, shift)  # PPO's value function begins without it
    scores = loop.scores(loop.held.rows)
    figures = report(loop.held, scores)
    lines = read_metrics(run.out / "metrics.jsonl")
    summary = {
        "steps": run.step,
        "tokens": run.tokens,
        "loss": lines[-1]["loss"] if lines else None,
        "validation/loss": mean_loss(loop.held, scores),
        **flat(figures, "validation"),
        "score_shift": shift,
        "demonstrations": 0 if zero is None else len(zero.lengths),
        "validation/score_mean": float(scores.mean()),
        "validation/score_std": float(scores.std()),
        **{f"train/{key}": value for key, value in loop.judged.counts._asdict().items()},
        **{f"validation/{key}": value for key, value in loop.held.counts._asdict().items()},
        **_cross_validated(folds),
        **summarise(lines),
        "peak_memory_bytes": run.peak_memory(),
        "resumed_at": run.resumed_at,
    }
    if run.world.is_first:
        save_hf(
            model,
            run.out / "final",
            config.model,
            card={"accuracy": figures["accuracy"], "score_shift": shift},
        )
        _note(run.out / "final" / "config.json", {"score_shift": shift})
        write_parquet(run.out / "scores.parquet", _score_table(loop.held, scores))
        write_json(run.out / "report.json", figures | {"folds": folds})
        write_json(run.out / "summary.json", summary)
    run.world.wait()
    return summary


def _fold(
    config: RewardConfig, out: Path, tokenizer: PreTrainedTokenizerFast, judged: Judged, number: int
) -> dict[str, Any]:
    """Accuracy, on one fold's groups of prompts, of a model that is trained on the others; nothing is exported."""
    folder = out / "folds" / f"fold-{number + 1}"
    settings = json.loads(json.dumps({**asdict(config), "fold": number}))
    done = folder / "summary.json"
    if done.exists():
        known = json.loads(done.read_text(encoding="utf-8"))
        if known["settings"] == settings:
            return dict(known["figures"])
    apart = fold_of([prompt.group for prompt in judged.prompts], config.folds, config.run.seed) == number
    if apart.all() or not apart.any():
        raise ValueError(
            f"folds: fold {number + 1} of {config.folds} would have {int(apart.sum())} of {len(apart)} prompts: "
            "there are too few groups of prompts; lower config key folds"
        )
    with Trainer(folder, config.run, settings, MAY_CHANGE) as run:
        loop = _Loop(config, run, tokenizer, judged.of_prompts(~apart), judged.of_prompts(apart))
        with memory.advice("batch.micro_tokens", config.batch.micro_tokens):
            loop.run_all()
            found = report(loop.held, loop.scores(loop.held.rows))
        figures = {key: found[key] for key in ("accuracy", "low", "high", "pairs", "prompts")}
        if run.world.is_first:
            write_json(done, {"settings": settings, "figures": figures})
        run.world.wait()
    return figures


def _cross_validated(folds: list[dict[str, Any]]) -> dict[str, float]:
    """Mean over the folds, and its standard deviation between them, as InstructGPT gives it (section 4.1)."""
    if not folds:
        return {}
    found = np.array([fold["accuracy"] for fold in folds])
    return {"cross_validated/accuracy": float(found.mean()), "cross_validated/std": float(found.std(ddof=1))}


def _note(config_file: Path, facts: dict[str, Any]) -> None:
    """Add keys to a checkpoint's config.json; stock classes keep those they do not know."""
    write_json(config_file, {**json.loads(config_file.read_text(encoding="utf-8")), **facts})


def _score_table(judged: Judged, scores: Scores) -> pa.Table:
    return pa.table(
        {
            "prompt_id": [judged.prompts[p].id for p in judged.prompt_of],
            "completion_id": judged.answer_ids,
            "n_tokens": judged.answer_tokens,
            "score": scores,
        }
    )


if __name__ == "__main__":
    run_command(RewardConfig, train, __doc__)
