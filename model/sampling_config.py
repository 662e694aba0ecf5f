"""How tokens are drawn: the settings."""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class SamplingConfig:
    """How tokens are drawn, and when a row ends."""

    temperature: float = field(
        default=1.0, metadata={"description": "divisor of the logits, 0..; 0 takes the likeliest token"}
    )
    top_p: float = field(
        default=1.0,
        metadata={
            "description": "share of probability to draw from, above 0 and up to 1; 1 keeps all tokens"
        },
    )
    top_k: int = field(default=0, metadata={"description": "likeliest tokens to draw from; 0 keeps all"})
    frequency_penalty: float = field(
        default=0.0, metadata={"description": "taken from a token's logit for each time it was generated"}
    )
    presence_penalty: float = field(
        default=0.0, metadata={"description": "taken from a token's logit once it was generated"}
    )
    max_new_tokens: int = field(default=256, metadata={"description": "longest answer, tokens"})
    stop: tuple[str, ...] = field(
        default=(), metadata={"description": "strings that end a row where its new text holds one"}
    )
    on_long_prompt: Literal["trim", "refuse"] = field(
        default="trim",
        metadata={
            "description": "prompt and max_new_tokens beyond the context: drop the prompt's first tokens, or refuse"
        },
    )
    seed: int = field(default=0, metadata={"description": "seed of the draws"})
    max_rows: int = field(
        default=64, metadata={"description": "rows decoded together; the cache's memory grows with it"}
    )

    def __post_init__(self) -> None:
        bounds = {
            "temperature": self.temperature >= 0,
            "top_p": 0 < self.top_p <= 1,
            "top_k": self.top_k >= 0,
            "max_new_tokens": self.max_new_tokens >= 1,
            "max_rows": self.max_rows >= 1,
            "stop": all(self.stop),
            "on_long_prompt": self.on_long_prompt in ("trim", "refuse"),
        }
        for key, kept in bounds.items():
            if not kept:
                described = type(self).__dataclass_fields__[key].metadata["description"]
                raise ValueError(f"{key}: got {getattr(self, key)!r}, expected {described}")

    @property
    def penalised(self) -> bool:
        """Whether a token's count changes its logit."""
        return self.frequency_penalty != 0 or self.presence_penalty != 0
