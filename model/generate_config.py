"""The settings of answering files of prompts."""

from dataclasses import dataclass, field
from typing import Literal

from model.run_config import DEVICE_HELP, DTYPE_HELP, Device, Dtype
from model.sampling_config import SamplingConfig


@dataclass(frozen=True)
class GenerateConfig:
    """Which prompts are answered by which model, and how."""

    model: str = field(metadata={"description": "folder of the checkpoint"})
    prompts: str = field(
        metadata={
            "description": "file of prompts: .txt with one a line, or .jsonl, .jsonl.gz, .parquet (or a folder of "
            "these) with a field `prompt` (text, or turns of role and content) or `messages` (turns)"
        }
    )
    output: Literal["jsonl", "parquet"] = field(
        default="jsonl", metadata={"description": "form of the results"}
    )
    samples: int = field(default=1, metadata={"description": "answers to each prompt"})
    sampling: SamplingConfig = field(
        default=SamplingConfig(), metadata={"description": "how tokens are drawn"}
    )
    rows_per_part: int = field(
        default=1024, metadata={"description": "answers between two savings of the work"}
    )
    device: Device = field(default="auto", metadata={"description": DEVICE_HELP})
    dtype: Dtype = field(default="auto", metadata={"description": DTYPE_HELP})

    def __post_init__(self) -> None:
        for key in ("samples", "rows_per_part"):
            if getattr(self, key) < 1:
                raise ValueError(f"{key}: expected 1 or more, got {getattr(self, key)}")
