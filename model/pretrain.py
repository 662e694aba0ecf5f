"""Pretrain a GPT on packed sequences: `python -m model.pretrain CONFIG.json --out FOLDER`.

On several GPUs: `torchrun --nproc-per-node 8 -m model.pretrain CONFIG.json --out FOLDER`. The same command resumes.
Writes metrics.jsonl, samples.jsonl, checkpoints/, summary.json, and final/, which stock transformers load.

GPT-3's appendix B throughout: full sequences of packed documents with no mask between them, rows without replacement
within an epoch, AdamW, warm-up and cosine by tokens, a batch that grows.
"""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

from model import flops, memory
from model.command import run_command
from model.data import DataError, PackedRows, dataset_folder
from model.decoding import generate
from model.export import save_hf
from model.gpt import GPT
from model.hf_weights import family_of
from model.inference import decode_text, encode_text
from model.loader import Loader, packed_batches
from model.losses import CHUNK_CPU, CHUNK_CUDA, lm_loss
from model.metrics import MetricsFile, read_metrics, summarise, write_json
from model.optimizer import Optimizer
from model.pretrain_config import PretrainConfig, StepPlan, plan_step
from model.row_order import MixedOrder, Order, RowOrder
from model.sampling import SamplingConfig
from model.tokenizer import end_ids, load_tokenizer
from model.trainer import Trainer
from model.validation import HeldBack, evaluate, held_back, token_bytes

# A run may be made longer, or watched otherwise. The rate then follows the new length where it had none of its own.
MAY_CHANGE = ("tokens", "watch", "prefetch", "tokenizer", "batch.micro_rows")


def train(config: PretrainConfig, out: Path) -> dict[str, Any]:
    """Train to `config.tokens`, resuming what `out` holds; the figures of summary.json.

    ValueError (DataError, CheckpointError) where config, data or checkpoints do not fit together.
    """
    family_of(config.model)  # a shape that cannot be exported is refused before it is trained
    rows = open_sources(config)
    reached, positions = rows[0].length - 1, config.model.context
    if reached < positions:
        print(
            f"rows of {reached + 1} tokens train {reached} of the {positions} positions of model.context: beyond "
            "them the model will answer at random",
            file=sys.stderr,
        )
    held = _validation(config)
    tokenizer = None if config.tokenizer is None else _tokenizer(config)
    with Trainer(out, config.run, asdict(config), MAY_CHANGE) as run:
        if config.batch.rows % (config.batch.micro_rows * run.world.size):
            raise ValueError(
                f"batch.rows ({config.batch.rows}) must be a multiple of batch.micro_rows times the number of "
                f"processes ({config.batch.micro_rows} x {run.world.size})"
            )
        loop = _Loop(config, run, rows, held, tokenizer)
        with memory.advice("batch.micro_rows", config.batch.micro_rows):
            loop.run_all()
        return loop.finish()


def open_sources(config: PretrainConfig) -> list[PackedRows]:
    """The training rows of each source; DataError where one is missing or does not fit the model."""
    rows = [
        PackedRows(source.folder, "train", source.source, config.model.vocab_size)
        for source in config.sources
    ]
    for source in rows:
        if source.length != rows[0].length:
            raise DataError(
                f"{source.folder}: rows of {source.length} tokens, but {rows[0].folder} has {rows[0].length}: "
                "pack both with the same context"
            )
        if not 2 <= source.length <= config.model.context + 1:
            raise DataError(
                f"{source.folder}: rows of {source.length} tokens need a context of {source.length - 1}, config key "
                f"model.context is {config.model.context}: change it, or pack again"
            )
    return rows


def make_order(config: PretrainConfig, rows: list[PackedRows]) -> Order:
    """The order of one source, or the mixture of several; sets how many rows each source holds decoded."""
    orders = [RowOrder(source.group_sizes(), config.run.seed, config.window_rows) for source in rows]
    for source, order in zip(rows, orders, strict=True):
        # A source of few rows in every group decodes whole groups for them.
        share = len(order) / max(int(source.sizes.sum()), 1)
        source.cached_rows = int(order.window_limit() / share) + int(source.sizes.max())
    if len(orders) == 1:
        return orders[0]
    names = [source.name for source in config.sources]
    weights = {source.name: source.weight for source in config.sources}
    return MixedOrder(dict(zip(names, orders, strict=True)), weights, config.run.seed)


