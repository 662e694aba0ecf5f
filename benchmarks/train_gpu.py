"""Speed of pretraining and generation on one GPU, beside what the device could do and beside peers.

    python -m benchmarks.train_gpu [--parts parity kernels ...] [--models gpt3-small] [--out FIGURES.json]

Synthetic tokens, random weights; our figures are of the calls that training itself makes. Each is the median of
`--repeats` after a warm-up, the device waited for at both ends; `spread` is (slowest - fastest) / median.

| part      | what is measured |
| parity    | results and gradients of each attention route in bf16 against the masked softmax in fp32 |
| kernels   | milliseconds of one layer's attention, forward and backward, by route |
| routes    | training tokens/s by route, compiled and not |
| micro     | training tokens/s by micro-batch |
| dense     | our alternating model against our all-dense one, step by step in turn |
| pretrain  | model.pretrain as a user starts it, loader, metrics and all |
| nano      | a loop as nanoGPT has it |
| hf        | Hugging Face's Trainer with stock GPT-2 (needs accelerate) |
| generate  | sampled tokens/s of 512 rows, 256 + 256 tokens, against the time to read weights and KV |
| loader    | packed rows from Parquet, tokens/s of one worker |

`mfu` counts 6N + 12LdT FLOPs a token, `mfu_causal` what causality and the band leave (model/flops.py), both over the
device's dense bf16 peak, which is printed. `required` and `goal` stand beside the figures they are meant for.
Compilation takes most of the time of `routes`, `micro` and `dense`: choose parts and models where time is short.
"""

import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from benchmarks import gpu_peers, loader
from benchmarks.gpu_tools import (
    Cell,
    Part,
    Row,
    Settings,
    bandwidth,
    column,
    decode_bytes,
    kv_bytes,
    paired,
    rate,
    run_parts,
    timed,
)
from model import flops
from model.attention import Route, attend, prepare_flex
from model.decoding import generate
from model.gpt import GPT
from model.gpt_config import GPTConfig, dense
from model.losses import lm_loss
from model.metrics import read_metrics
from model.pretrain import train
from model.pretrain_config import BatchConfig, PretrainConfig, RateConfig, SourceConfig, WatchConfig
from model.run_config import AdamConfig, RunConfig
from model.sampling import SamplingConfig, choose
from model.trainer import Trainer

REQUIRED = {"gpt3-small": 358_000.0}  # tokens/s on one H100: 35 % by 6N + 12LdT
GOAL = {"gpt3-small": 409_000.0}  # 40 %
DENSE_SHARE = 0.9
LOADER_REQUIRED = 4e6
TOLERANCE = 0.02  # relative error in the Frobenius norm; bf16 keeps 8 bits
WARMUP = 3
BATCH, MICRO = 256, 16  # GPT-3's half a million tokens; model.pretrain's defaults
SWEEP_BATCH, SWEEP_MICRO = 64, (8, 16, 32, 64)
DECODED, PROMPT, ANSWER = 512, 256, 256


