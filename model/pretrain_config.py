"""The settings of pretraining, and the figures that follow from them. Numbers of GPT-3 are from its appendix B."""

from dataclasses import dataclass, field
from typing import NamedTuple

from model.gpt_config import GPTConfig
from model.run_config import AdamConfig, RunConfig
from model.schedule import ramp, warmup_cosine, whole_multiple


@dataclass(frozen=True)
class SourceConfig:
    """Packed sequences to draw from."""

    folder: str = field(
        metadata={"description": "Folder of the dataset `pretraining` or of one of its versions."}
    )
    source: str | None = field(
        default=None,
        metadata={"description": "Take only rows with this value in the column `source`; null: all rows."},
    )
    weight: float = field(
        default=1.0,
        metadata={"description": "Share of rows drawn from here, relative to the other sources' weights."},
    )

    def __post_init__(self) -> None:
        if not 0 <= self.weight < float("inf"):
            raise ValueError(f"weight must be at least 0 and finite, got {self.weight}")

    @property
    def name(self) -> str:
        """What tells it from the other sources."""
        return self.folder if self.source is None else f"{self.folder}#{self.source}"


@dataclass(frozen=True)
class BatchConfig:
    """How many rows make a step, and how they are worked off."""

    rows: int = field(default=256, metadata={"description": "Rows of a full batch, over all processes."})
    micro_rows: int = field(
        default=16,
        metadata={"description": "Rows of one forward pass in one process: a matter of memory alone."},
    )
    first_rows: int | None = field(
        default=None, metadata={"description": "Rows of the first batch; null: full batches from the start."}
    )
    ramp_tokens: int = field(
        default=0,
        metadata={"description": "Tokens over which the batch grows from first_rows to rows, linearly."},
    )

    def __post_init__(self) -> None:
        if self.micro_rows < 1 or self.rows % self.micro_rows:
            raise ValueError(f"rows ({self.rows}) must be a multiple of micro_rows ({self.micro_rows})")
        if self.first_rows is not None and not 1 <= self.first_rows <= self.rows:
            raise ValueError(f"first_rows must be 1 to rows ({self.rows}), got {self.first_rows}")
        if self.ramp_tokens < 0:
            raise ValueError(f"ramp_tokens must be at least 0, got {self.ramp_tokens}")


@dataclass(frozen=True)
class RateConfig:
    """Learning rate by tokens seen: linear warm-up, cosine, then flat."""

    peak: float = field(default=6e-4, metadata={"description": "Largest learning rate (GPT-3, Table 2.1)."})
    warmup_tokens: int = field(default=375_000_000, metadata={"description": "Tokens of the linear warm-up."})
    decay_tokens: int | None = field(
        default=None,
        metadata={"description": "Tokens at which the cosine ends (GPT-3: 260 billion); null: `tokens`."},
    )
    final_fraction: float = field(
        default=0.1, metadata={"description": "Rate at the end of the cosine, as a fraction of the peak."}
    )

    def __post_init__(self) -> None:
        if not self.peak > 0:
            raise ValueError(f"peak must be above 0, got {self.peak}")
        if self.warmup_tokens < 0:
            raise ValueError(f"warmup_tokens must be at least 0, got {self.warmup_tokens}")
        if not 0 <= self.final_fraction <= 1:
            raise ValueError(f"final_fraction must lie in [0, 1], got {self.final_fraction}")
        if self.decay_tokens is not None and self.decay_tokens < self.warmup_tokens:
            raise ValueError(
                f"decay_tokens ({self.decay_tokens}) must not be below warmup_tokens ({self.warmup_tokens})"
            )