class _Loop:
    """The model with its data, and the steps."""

    def __init__(
        self,
        config: PretrainConfig,
        run: Trainer,
        rows: list[PackedRows],
        held: HeldBack | None,
        tokenizer: PreTrainedTokenizerFast | None,
    ) -> None:
        self.config, self.run, self.held, self.tokenizer = config, run, held, tokenizer
        self.samples: MetricsFile | None = None
        self.context = rows[0].length - 1
        self.model = GPT(config.model)
        self.n_parameters = sum(p.numel() for p in self.model.parameters())
        self._tell_memory()
        self.optimizer: Optimizer = run.optimizer("model", self.model, config.adam)
        self.forward: nn.Module = run.compiled(self.model)
        self.sizes = None if tokenizer is None else token_bytes(tokenizer, config.model.vocab_size)
        self.loader = Loader(
            make_order(config, rows),
            packed_batches(rows, pin=run.device.type == "cuda"),
            config.batch.micro_rows,
            run.world.rank,
            run.world.size,
            config.prefetch,
        )
        run.track("data", self.loader)
        peak = config.watch.peak_tflops
        run.utilisation = flops.Utilisation(
            config.model,
            flops.device_peak(run.device) if peak is None else peak * 1e12,
            run.world.size,
            self.context,
        )

    def run_all(self) -> None:
        """All steps from where the run stands."""
        run, config = self.run, self.config
        if run.resume():
            self._say(f"resumed at step {run.step}, {run.tokens:,} tokens")
        if run.world.is_first:
            self.samples = MetricsFile(run.out / "samples.jsonl", run.step)
        self.model.train()
        while run.tokens < config.tokens:
            plan = plan_step(config, run.tokens, self.context, run.world.size)
            loss = self._accumulate(plan)
            norm = run.update(self.optimizer, plan.rate, {"loss": loss})
            tokens = plan.rows * self.context
            figures = {"loss": loss, "rate": plan.rate, "gradient_norm": norm, "batch_tokens": tokens}
            with run.off_the_clock():
                figures |= self._watch(run.tokens + tokens >= config.tokens)
            run.finish_step(tokens, figures)
        self.loader.close()
        if self.samples is not None:
            self.samples.close()

    def finish(self) -> dict[str, Any]:
        """The last checkpoint, the exported model in fp32, and summary.json."""
        run = self.run
        run.save()
        figures = self._validate()
        lines = read_metrics(run.out / "metrics.jsonl")
        summary = {
            "steps": run.step,
            "tokens": run.tokens,
            "parameters": self.n_parameters,
            "loss": lines[-1]["loss"] if lines else None,
            **figures,
            **summarise(lines),
            "peak_memory_bytes": run.peak_memory(),
            "device": torch.cuda.get_device_name(run.device) if run.device.type == "cuda" else "cpu",
            "dtype": str(run.dtype).removeprefix("torch."),
            "processes": run.world.size,
            "resumed_at": run.resumed_at,
        }
        if run.world.is_first:
            self.optimizer.release(self.model)
            tokenizer = None if self.config.tokenizer is None else dataset_folder(self.config.tokenizer)
            save_hf(self.model, run.out / "final", tokenizer, card=figures | {"tokens": run.tokens})
            write_json(run.out / "summary.json", summary)
        run.world.wait()
        return summary

    def _accumulate(self, plan: StepPlan) -> float:
        """Gradients of a whole batch; its mean loss in nats a token, over all processes."""
        micro_steps = plan.rows // (self.config.batch.micro_rows * self.run.world.size)
        total = torch.zeros((), device=self.run.device)
        for _ in range(micro_steps):
            with self.run.waiting():
                batch = next(self.loader)
            ids = batch.to(self.run.device, non_blocking=True).long()
            hidden: Tensor = self.forward(ids[:, :-1])
            loss = lm_loss(self.model, hidden, ids[:, 1:], divisor=float(plan.rows * self.context))
            self.run.backward(loss, self.optimizer)
            total += loss.detach()
        self.run.world.sum([total])
        return float(total.item())  # waits for the device, once a step

    def _watch(self, is_last: bool) -> dict[str, float]:
        step, watch = self.run.step + 1, self.config.watch
        if watch.sample_every and (is_last or step % watch.sample_every == 0):
            self._sample(step)
        # The last step is validated with the summary.
        due = watch.validate_every and step % watch.validate_every == 0
        return self._validate() if due else {}

    def _validate(self) -> dict[str, float]:
        if self.held is None:
            return {}
        rows = self.config.batch.micro_rows
        return evaluate(self.model, self.forward, self.held, self.sizes, rows, self.run.world)

    def _sample(self, step: int) -> None:
        if self.tokenizer is None or self.samples is None:
            return
        watch = self.config.watch
        begin = end_ids(self.tokenizer)[:1]
        prompts = [encode_text(self.tokenizer, prompt) or begin for prompt in watch.prompts]
        new = min(watch.sample_tokens, self.context - 1)
        made = generate(self.model, prompts, SamplingConfig(max_new_tokens=new, seed=step), begin)
        for prompt, ids in zip(watch.prompts, made.ids, strict=True):
            text = decode_text(self.tokenizer, ids.tolist())
            self.samples.write({"step": step, "prompt": prompt, "text": text})

    def _tell_memory(self) -> None:
        on_cuda = self.run.device.type == "cuda"
        needed = memory.estimate(
            self.config.model,
            self.n_parameters,
            self.config.batch.micro_rows,
            self.context,
            self.run.dtype,
            CHUNK_CUDA if on_cuda else CHUNK_CPU,
        )
        free = memory.available(self.run.device)
        self._say(memory.describe(needed, free))
        if free is not None and needed.total > free:
            self._say("that is more than is free: lower config key batch.micro_rows if it fails")

    def _say(self, text: str) -> None:
        if self.run.world.is_first:
            print(text, file=sys.stderr)


def _validation(config: PretrainConfig) -> HeldBack | None:
    if not config.watch.validate_every:
        return None
    folders = dict.fromkeys(source.folder for source in config.sources)
    try:
        rows = [PackedRows(folder, "validation", vocab_size=config.model.vocab_size) for folder in folders]
    except DataError as error:
        raise DataError(f"{error}; or set config key watch.validate_every to 0") from None
    return held_back(rows, config.watch.validation_rows)


def _tokenizer(config: PretrainConfig) -> PreTrainedTokenizerFast:
    folder = dataset_folder(str(config.tokenizer))
    tokenizer = load_tokenizer(folder)
    if len(tokenizer) > config.model.vocab_size:
        raise ValueError(
            f"{folder}: the tokenizer has {len(tokenizer)} tokens, config key model.vocab_size is "
            f"{config.model.vocab_size}: raise it, or give the data's own tokenizer"
        )
    return tokenizer


if __name__ == "__main__":
    run_command(PretrainConfig, train, __doc__)
