"""Settings that supervised fine-tuning and the reward model share."""

from dataclasses import dataclass, field
from typing import Literal

OnLong = Literal["drop", "trim"]
LossOn = Literal["completion", "assistant"]


@dataclass(frozen=True)
class CosineConfig:
    """Learning rate by steps: a cosine from the peak, after a warm-up if there is one."""

    peak: float = field(metadata={"description": "Largest learning rate."})
    warmup_steps: int = field(
        default=0, metadata={"description": "Steps of a linear warm-up (InstructGPT: none)."}
    )
    final_fraction: float = field(
        default=0.1, metadata={"description": "Rate of the last step, as a fraction of the peak."}
    )

    def __post_init__(self) -> None:
        if not self.peak > 0:
            raise ValueError(f"peak must be above 0, got {self.peak}")
        if self.warmup_steps < 0:
            raise ValueError(f"warmup_steps must be at least 0, got {self.warmup_steps}")
        if not 0 <= self.final_fraction <= 1:
            raise ValueError(f"final_fraction must lie in [0, 1], got {self.final_fraction}")


def at_least(config: object, least: int, *keys: str) -> None:
    """A ValueError that names the first of `keys` whose value is below `least`."""
    for key in keys:
        if getattr(config, key) < least:
            raise ValueError(f"{key} must be at least {least}, got {getattr(config, key)}")
