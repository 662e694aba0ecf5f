"""Fine-tune a GPT on demonstrations: `python -m model.sft CONFIG.json --out FOLDER`. The same command resumes.

Writes metrics.jsonl, epochs.jsonl (validation by epoch), checkpoints/, epoch-01/ ... (each a model that stock
transformers load), final/ (the last epoch's) and summary.json.

InstructGPT, appendix C.1: loss on the answer alone, 16 epochs, cosine to 10 %, no warm-up, residual dropout 0.2; the
epoch is chosen by reward afterwards (model/select_sft.py), since validation loss rises after the first.
"""

import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

from model import memory
from model.command import run_command
from model.data import dataset_folder
from model.dialogue_rows import Fitted, demonstration_rows, fit, last_answer_lengths
from model.export import load_hf, resize_vocabulary, save_hf
from model.gpt import GPT
from model.hf_weights import family_of
from model.loader import Loader
from model.losses import lm_loss
from model.metrics import MetricsFile, read_metrics, summarise, write_json
from model.optimizer import Optimizer
from model.row_order import Rows
from model.schedule import warmup_cosine
from model.sft_batches import (
    MicroBatch,
    SFTData,
    StepBatch,
    answer_rows,
    kind_weights,
    open_texts,
    step_batch,
)
from model.sft_config import SFTConfig
from model.split_tables import read_split
from model.step_batches import StepOrder, digest
from model.tokenizer import load_tokenizer
from model.trainer import Trainer

MAY_CHANGE = ("batch.micro_tokens", "prefetch", "keep_epochs")
EPOCHS = "epochs.jsonl"


class Inputs(NamedTuple):
    """What a run reads before it starts."""

    model: GPT
    tokenizer: PreTrainedTokenizerFast
    train: Fitted
    validation: Fitted


def train(config: SFTConfig, out: Path) -> dict[str, Any]:
    """Train to the end of the last epoch, resuming what `out` holds; the figures of summary.json.

    ValueError (DataError, CheckpointError) where config, data and checkpoints do not fit together.
    """
    inputs = read_inputs(config)
    with Trainer(out, config.run, asdict(config), MAY_CHANGE) as run:
        loop = _Loop(config, run, inputs)
        with memory.advice("batch.micro_tokens", config.batch.micro_tokens):
            loop.run_all()
        return loop.finish()


def read_inputs(config: SFTConfig) -> Inputs:
    """Model, tokenizer and rows within the context; errors as of `train`."""
    tokenizer = load_tokenizer(dataset_folder(config.tokenizer), "right")
    if tokenizer.pad_token_id is None:
        raise ValueError(
            f"{config.tokenizer}: the tokenizer has no <|pad|>; give the chat tokenizer's folder"
        )
    model = load_hf(config.model, resid_dropout=config.resid_dropout)
    family_of(model.config)
    if len(tokenizer) > model.config.vocab_size:
        model = resize_vocabulary(model, len(tokenizer))
    splits = [_rows(config, tokenizer, split, model.config.context) for split in ("train", "validation")]
    return Inputs(model, tokenizer, *splits)


def _rows(config: SFTConfig, tokenizer: PreTrainedTokenizerFast, split: str, context: int) -> Fitted:
    table = read_split(config.data, split, ["prompt", "completion"])
    # Held back, the same loss under every setting: that of the completions.
    rows = demonstration_rows(table, tokenizer, config.loss_on if split == "train" else "completion")
    fitted = fit(rows, context + 1, config.on_long, last_answer_lengths(rows))
    if not len(fitted.kept):
        where = f"{config.data}: all {table.num_rows}"
        if config.on_long == "trim":
            raise ValueError(
                f"{where} answers of split '{split}' are longer than the context of {context}, and no answer is cut; "
                "shorten them, or take a model with a longer context"
            )
        raise ValueError(
            f"{where} rows of split '{split}' are longer than the context of {context}; "
            "set config key on_long to 'trim', or take a model with a longer context"
        )
    return fitted


