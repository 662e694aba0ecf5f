"""Settings that several programs share. No module of settings imports torch: orchestrators read them without."""

from dataclasses import dataclass, field
from typing import Literal

Device = Literal["auto", "cpu", "cuda"]
Dtype = Literal["auto", "float32", "bfloat16"]
DEVICE_HELP = "where to compute; auto: CUDA where there is a device"
DTYPE_HELP = "number format of the weights; auto: bfloat16 on CUDA, float32 on the CPU"


@dataclass(frozen=True)
class RunConfig:
    """How a run is carried out; nothing here but the seed changes what is learned beyond rounding."""

    seed: int = field(default=0, metadata={"description": "Seed of initialisation, data order, dropout."})
    device: Device = field(
        default="auto", metadata={"description": "Where to compute; auto: CUDA where there is a device."}
    )
    dtype: Dtype = field(
        default="auto",
        metadata={
            "description": "Type of working weights and activations; auto: bfloat16 on CUDA, float32 on the CPU. "
            "Master weights, gradient sums and moments are float32 in any case."
        },
    )
    compile: bool = field(
        default=True, metadata={"description": "Compile the model on CUDA; never done on the CPU."}
    )
    log_every: int = field(default=1, metadata={"description": "Steps between two lines of metrics.jsonl."})
    checkpoint_every: int = field(default=500, metadata={"description": "Steps between two checkpoints."})
    keep_checkpoints: int = field(
        default=2, metadata={"description": "Checkpoints that are kept, the newest ones."}
    )

    def __post_init__(self) -> None:
        for key in ("log_every", "checkpoint_every", "keep_checkpoints"):
            if getattr(self, key) < 1:
                raise ValueError(f"{key} must be at least 1, got {getattr(self, key)}")
        if self.seed < 0:
            raise ValueError(f"seed must be at least 0, got {self.seed}")


@dataclass(frozen=True)
class AdamConfig:
    """AdamW's constants (GPT-3, app. B)."""

    beta1: float = field(default=0.9, metadata={"description": "Decay of the gradient's mean, 0 to 1."})
    beta2: float = field(default=0.95, metadata={"description": "Decay of the gradient's square, 0 to 1."})
    epsilon: float = field(default=1e-8, metadata={"description": "Added to the root of the mean square."})
    weight_decay: float = field(
        default=0.1,
        metadata={"description": "Decay of matrices and embeddings, a step and unit of learning rate."},
    )
    clip: float = field(default=1.0, metadata={"description": "Largest norm of the whole gradient."})

    def __post_init__(self) -> None:
        for key in ("beta1", "beta2"):
            if not 0 <= getattr(self, key) < 1:
                raise ValueError(f"{key} must lie in [0, 1), got {getattr(self, key)}")
        for key in ("epsilon", "clip"):
            if not getattr(self, key) > 0:
                raise ValueError(f"{key} must be above 0, got {getattr(self, key)}")
        if self.weight_decay < 0:
            raise ValueError(f"weight_decay must be at least 0, got {self.weight_decay}")
