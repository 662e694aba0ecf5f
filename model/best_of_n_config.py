"""The settings of best-of-n sampling."""

from dataclasses import dataclass, field

from model.fine_tune_config import at_least
from model.ppo_config import PromptsConfig
from model.run_config import DEVICE_HELP, DTYPE_HELP, Device, Dtype


@dataclass(frozen=True)
class BestOfNConfig:
    """Which model answers which prompts, how often, and who chooses."""

    model: str = field(metadata={"description": "Folder of the model that answers."})
    reward_model: str = field(metadata={"description": "Folder of the reward model that chooses."})
    prompts: PromptsConfig = field(metadata={"description": "Questions to answer."})
    limit: int = field(default=512, metadata={"description": "Most prompts, drawn by the seed."})
    n: int = field(default=16, metadata={"description": "Answers to each prompt, at temperature 1."})
    answer_tokens: int = field(default=256, metadata={"description": "Longest answer, in tokens."})
    prompts_per_part: int = field(
        default=64, metadata={"description": "Prompts between two savings of the work."}
    )
    generate_rows: int = field(
        default=64, metadata={"description": "Answers that are decoded together: a matter of memory alone."}
    )
    micro_rows: int = field(
        default=16, metadata={"description": "Answers of one forward pass: a matter of memory alone."}
    )
    seed: int = field(default=0, metadata={"description": "Seed of the prompts drawn and of the answers."})
    device: Device = field(default="auto", metadata={"description": DEVICE_HELP})
    dtype: Dtype = field(default="auto", metadata={"description": DTYPE_HELP})

    def __post_init__(self) -> None:
        at_least(self, 1, "limit", "n", "answer_tokens", "prompts_per_part", "generate_rows", "micro_rows")
        at_least(self, 0, "seed")
