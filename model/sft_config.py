"""The settings of supervised fine-tuning. Numbers are those that InstructGPT (appendix C.1) prints for 1.3B."""

from dataclasses import dataclass, field

from model.fine_tune_config import CosineConfig, LossOn, OnLong, at_least
from model.run_config import AdamConfig, RunConfig


@dataclass(frozen=True)
class SFTBatchConfig:
    """Demonstrations of a step, and how they are worked off."""

    rows: int = field(default=32, metadata={"description": "Rows of a step, over all processes."})
    micro_tokens: int = field(
        default=16_384,
        metadata={"description": "Tokens, padding included, of one forward pass: a matter of memory alone."},
    )

    def __post_init__(self) -> None:
        at_least(self, 1, "rows", "micro_tokens")


@dataclass(frozen=True)
class MixConfig:
    """Pretraining sequences among the demonstrations (InstructGPT C.4: 10 % for the model that PPO starts from)."""

    folder: str = field(metadata={"description": "Folder of the dataset `pretraining` or of a version."})
    source: str | None = field(
        default=None, metadata={"description": "Take only rows with this value in the column `source`."}
    )
    share: float = field(
        default=0.1, metadata={"description": "Share of all rows that are pretraining sequences, 0 to 1."}
    )

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise ValueError(f"share must lie in (0, 1), got {self.share}")


@dataclass(frozen=True)
class SFTConfig:
    """A run of supervised fine-tuning."""

    model: str = field(metadata={"description": "Folder of the pretrained checkpoint to start from."})
    tokenizer: str = field(
        metadata={"description": "Folder of the chat tokenizer; the model gets rows for tokens it lacks."}
    )
    data: str = field(metadata={"description": "Folder of the dataset `sft` or of one of its versions."})
    epochs: int = field(default=16, metadata={"description": "Times that each demonstration is seen."})
    batch: SFTBatchConfig = field(default=SFTBatchConfig(), metadata={"description": "Batch."})
    rate: CosineConfig = field(
        default=CosineConfig(peak=9.65e-6), metadata={"description": "Learning rate by steps."}
    )
    adam: AdamConfig = field(
        default=AdamConfig(weight_decay=0.0), metadata={"description": "Adam's constants."}
    )
    resid_dropout: float = field(
        default=0.2, metadata={"description": "Residual dropout during training, 0 to 1."}
    )
    loss_on: LossOn = field(
        default="completion",
        metadata={"description": "Tokens with a loss: the completion's, or those of every assistant's turn."},
    )
    prompt_loss: float = field(
        default=0.0,
        metadata={
            "description": "Weight of the prompt tokens' mean loss beside the answers' (GPT-1's auxiliary objective)."
        },
    )
    pretraining: MixConfig | None = field(
        default=None, metadata={"description": "Pretraining sequences to mix in; null: none."}
    )
    on_long: OnLong = field(
        default="drop",
        metadata={"description": "A row beyond the context: leave it out, or cut its first tokens off."},
    )
    keep_epochs: bool = field(
        default=True,
        metadata={"description": "Export the model of every epoch as FOLDER/epoch-XX, to choose from."},
    )
    prefetch: int = field(default=2, metadata={"description": "Steps whose batches are made ahead."})
    run: RunConfig = field(
        default=RunConfig(compile=False), metadata={"description": "Device, seed, checkpoints."}
    )

    def __post_init__(self) -> None:
        at_least(self, 1, "epochs", "prefetch")
        if not 0 <= self.resid_dropout < 1:
            raise ValueError(f"resid_dropout must lie in [0, 1), got {self.resid_dropout}")
        if not 0 <= self.prompt_loss < float("inf"):
            raise ValueError(f"prompt_loss must be at least 0 and finite, got {self.prompt_loss}")
