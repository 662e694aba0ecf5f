"""What every training loop shares, so that a loop's own file holds the loop alone.

    with Trainer(out, config.run, asdict(config)) as run:          # processes, device, signals
        optimizer = run.optimizer("model", GPT(config.model), config.adam)   # device, dtype, checkpointing
        run.track("data", loader)                                      # state_dict() / load_state_dict() in JSON
        run.resume()                                                   # sets run.step and run.tokens
        while run.tokens < config.tokens:
            with run.waiting():
                batch = next(loader)
            run.backward(loss_of(batch), optimizer)                    # as many as the batch has micro-steps
            norm = run.update(optimizer, rate, {"loss": loss})
            run.finish_step(tokens_of(batch), {"loss": loss})          # metrics, checkpoint, stop at SIGTERM

A kill at any point loses at most the steps since the last checkpoint, and on the CPU the resumed run is equal to the
uninterrupted one bit for bit.
"""

import json
import math
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Protocol, Self

import torch
from torch import Tensor, nn

from model import checkpoint
from model.checkpoint import CheckpointError
from model.distributed import World, join_world
from model.metrics import MetricsFile
from model.optimizer import NonFiniteError, Optimizer
from model.run_config import AdamConfig
from model.run_config import RunConfig as RunConfig

TELL_SECONDS = 10.0  # between two lines of progress on the terminal
TOLD = ("loss", "objective/scores", "objective/kl")  # the figures of such a line, where a stage has them
RANK_SEED = 100_003  # a prime: seeds of runs with neighbouring `seed` never meet those of other ranks


class JsonState(Protocol):
    """A part of a loop whose state is JSON: a data loader, a schedule, a history."""

    def state_dict(self) -> dict[str, Any]:
        """Its state, JSON values only."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a state."""