class Steps:
    """Whole steps of pretraining on one random micro-batch: what model.pretrain does between two metrics."""

    def __init__(
        self, run: Trainer, name: str, shape: GPTConfig, route: Route, rows: int, micro: int
    ) -> None:
        self.run, self.rows, self.micro = run, rows, micro
        self.model = GPT(shape)
        self.model.route = route
        if route == "flex":
            for window in {shape.window(layer) for layer in range(shape.n_layer)}:
                prepare_flex(shape.context, window, run.device)
        self.optimizer = run.optimizer(name, self.model, AdamConfig())
        self.forward = run.compiled(self.model)
        ids = torch.randint(shape.vocab_size, (micro, shape.context + 1), dtype=torch.int32)
        self.batch = ids.pin_memory() if run.device.type == "cuda" else ids

    @property
    def tokens(self) -> int:
        """Tokens of a step."""
        return self.rows * self.model.config.context

    def __call__(self) -> None:
        """One step, its loss read."""
        total = torch.zeros((), device=self.run.device)
        for _ in range(self.rows // self.micro):
            ids = self.batch.to(self.run.device, non_blocking=True).long()
            hidden: Tensor = self.forward(ids[:, :-1])
            loss = lm_loss(self.model, hidden, ids[:, 1:], divisor=float(self.tokens))
            self.run.backward(loss, self.optimizer)
            total += loss.detach()
        self.run.update(self.optimizer, 1e-4, {"loss": float(total.item())})


def routes_of(settings: Settings) -> tuple[Route, ...]:
    """The routes that train on the device: FlexAttention has no backward pass on a CPU, varlen nothing."""
    return ("varlen", "flex", "sdpa") if settings.on_cuda else ("sdpa",)


def trainer(settings: Settings, compiled: bool) -> Trainer:
    """The loop's shared part, in a folder that nothing is written to."""
    return Trainer(settings.scratch / "unused", RunConfig(device=settings.place, compile=compiled), {})


def judged(name: str, shape: GPTConfig, settings: Settings, found: Row) -> Row:
    """Figures with MFU, and those wanted of this model where a GPU made them."""
    share = flops.Utilisation(shape, flops.device_peak(settings.device))(found["tokens_per_second"])
    wanted = {"required": REQUIRED.get(name), "goal": GOAL.get(name)} if settings.on_cuda else {}
    return {**found, **share, **wanted}


def parity(settings: Settings) -> Iterator[Cell]:
    """Lengths that are and are not multiples of the kernels' blocks; the rest as at 125M."""
    heads, width = settings.size(12, 2), settings.size(64, 16)
    lengths = (80, 61) if settings.tiny else (2048, 1000)
    for length in lengths:
        for window in (None, settings.size(256, 16)):
            for route in routes_of(settings):
                labels = {"route": route, "tokens": length, "window": window or "dense"}
                yield Cell(labels, partial(_errors, settings, (2, heads, length, width), window, route))


def _errors(settings: Settings, shape: tuple[int, ...], window: int | None, route: Route) -> Row:
    torch.manual_seed(0)
    inputs = [torch.randn(shape, device=settings.device, dtype=torch.bfloat16) for _ in range(4)]
    expected = _with_gradients([x.float() for x in inputs], window, "reference")
    found = _with_gradients(inputs, window, route)
    errors = {
        name: float(((a.float() - b).norm() / b.norm()).item())
        for name, a, b in zip(("out", "d_q", "d_k", "d_v"), found, expected, strict=True)
    }
    # `not <=` so that a NaN fails.
    if wrong := [name for name, error in errors.items() if not error <= TOLERANCE]:
        raise ValueError(f"relative error of {', '.join(wrong)} beyond {TOLERANCE}: {errors}")
    return {**errors, "limit": TOLERANCE}


def _with_gradients(inputs: Sequence[Tensor], window: int | None, route: Route) -> list[Tensor]:
    q, k, v = (x.detach().clone().requires_grad_() for x in inputs[:3])
    out = attend(q, k, v, window, route)
    return [out.detach(), *torch.autograd.grad(out, (q, k, v), inputs[3])]


def kernels(settings: Settings) -> Iterator[Cell]:
    """A layer of 16 sequences of 2,048 tokens; the layout changes around the kernel are in the time."""
    shape = settings.size(16, 1), settings.size(12, 2), settings.size(2048, 64), settings.size(64, 16)
    for window in (None, settings.size(256, 16)):
        for route in routes_of(settings):
            labels = {"route": route, "window": window or "dense"}
            yield Cell(labels, partial(_kernel_time, settings, shape, window, route))


def _kernel_time(settings: Settings, shape: tuple[int, ...], window: int | None, route: Route) -> Row:
    inputs = [torch.randn(shape, device=settings.device, dtype=settings.dtype) for _ in range(4)]
    calls = settings.size(20, 1)

    def work() -> None:
        for _ in range(calls):
            _with_gradients(inputs, window, route)

    spent = timed(work, settings.device, settings.repeats, 1)
    return {"milliseconds": statistics.median(spent) / calls * 1e3}


def routes(settings: Settings) -> Iterator[Cell]:
    """Every route, compiled (on CUDA) and as it stands."""
    for name, shape in settings.shapes().items():
        for compiled in (True, False) if settings.on_cuda else (False,):
            for route in routes_of(settings):
                labels = {"model": name, "route": route, "compiled": compiled, "micro_rows": _micro(settings)}
                size = settings.size(SWEEP_BATCH, 4), _micro(settings)
                yield Cell(labels, partial(_speed, settings, name, shape, route, compiled, size))


def micro(settings: Settings) -> Iterator[Cell]:
    """The route that training takes by itself, by micro-batch, at one batch."""
    for name, shape in settings.shapes().items():
        for rows in (1, 4) if settings.tiny else SWEEP_MICRO:
            size = settings.size(SWEEP_BATCH, 4), rows
            labels = {"model": name, "route": "auto", "compiled": settings.on_cuda, "micro_rows": rows}
            yield Cell(labels, partial(_speed, settings, name, shape, "auto", True, size))


def _speed(
    settings: Settings, name: str, shape: GPTConfig, route: Route, compiled: bool, size: tuple[int, int]
) -> Row:
    with trainer(settings, compiled) as run:
        steps = Steps(run, "model", shape, route, *size)
        spent = timed(steps, settings.device, settings.repeats, WARMUP)
    return judged(name, shape, settings, rate(steps.tokens, spent))


def dense_pair(settings: Settings) -> Iterator[Cell]:
    """Both models in memory, a step of each in turn."""
    for name, shape in settings.shapes().items():
        yield Cell({"model": name}, partial(_against_dense, settings, shape))


def _against_dense(settings: Settings, shape: GPTConfig) -> Row:
    size = settings.size(SWEEP_BATCH, 4), _micro(settings)
    with trainer(settings, True) as run:
        ours = Steps(run, "alternating", shape, "auto", *size)
        other = Steps(run, "dense", dense(shape), "auto", *size)
        pairs = list(paired(ours, other, settings.device, settings.repeats, WARMUP))
    return {
        "tokens_per_second": ours.tokens / statistics.median(a for a, _ in pairs),
        "dense_tokens_per_second": ours.tokens / statistics.median(b for _, b in pairs),
        "ratio": statistics.median(b / a for a, b in pairs),
        "required_ratio": DENSE_SHARE,
    }


def pretrain(settings: Settings) -> Iterator[Cell]:
    """A run from Parquet to the exported model; rates are those of its metrics.jsonl."""
    for name, shape in settings.shapes().items():
        labels = {"model": name, "batch_rows": _batch(settings), "micro_rows": _micro(settings)}
        yield Cell(labels, partial(_pretraining, settings, name, shape))


def _pretraining(settings: Settings, name: str, shape: GPTConfig) -> Row:
    rows = _batch(settings)
    config = PretrainConfig(
        sources=(SourceConfig(str(settings.packed(shape, settings.size(16_384, 64)))),),
        tokens=(WARMUP + settings.repeats) * rows * shape.context,
        model=shape,
        batch=BatchConfig(rows=rows, micro_rows=_micro(settings)),
        rate=RateConfig(warmup_tokens=0),
        watch=WatchConfig(validate_every=0, sample_every=0),
        run=RunConfig(device=settings.place, checkpoint_every=1_000_000),
    )
    with tempfile.TemporaryDirectory(dir=settings.scratch) as out:
        train(config, Path(out))
        lines = read_metrics(Path(out) / "metrics.jsonl")[WARMUP:]
    found = rate(rows * shape.context, column(lines, "seconds"))
    waited = sum(column(lines, "data_wait_seconds")) / sum(column(lines, "seconds"))
    return judged(name, shape, settings, {**found, "data_wait_share": waited})


def nano(settings: Settings) -> Iterator[Cell]:
    """Compiled, as nanoGPT does by default; eager on a CPU."""
    for name, shape in settings.shapes().items():
        labels = {"model": name, "compiled": settings.on_cuda, "micro_rows": _micro(settings)}
        yield Cell(labels, partial(_nano_speed, settings, shape))


def _nano_speed(settings: Settings, shape: GPTConfig) -> Row:
    rows = settings.size(SWEEP_BATCH, 4)
    step = gpu_peers.nano_gpt_step(shape, settings.device, rows, _micro(settings), settings.on_cuda)
    found = rate(rows * shape.context, timed(step, settings.device, settings.repeats, WARMUP))
    return judged("", dense(shape), settings, found)


def hugging_face(settings: Settings) -> Iterator[Cell]:
    """Trainer as it is by default, and with its torch_compile."""
    for name, shape in settings.shapes().items():
        for compiled in (False, True) if settings.on_cuda else (False,):
            labels = {"model": name, "compiled": compiled, "micro_rows": _micro(settings)}
            yield Cell(labels, partial(_hugging_face_speed, settings, shape, compiled))


def _hugging_face_speed(settings: Settings, shape: GPTConfig, compiled: bool) -> Row:
    rows, steps = settings.size(SWEEP_BATCH, 4), WARMUP + settings.repeats
    with tempfile.TemporaryDirectory(dir=settings.scratch) as out:
        spent = gpu_peers.hugging_face_seconds(
            shape, settings.device, rows, _micro(settings), compiled, steps, Path(out)
        )
    return judged("", dense(shape), settings, rate(rows * shape.context, spent[WARMUP:]))


def generation(settings: Settings) -> Iterator[Cell]:
    """512 rows at once (and 64, where launches weigh more); no row ends early."""
    for name, shape in settings.shapes().items():
        for rows in (4,) if settings.tiny else (64, DECODED):
            yield Cell({"model": name, "rows": rows}, partial(_generation, settings, shape, rows))


def _generation(settings: Settings, shape: GPTConfig, rows: int) -> Row:
    n_prompt, n_new = settings.size(PROMPT, 16), settings.size(ANSWER, 16)
    torch.manual_seed(0)
    model = GPT(shape).to(settings.device, settings.dtype)
    prompts = torch.randint(shape.vocab_size, (rows, n_prompt)).tolist()

    def make(count: int) -> None:
        generate(model, prompts, SamplingConfig(max_new_tokens=count, max_rows=rows), ())

    whole = timed(partial(make, n_new), settings.device, settings.repeats, 1)
    first = statistics.median(timed(partial(make, 1), settings.device, settings.repeats, 1))
    median = statistics.median(whole)
    return {
        **rate(rows * n_new, whole),
        "episodes_per_second": rows / median,
        "first_token_seconds": first,
        "step_milliseconds": (median - first) / max(n_new - 1, 1) * 1e3,
        "draw_milliseconds": _drawing(settings, shape, rows) * 1e3,
        **_bounds(settings, shape, rows, n_prompt, n_new, median),
    }


def _drawing(settings: Settings, shape: GPTConfig, rows: int) -> float:
    """Seconds of choosing a token a row, which every step of decoding pays."""
    logits = torch.randn(rows, shape.vocab_size, device=settings.device, dtype=settings.dtype)
    keys = torch.arange(rows, device=settings.device)
    draw = partial(choose, logits, None, SamplingConfig(), keys, torch.zeros_like(keys))
    return statistics.median(timed(draw, settings.device, settings.repeats, 1))


def _bounds(
    settings: Settings, shape: GPTConfig, rows: int, n_prompt: int, n_new: int, seconds: float
) -> Row:
    item = settings.dtype.itemsize
    read = sum(decode_bytes(shape, rows, held, item) for held in range(n_prompt + 1, n_prompt + n_new))
    per_second = bandwidth(settings.device)
    bound = None if per_second is None else rows * n_new / (read / per_second)
    return {
        "kv_bytes_per_token": kv_bytes(shape, item),
        "bound_tokens_per_second": bound,
        "share_of_bound": None if bound is None else rows * n_new / seconds / bound,
    }


def loader_rate(settings: Settings) -> Iterator[Cell]:
    """benchmarks.loader on rows of the first model's context."""
    shape = next(iter(settings.shapes().values()))
    rows, window = settings.size(16_384, 64), settings.size(8192, 32)
    yield Cell({"rows": rows}, lambda: _loading(settings, shape, rows, window))


def _loading(settings: Settings, shape: GPTConfig, rows: int, window: int) -> Row:
    found = loader.measure(settings.packed(shape, rows), _micro(settings), window, settings.size(5, 0) + 0.1)
    return {**found, "tokens_per_second": float(found["tokens_per_second"]), "required": LOADER_REQUIRED}


def _batch(settings: Settings) -> int:
    return settings.size(BATCH, 4)


def _micro(settings: Settings) -> int:
    return settings.size(MICRO, 2)


PARTS: dict[str, Part] = {
    "parity": parity,
    "kernels": kernels,
    "routes": routes,
    "micro": micro,
    "dense": dense_pair,
    "pretrain": pretrain,
    "nano": nano,
    "hf": hugging_face,
    "generate": generation,
    "loader": loader_rate,
}


def main(arguments: Sequence[str] | None = None, parts: dict[str, Part] | None = None) -> int:
    """Measure and print; 1 where a part failed."""
    with tempfile.TemporaryDirectory() as scratch:
        return run_parts(__doc__, parts or PARTS, arguments, Path(scratch))


if __name__ == "__main__":
    sys.exit(main())