@dataclass(frozen=True)
class WatchConfig:
    """What is looked at on the way; it changes nothing of the training."""

    validate_every: int = field(
        default=250, metadata={"description": "Steps between two validations; 0: never."}
    )
    validation_rows: int = field(
        default=64, metadata={"description": "Validation rows of each source that are scored."}
    )
    sample_every: int = field(
        default=1000, metadata={"description": "Steps between two sets of sample texts; 0: never."}
    )
    prompts: tuple[str, ...] = field(
        default=("",),
        metadata={"description": "Prompts of the samples; the empty one begins a document."},
    )
    sample_tokens: int = field(default=64, metadata={"description": "Longest sample, in tokens."})
    peak_tflops: float | None = field(
        default=None,
        metadata={"description": "Dense bf16 peak of one device for MFU, TFLOP/s; null: by its name."},
    )

    def __post_init__(self) -> None:
        for key in ("validate_every", "sample_every"):
            if getattr(self, key) < 0:
                raise ValueError(f"{key} must be at least 0, got {getattr(self, key)}")
        for key in ("validation_rows", "sample_tokens"):
            if getattr(self, key) < 1:
                raise ValueError(f"{key} must be at least 1, got {getattr(self, key)}")


@dataclass(frozen=True)
class PretrainConfig:
    """A pretraining run."""

    sources: tuple[SourceConfig, ...] = field(
        metadata={
            "description": "Where rows come from; more than one makes a mixture at load time by weights."
        }
    )
    tokens: int = field(metadata={"description": "Tokens to train on; a run may be prolonged later."})
    tokenizer: str | None = field(
        default=None,
        metadata={
            "description": "Folder of the tokenizer, for bits per byte, samples and the exported model."
        },
    )
    model: GPTConfig = field(default=GPTConfig(), metadata={"description": "Shape of the model."})
    batch: BatchConfig = field(default=BatchConfig(), metadata={"description": "Batch and micro-batch."})
    rate: RateConfig = field(default=RateConfig(), metadata={"description": "Learning rate."})
    adam: AdamConfig = field(default=AdamConfig(), metadata={"description": "AdamW's constants."})
    window_rows: int = field(
        default=8192, metadata={"description": "Rows that are shuffled, and held in memory, at a time."}
    )
    prefetch: int = field(default=4, metadata={"description": "Micro-batches that are made ahead."})
    watch: WatchConfig = field(default=WatchConfig(), metadata={"description": "Validation and samples."})
    run: RunConfig = field(default=RunConfig(), metadata={"description": "Device, seed, checkpoints."})

    def __post_init__(self) -> None:
        if not self.sources:
            raise ValueError("sources must name at least one folder")
        names = [source.name for source in self.sources]
        if len(set(names)) < len(names):
            raise ValueError(f"sources must differ in folder or source, got {names}")
        for key in ("tokens", "window_rows", "prefetch"):
            if getattr(self, key) < 1:
                raise ValueError(f"{key} must be at least 1, got {getattr(self, key)}")
        if self.watch.sample_every and self.tokenizer is None:
            raise ValueError("tokenizer must be given for sample texts; or set watch.sample_every to 0")
        if (self.rate.decay_tokens or self.tokens) < self.rate.warmup_tokens:
            raise ValueError(
                f"rate.warmup_tokens ({self.rate.warmup_tokens}) must not exceed tokens ({self.tokens}): "
                "the rate would never reach its peak"
            )


class StepPlan(NamedTuple):
    """What the next step does: rows over all processes, and the learning rate."""

    rows: int
    rate: float


def plan_step(config: PretrainConfig, seen: int, context: int, processes: int) -> StepPlan:
    """The step after `seen` tokens (rows of `context` tokens); its rows are whole micro-batches of all processes."""
    batch = config.batch
    wanted = ramp(seen, batch.first_rows or batch.rows, batch.rows, batch.ramp_tokens)
    rows = whole_multiple(wanted, batch.micro_rows * processes)
    rate, total = config.rate, config.rate.decay_tokens or config.tokens
    done = seen + rows * context
    return StepPlan(rows, warmup_cosine(done, rate.warmup_tokens, total, rate.peak, rate.final_fraction))