class _Loop:
    """The model with its data, and the steps."""

    def __init__(self, config: SFTConfig, run: Trainer, inputs: Inputs) -> None:
        self.config, self.run, self.inputs = config, run, inputs
        self.model, self.pad = inputs.model, int(inputs.tokenizer.pad_token_id)
        mix = config.pretraining
        shape = self.model.config
        texts = None if mix is None else open_texts(mix, shape.vocab_size, shape.context)
        share = 0.0 if mix is None else mix.share
        rows = inputs.train.rows
        self.data = SFTData(rows, texts, share, config.batch.rows, config.epochs, config.run.seed)
        self.optimizer: Optimizer = run.optimizer("model", self.model, config.adam)
        self.forward: nn.Module = run.compiled(self.model)
        n_texts = np.array([0 if texts is None else len(texts)])
        order = StepOrder(digest(rows.ids, rows.kinds, rows.offsets, n_texts))
        self.loader: Loader[StepBatch] = Loader(order, self._fetch, 1, depth=config.prefetch)
        run.track("data", self.loader)
        self.epochs: MetricsFile | None = None

    def run_all(self) -> None:
        """All steps from where the run stands."""
        run, plan, rate = self.run, self.data.plan, self.config.rate
        if run.resume():
            self._say(f"resumed at step {run.step} of {plan.steps}")
        if run.world.is_first:
            self.epochs = MetricsFile(run.out / EPOCHS, run.step)
        self.model.train()
        while run.step < plan.steps:
            with run.waiting():
                batch = next(self.loader)
            loss = self._accumulate(batch)
            # The step that uses the rate counts, so the last one has the final rate.
            now = warmup_cosine(run.step + 1, rate.warmup_steps, plan.steps, rate.peak, rate.final_fraction)
            norm = run.update(self.optimizer, now, {"loss": loss})
            figures = {"loss": loss, "rate": now, "gradient_norm": norm, "epoch": plan.epoch(run.step) + 1}
            if plan.ends_epoch(run.step):
                with run.off_the_clock():
                    figures |= self._end_epoch(int(figures["epoch"]))
            run.finish_step(batch.tokens, figures)
        self.loader.close()
        if self.epochs is not None:
            self.epochs.close()

    def finish(self) -> dict[str, Any]:
        """The last checkpoint, the exported model in fp32, and summary.json."""
        run, inputs = self.run, self.inputs
        run.save()
        epochs = read_metrics(run.out / EPOCHS)
        lowest = min(epochs, key=lambda line: line["validation/loss"])
        lines = read_metrics(run.out / "metrics.jsonl")
        summary = {
            "steps": run.step,
            "tokens": run.tokens,
            "epochs": epochs,
            "lowest_validation_epoch": lowest["epoch"],
            "lowest_validation_loss": lowest["validation/loss"],
            "validation/loss": epochs[-1]["validation/loss"],
            "train_rows": len(inputs.train.kept),
            "train_rows_trimmed": inputs.train.trimmed,
            "train_rows_dropped": inputs.train.dropped,
            "validation_rows": len(inputs.validation.kept),
            "validation_rows_dropped": inputs.validation.dropped,
            "pretraining_rows_an_epoch": self.data.n_texts,
            **summarise(lines),
            "peak_memory_bytes": run.peak_memory(),
            "resumed_at": run.resumed_at,
        }
        if run.world.is_first:
            self._export("final", {"validation/loss": summary["validation/loss"]})
            write_json(run.out / "summary.json", summary)
        run.world.wait()
        return summary

    def _fetch(self, rows: Rows) -> StepBatch:
        return self._batches(self.data.step(int(rows[0])), self.config.prompt_loss)

    def _batches(self, rows: list[Any], prompt_loss: float) -> StepBatch:
        world, budget = self.run.world, self.config.batch.micro_tokens
        return step_batch(rows, kind_weights(rows, prompt_loss), budget, self.pad, world.rank, world.size)

    def _loss(self, micro: MicroBatch) -> Tensor:
        to = partial(Tensor.to, device=self.run.device, non_blocking=True)
        hidden: Tensor = self.forward(to(micro.ids))
        chosen = hidden.flatten(0, 1)[to(micro.places)]
        return lm_loss(self.model, chosen, to(micro.targets), to(micro.weights), divisor=1.0)

    def _accumulate(self, batch: StepBatch) -> float:
        """Gradients of a whole step; its loss in nats a token, over all processes."""
        total = torch.zeros((), device=self.run.device)
        for micro in batch.micros:
            loss = self._loss(micro)
            self.run.backward(loss, self.optimizer)
            total += loss.detach()
        self.run.world.sum([total])
        return float(total.item())  # waits for the device, once a step

    def _end_epoch(self, epoch: int) -> dict[str, float]:
        # Before the step's checkpoint: one that stands has its epoch's model beside it.
        figures = {"validation/loss": self._validate()}
        if self.epochs is not None:
            if self.config.keep_epochs:
                self._export(f"epoch-{epoch:02d}", figures | {"epoch": epoch})
            self.epochs.write({"step": self.run.step + 1, "epoch": epoch, **figures})
        self.run.world.wait()
        return figures

    @torch.no_grad()
    def _validate(self) -> float:
        """Mean loss of the answers' tokens held back, in nats."""
        batch = self._batches(answer_rows(self.inputs.validation.rows), 0.0)
        self.model.eval()
        total = torch.zeros((), device=self.run.device)
        for micro in batch.micros:
            total += self._loss(micro)
        self.model.train()
        self.run.world.sum([total])
        return float(total.item())

    def _export(self, name: str, card: dict[str, Any]) -> None:
        with torch.device("meta"):
            model = GPT(self.model.config)
        model.load_state_dict(self.optimizer.weights(), assign=True)  # the fp32 weights, without a copy
        save_hf(model, self.run.out / name, dataset_folder(self.config.tokenizer), card=card)

    def _say(self, text: str) -> None:
        if self.run.world.is_first:
            print(text, file=sys.stderr)


if __name__ == "__main__":
    run_command(SFTConfig, train, __doc__)
