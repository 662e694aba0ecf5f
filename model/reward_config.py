"""The settings of the reward model. Numbers are those that InstructGPT (appendix C.2) prints for 6B."""

from dataclasses import dataclass, field

from model.fine_tune_config import CosineConfig, OnLong, at_least
from model.run_config import AdamConfig, RunConfig


@dataclass(frozen=True)
class RewardBatchConfig:
    """Prompts of a step, and how their answers are worked off."""

    prompts: int = field(
        default=64,
        metadata={"description": "Prompts of a step, each with all its answers, over all processes."},
    )
    micro_tokens: int = field(
        default=16_384,
        metadata={
            "description": "Tokens, padding included, of one forward pass: a matter of memory alone. The answers of "
            "a prompt stay together, even beyond it."
        },
    )

    def __post_init__(self) -> None:
        at_least(self, 1, "prompts", "micro_tokens")


@dataclass(frozen=True)
class ZeroConfig:
    """What scores 0: InstructGPT shifts scores so that labelers' demonstrations average 0 (section 3.5)."""

    folder: str = field(metadata={"description": "Folder of the dataset `sft` or of one of its versions."})
    split: str = field(default="train", metadata={"description": "Split whose rows are averaged."})
    kinds: tuple[str, ...] = field(
        default=("demonstration",),
        metadata={"description": "Values of the column `kind` that count; empty: all rows."},
    )
    rows: int = field(default=2048, metadata={"description": "Most rows that are scored, the first ones."})

    def __post_init__(self) -> None:
        at_least(self, 1, "rows")


@dataclass(frozen=True)
class RewardConfig:
    """A run of the reward model."""

    model: str = field(
        metadata={"description": "Folder of the checkpoint to start from, fine-tuned on demonstrations."}
    )
    comparisons: str = field(
        metadata={"description": "Folder of the dataset `comparisons` or of one of its versions."}
    )
    demonstrations: ZeroConfig | None = field(
        default=None, metadata={"description": "Demonstrations that shall average 0; null: no shift."}
    )
    epochs: int = field(default=1, metadata={"description": "Times that each prompt is seen."})
    batch: RewardBatchConfig = field(default=RewardBatchConfig(), metadata={"description": "Batch."})
    rate: CosineConfig = field(
        default=CosineConfig(peak=9e-6), metadata={"description": "Learning rate by steps."}
    )
    adam: AdamConfig = field(
        default=AdamConfig(weight_decay=0.0), metadata={"description": "Adam's constants."}
    )
    resid_dropout: float = field(
        default=0.0, metadata={"description": "Residual dropout during training, 0 to 1."}
    )
    on_long: OnLong = field(
        default="drop",
        metadata={
            "description": "Prompt and answer beyond the context: leave the answer out, or cut the first tokens off."
        },
    )
    validate_every: int = field(
        default=0,
        metadata={"description": "Steps between two validations; 0: at the end alone."},
    )
    folds: int = field(
        default=0,
        metadata={
            "description": "Models of cross-validation over groups of prompts, trained before the main one; 0: none."
        },
    )
    prefetch: int = field(default=2, metadata={"description": "Steps whose batches are made ahead."})
    run: RunConfig = field(
        default=RunConfig(compile=False), metadata={"description": "Device, seed, checkpoints."}
    )

    def __post_init__(self) -> None:
        at_least(self, 1, "epochs", "prefetch")
        at_least(self, 0, "validate_every", "folds")
        if self.folds == 1:
            raise ValueError("folds must be 0 or at least 2, got 1")
        if not 0 <= self.resid_dropout < 1:
            raise ValueError(f"resid_dropout must lie in [0, 1), got {self.resid_dropout}")