class TensorState(Protocol):
    """A part of a loop whose state is tensors: an average of weights, running moments."""

    def tensors(self) -> dict[str, Tensor]:
        """Its state by name."""

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Continue from a state."""


class Stopped(Exception):
    """SIGTERM or SIGINT came; the checkpoint of the step just finished is on disk."""


class Trainer:
    """One run in the folder `out`: metrics.jsonl and checkpoints/ there, the process's device and signals.

    `settings` is the stage's whole config as JSON. A resume with other settings is refused, with the keys named,
    unless the differing keys lie under one of `may_change` (dotted; "run" always may). `utilisation` may be set to
    what makes MFU figures of tokens a second (model.flops).
    """

    def __init__(
        self, out: Path, config: RunConfig, settings: Mapping[str, Any], may_change: tuple[str, ...] = ()
    ) -> None:
        self.out = out
        self.config = config
        self.step = 0
        self.tokens = 0
        self.resumed_at: int | None = None
        self.world = World()
        self.dtype = torch.float32
        self.utilisation: Callable[[float], dict[str, float]] = lambda tokens_per_second: {}
        self._settings = json.loads(json.dumps(settings))  # as a checkpoint gives it back
        self._may_change = ("run", *may_change)
        self._optimizers: dict[str, Optimizer] = {}
        self._json: dict[str, JsonState] = {}
        self._tensor: dict[str, TensorState] = {}
        self._metrics: MetricsFile | None = None
        self._stop_asked = False
        self._saved_at = -1
        self._told_at = time.monotonic()
        self._clock = _Clock()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Join the other processes, choose device and dtype, seed, and listen to signals."""
        self.world = self._stack.enter_context(join_world(self.config.device))
        on_cuda = self.device.type == "cuda"
        chosen = {"auto": torch.bfloat16 if on_cuda else torch.float32}
        self.dtype = {**chosen, "float32": torch.float32, "bfloat16": torch.bfloat16}[self.config.dtype]
        if on_cuda:
            torch.cuda.reset_peak_memory_stats(self.device)
            torch.set_float32_matmul_precision("high")
        torch.manual_seed(self.config.seed)
        if threading.current_thread() is threading.main_thread():  # the only one that Python tells of signals
            for number in (signal.SIGTERM, signal.SIGINT):
                before = signal.signal(number, self._on_signal)
                self._stack.callback(signal.signal, number, before)
        return self

    def __exit__(self, *_: object) -> None:
        """Give signals, files and processes back."""
        if self._metrics is not None:
            self._metrics.close()
        self._stack.close()

    @property
    def device(self) -> torch.device:
        """Where this process computes."""
        return self.world.device

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.out / "checkpoints"

    def optimizer(self, name: str, model: nn.Module, config: AdamConfig) -> Optimizer:
        """Move an fp32 `model` to the device and the working dtype, and step it; both are checkpointed as `name`."""
        self._optimizers[name] = Optimizer(model.to(self.device), config, self.dtype, self.world)
        return self._optimizers[name]

    def compiled(self, model: nn.Module) -> nn.Module:
        """The module to call in the loop: compiled on CUDA (if the config says so), the same one on the CPU."""
        if self.device.type != "cuda" or not self.config.compile:
            return model
        return torch.compile(model)  # type: ignore[return-value]

    def track(self, name: str, part: JsonState) -> None:
        """Checkpoint `part` with the run; `resume` continues it."""
        self._json[name] = part

    def track_tensors(self, name: str, part: TensorState) -> None:
        """Checkpoint the tensors of `part` in a file of its own; `resume` continues it."""
        self._tensor[name] = part

    def resume(self) -> bool:
        """Continue from the newest checkpoint, if there is one; whether there was. Call it once, before the loop."""
        torch.manual_seed(self.config.seed + RANK_SEED * self.world.rank)
        found = checkpoint.latest(self.checkpoints)
        if found is not None:
            self._load(found)
        if self.world.is_first:
            self._metrics = MetricsFile(self.out / "metrics.jsonl", self.step)
        self._clock = _Clock()
        return found is not None

    def backward(self, loss: Tensor, *optimizers: Optimizer) -> None:
        """Backward pass of one micro-step, its gradients added to the fp32 sums of `optimizers` (default: all)."""
        loss.backward()  # type: ignore[no-untyped-call]
        for optimizer in optimizers or self._optimizers.values():
            optimizer.collect()

    def update(self, optimizer: Optimizer, rate: float, losses: Mapping[str, float]) -> float:
        """Step the weights; the gradient's norm before clipping.

        Raises NonFiniteError, weights and checkpoints untouched, if one of `losses` or the norm is not finite.
        """
        for name, value in losses.items():
            if self.world.any(not math.isfinite(value)):
                raise self._non_finite(f"'{name}' is {value}")
        try:
            return optimizer.step(rate)
        except NonFiniteError as error:
            raise self._non_finite(str(error)) from None

    def finish_step(self, tokens: int, metrics: Mapping[str, Any]) -> None:
        """Count a step of `tokens` (of all processes), log it, checkpoint when due.

        Raises Stopped, after a checkpoint, where a signal has asked for it.
        """
        self.step += 1
        self.tokens += tokens
        timing = self._clock.lap(tokens)
        if self._metrics is not None and self.step % self.config.log_every == 0:
            counts = {"step": self.step, "tokens": self.tokens}
            used = {**self.utilisation(timing["tokens_per_second"]), "peak_memory_bytes": self.peak_memory()}
            self._metrics.write({**counts, **metrics, **timing, **used})
        if self.world.is_first and time.monotonic() - self._told_at >= TELL_SECONDS:
            self._tell(metrics, timing["tokens_per_second"])
        stop = self.world.any(self._stop_asked)
        if stop or self.step % self.config.checkpoint_every == 0:
            with self.off_the_clock():
                self.save()
        if stop:
            raise Stopped(f"stopped after step {self.step}; the same command resumes there")

    def save(self) -> None:
        """Write a checkpoint now, unless this step has one; every process must call it."""
        if self._saved_at == self.step:
            return
        states = self.world.gather(checkpoint.random_state(self.device))
        if self.world.is_first:
            groups: dict[str, Mapping[str, Tensor]] = {
                "random": {f"rank-{i}": state for i, state in enumerate(states)}
            }
            for name, optimizer in self._optimizers.items():
                groups[name] = optimizer.weights()
                groups[f"{name}.optimizer"] = optimizer.moments()
            groups |= {name: part.tensors() for name, part in self._tensor.items()}
            parts = {name: part.state_dict() for name, part in self._json.items()}
            state = {"tokens": self.tokens, "parts": parts, "settings": self._settings}
            checkpoint.save(self.checkpoints, self.step, groups, state, self.config.keep_checkpoints)
        self.world.wait()
        self._saved_at = self.step

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count the time within as waiting for data."""
        begin = time.perf_counter()
        yield
        self._clock.waited += time.perf_counter() - begin

    @contextmanager
    def off_the_clock(self) -> Iterator[None]:
        """Leave the time within (validation, samples, checkpoints) out of the step's rate."""
        begin = time.perf_counter()
        yield
        self._clock.excluded += time.perf_counter() - begin

    def peak_memory(self) -> int:
        """Most bytes held so far: on the device by torch, on the CPU by the whole process."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device)
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

    def _tell(self, metrics: Mapping[str, Any], rate: float) -> None:
        figures = [f"{name} {metrics[name]:.4g}" for name in TOLD if name in metrics]
        line = ", ".join(
            [f"step {self.step:,}", f"{self.tokens:,} tokens", *figures, f"{rate:,.0f} tokens/s"]
        )
        print(line, file=sys.stderr, flush=True)
        self._told_at = time.monotonic()

    def _load(self, found: Path) -> None:
        state = checkpoint.read_state(found)
        self._check_settings(found, state["settings"])
        for name, optimizer in self._optimizers.items():
            optimizer.load_weights(checkpoint.read_tensors(found, name))
            optimizer.load_moments(checkpoint.read_tensors(found, f"{name}.optimizer"))
        for name, tensor_part in self._tensor.items():
            tensor_part.load_tensors(checkpoint.read_tensors(found, name))
        for name, part in self._json.items():
            part.load_state_dict(state["parts"][name])
        saved = checkpoint.read_tensors(found, "random").get(f"rank-{self.world.rank}")
        if saved is not None:  # more processes than before: the new ones begin with their seed
            checkpoint.set_random_state(saved, self.device)
        self.step, self.tokens, self.resumed_at = state["step"], state["tokens"], state["step"]
        self._saved_at = self.step

    def _check_settings(self, found: Path, before: Mapping[str, Any]) -> None:
        old, new = _flat(before), _flat(self._settings)
        changed = [
            f"{key} was {old.get(key)!r}, is {new.get(key)!r}"
            for key in sorted(old.keys() | new.keys())
            if old.get(key) != new.get(key)
            and not any(key == free or key.startswith(f"{free}.") for free in self._may_change)
        ]
        if changed:
            raise CheckpointError(
                f"{found} was made with another config: {'; '.join(changed)}. "
                "Give the old values to resume, or another --out to begin anew"
            )

    def _non_finite(self, what: str) -> NonFiniteError:
        last = checkpoint.latest(self.checkpoints)
        return NonFiniteError(
            f"step {self.step + 1} (after {self.tokens:,} tokens): {what}. The weights of this step were not used; "
            f"the last good checkpoint is {last or 'none yet'}. Lower the learning rate or lengthen the warm-up, "
            "and look at the last lines of metrics.jsonl"
        )

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        if self._stop_asked:  # asked twice: not even the step under way shall end
            raise KeyboardInterrupt
        self._stop_asked = True


@dataclass
class _Clock:
    """Seconds of the step under way."""

    begin: float = field(default_factory=time.perf_counter)
    waited: float = 0.0
    excluded: float = 0.0

    def lap(self, tokens: int) -> dict[str, float]:
        now = time.perf_counter()
        seconds, waited = now - self.begin - self.excluded, self.waited
        self.begin, self.waited, self.excluded = now, 0.0, 0.0
        rate = tokens / seconds if seconds > 0 else 0.0
        return {"seconds": seconds, "data_wait_seconds": waited, "tokens_per_second": rate}


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
