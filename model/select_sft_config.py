"""The settings of choosing an epoch of supervised fine-tuning by reward."""

from dataclasses import dataclass, field

from model.fine_tune_config import at_least
from model.run_config import DEVICE_HELP, DTYPE_HELP, Device, Dtype
from model.sampling_config import SamplingConfig


@dataclass(frozen=True)
class SelectSFTConfig:
    """Which epochs answer which prompts, and who scores the answers."""

    candidates: str = field(
        metadata={"description": "Folder of the run of supervised fine-tuning, with epoch-01 and so on."}
    )
    reward_model: str = field(metadata={"description": "Folder of the exported reward model."})
    prompts: str = field(
        metadata={
            "description": "Folder of a dataset with a column `prompt` (`prompts`, `sft`) or of one of its versions."
        }
    )
    split: str = field(default="validation", metadata={"description": "Split that prompts are taken from."})
    rows: int = field(default=512, metadata={"description": "Most prompts, drawn by the seed."})
    samples: int = field(default=1, metadata={"description": "Answers to each prompt and epoch."})
    sampling: SamplingConfig = field(
        default=SamplingConfig(),
        metadata={"description": "How tokens are drawn; its seed draws the prompts too."},
    )
    micro_tokens: int = field(
        default=16_384,
        metadata={"description": "Tokens, padding included, that are scored in one forward pass."},
    )
    device: Device = field(default="auto", metadata={"description": DEVICE_HELP})
    dtype: Dtype = field(default="auto", metadata={"description": DTYPE_HELP})

    def __post_init__(self) -> None:
        at_least(self, 1, "rows", "samples", "micro_tokens")
