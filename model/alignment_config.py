"""The settings of comparing policies: win rates, divergence, length, alignment tax."""

from dataclasses import dataclass, field

from model.evaluate_config import LossConfig, TaskConfig
from model.fine_tune_config import at_least
from model.ppo_config import PromptsConfig
from model.run_config import DEVICE_HELP, DTYPE_HELP, Device, Dtype


@dataclass(frozen=True)
class ContenderConfig:
    """A model whose answers are compared."""

    name: str = field(metadata={"description": "Name in the results, such as sft, ppo, ppo_ptx."})
    folder: str = field(metadata={"description": "Folder of the checkpoint."})
    best_of: int = field(
        default=1, metadata={"description": "Answers to a prompt, of which the first judge chooses one."}
    )

    def __post_init__(self) -> None:
        _check_name(self.name)
        at_least(self, 1, "best_of")


@dataclass(frozen=True)
class JudgeConfig:
    """A reward model that compares answers."""

    name: str = field(metadata={"description": "Name in the results, such as rm, rm_seed_1."})
    folder: str = field(metadata={"description": "Folder of the reward model."})

    def __post_init__(self) -> None:
        _check_name(self.name)


@dataclass(frozen=True)
class TaxConfig:
    """What is measured of every contender's model, to see what alignment costs."""

    before: str = field(
        metadata={"description": "Name of the contender that the others' figures are compared with."}
    )
    tasks: tuple[TaskConfig, ...] = field(default=(), metadata={"description": "Benchmarks."})
    losses: tuple[LossConfig, ...] = field(
        default=(), metadata={"description": "Documents whose loss is measured."}
    )
    contamination: str | None = field(
        default=None, metadata={"description": "File of flags of contamination, as in model.evaluate."}
    )
    batch_tokens: int = field(default=16384, metadata={"description": "Tokens of one forward pass."})

    def __post_init__(self) -> None:
        at_least(self, 1, "batch_tokens")
        if not self.tasks and not self.losses:
            raise ValueError("tasks, losses: nothing to measure; name one, or set tax to null")


@dataclass(frozen=True)
class AlignmentConfig:
    """Who is compared by whom, on which prompts."""

    contenders: tuple[ContenderConfig, ...] = field(metadata={"description": "Models that answer."})
    judges: tuple[JudgeConfig, ...] = field(
        metadata={
            "description": "Reward models: first the one that policies were trained on, then others of another seed, "
            "which tell true gains from those against the first alone."
        }
    )
    baseline: str = field(metadata={"description": "Name of the contender that the others have to beat."})
    reference: str = field(metadata={"description": "Folder of the model that divergence is measured from."})
    prompts: PromptsConfig = field(metadata={"description": "Questions to answer."})
    limit: int = field(default=512, metadata={"description": "Most prompts, drawn by the seed."})
    answer_tokens: int = field(default=256, metadata={"description": "Longest answer, in tokens."})
    tax: TaxConfig | None = field(
        default=None, metadata={"description": "Benchmarks and losses before and after; null: none."}
    )
    generate_rows: int = field(
        default=64, metadata={"description": "Answers that are decoded together: a matter of memory alone."}
    )
    micro_rows: int = field(
        default=16, metadata={"description": "Answers of one forward pass: a matter of memory alone."}
    )
    seed: int = field(
        default=0, metadata={"description": "Seed of the prompts drawn, of answers, of resampling."}
    )
    device: Device = field(default="auto", metadata={"description": DEVICE_HELP})
    dtype: Dtype = field(default="auto", metadata={"description": DTYPE_HELP})

    def __post_init__(self) -> None:
        at_least(self, 1, "limit", "answer_tokens", "generate_rows", "micro_rows")
        at_least(self, 0, "seed")
        for key in ("contenders", "judges"):
            names = [item.name for item in getattr(self, key)]
            if not names or len(set(names)) < len(names):
                raise ValueError(f"{key} must be at least one, each with a name of its own, got {names}")
        single = [contender.name for contender in self.contenders if contender.best_of == 1]
        known = [contender.name for contender in self.contenders]
        if self.baseline not in known:
            raise ValueError(f"baseline must be one of the contenders {known}, got '{self.baseline}'")
        if self.tax is not None and self.tax.before not in single:
            raise ValueError(
                f"tax.before must be one of the contenders with best_of 1 {single}, got '{self.tax.before}'"
            )


def _check_name(name: str) -> None:
    if not name or not name.replace("_", "").replace("-", "").isalnum():
        raise ValueError(f"name must be letters, digits, '_' and '-', got '{name}'")
