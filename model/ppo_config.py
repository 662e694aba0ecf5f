"""The settings of PPO. Numbers are InstructGPT's (appendix C.4) where it prints them."""

from dataclasses import dataclass, field

from model.pretrain_config import SourceConfig
from model.run_config import AdamConfig, RunConfig

FIRST_RATE = 0.1  # of the peak, at the first step (InstructGPT, C.4)


@dataclass(frozen=True)
class PromptsConfig:
    """Questions that are answered."""

    folder: str = field(
        metadata={"description": "Folder of the dataset `prompts` or of one of its versions."}
    )
    split: str = field(default="train", metadata={"description": "Rows to take by their column `split`."})
    longest: int | None = field(
        default=1024,
        metadata={
            "description": "Longest prompt that is taken, in tokens (InstructGPT: 1k); null: what the context holds. "
            "Longer ones are left out, and counted."
        },
    )

    def __post_init__(self) -> None:
        if self.longest is not None and self.longest < 1:
            raise ValueError(f"longest must be at least 1, got {self.longest}")


@dataclass(frozen=True)
class PtxConfig:
    """Pretraining gradients that are mixed into PPO's ("PPO-ptx"), against forgetting."""

    sources: tuple[SourceConfig, ...] = field(
        metadata={"description": "Packed sequences; more than one makes a mixture by weights."}
    )
    coefficient: float = field(
        default=27.8, metadata={"description": "Weight of the mean loss a token, beside PPO's mean a token."}
    )
    ratio: int = field(default=8, metadata={"description": "Sequences to each episode."})
    sequence_tokens: int | None = field(
        default=512,
        metadata={
            "description": "Tokens of a sequence, the first of each packed row; null: whole rows. The paper does not "
            "say how long its examples are, and their length decides how long a step takes."
        },
    )
    micro_rows: int = field(default=16, metadata={"description": "Sequences of one forward pass."})
    window_rows: int = field(
        default=8192, metadata={"description": "Rows that are shuffled, and held in memory, at a time."}
    )

    def __post_init__(self) -> None:
        if not self.sources:
            raise ValueError("sources must name at least one folder")
        if not 0 < self.coefficient < float("inf"):
            raise ValueError(f"coefficient must be above 0 and finite, got {self.coefficient}")
        for key in ("ratio", "micro_rows", "window_rows"):
            if getattr(self, key) < 1:
                raise ValueError(f"{key} must be at least 1, got {getattr(self, key)}")
        if self.sequence_tokens is not None and self.sequence_tokens < 1:
            raise ValueError(f"sequence_tokens must be at least 1, got {self.sequence_tokens}")


@dataclass(frozen=True)
class PPOBatchConfig:
    """How many episodes make a step, and how they are worked off."""

    episodes: int = field(default=512, metadata={"description": "Answers that are sampled for a step."})
    minibatch: int = field(default=64, metadata={"description": "Episodes to an update of the weights."})
    inner_epochs: int = field(default=1, metadata={"description": "Passes over a step's episodes."})
    micro_rows: int = field(
        default=16, metadata={"description": "Episodes of one forward pass: a matter of memory alone."}
    )
    generate_rows: int = field(
        default=256, metadata={"description": "Answers that are decoded together: a matter of memory alone."}
    )

    def __post_init__(self) -> None:
        for key in ("episodes", "minibatch", "inner_epochs", "micro_rows", "generate_rows"):
            if getattr(self, key) < 1:
                raise ValueError(f"{key} must be at least 1, got {getattr(self, key)}")
        if self.episodes % self.minibatch:
            raise ValueError(f"episodes ({self.episodes}) must be a multiple of minibatch ({self.minibatch})")


@dataclass(frozen=True)
class PPORewardConfig:
    """What an answer earns, and how that reaches its tokens."""

    kl_beta: float = field(
        default=0.02, metadata={"description": "Price of a nat of divergence from the reference, a token."}
    )
    missing_end_penalty: float = field(
        default=0.0, metadata={"description": "Taken from the score of an answer that did not end by itself."}
    )
    gamma: float = field(default=1.0, metadata={"description": "Discount of a token (the paper: none)."})
    gae_lambda: float = field(
        default=0.95, metadata={"description": "GAE's lambda (not printed; 0.95 in all other code)."}
    )
    whiten_advantages: bool = field(
        default=True, metadata={"description": "Advantages of a step to mean 0 and variance 1."}
    )
    whiten_rewards: bool = field(
        default=False, metadata={"description": "Rewards of a step to variance 1, their mean kept."}
    )

    def __post_init__(self) -> None:
        for key in ("kl_beta", "missing_end_penalty"):
            if not 0 <= getattr(self, key) < float("inf"):
                raise ValueError(f"{key} must be at least 0 and finite, got {getattr(self, key)}")
        for key in ("gamma", "gae_lambda"):
            if not 0 <= getattr(self, key) <= 1:
                raise ValueError(f"{key} must lie in [0, 1], got {getattr(self, key)}")


@dataclass(frozen=True)
class PPOUpdateConfig:
    """How the weights follow."""

    policy_rate: float = field(
        default=8e-6,
        metadata={
            "description": "Learning rate of the policy. The paper scans 2.55e-6 to 2.55e-5 and saw rates above "
            "8.05e-6 diverge without pretraining gradients."
        },
    )
    value_rate: float = field(default=9e-6, metadata={"description": "Learning rate of the value function."})
    warmup_steps: int = field(
        default=10, metadata={"description": "Steps in which both rates grow from a tenth to the whole."}
    )
    clip: float = field(
        default=0.2, metadata={"description": "The ratio of probabilities counts within 1 +- this."}
    )
    value_clip: float | None = field(
        default=0.2, metadata={"description": "Largest move of a value that lowers its loss; null: any."}
    )
    ema_decay: float = field(
        default=0.992,
        metadata={
            "description": "Decay of the policy's averaged weights, an update; these are exported. 0: the last ones."
        },
    )
    stop_kl: float | None = field(
        default=100.0,
        metadata={
            "description": "The run stops where a step's mean divergence of an answer, in nats, is further than this "
            "from 0; null: never."
        },
    )

    def __post_init__(self) -> None:
        for key in ("policy_rate", "value_rate", "clip"):
            if not getattr(self, key) > 0:
                raise ValueError(f"{key} must be above 0, got {getattr(self, key)}")
        for key in ("value_clip", "stop_kl"):
            value = getattr(self, key)
            if value is not None and not value > 0:
                raise ValueError(f"{key} must be above 0 (null: none), got {value}")
        if self.warmup_steps < 0:
            raise ValueError(f"warmup_steps must be at least 0, got {self.warmup_steps}")
        if not 0 <= self.ema_decay < 1:
            raise ValueError(f"ema_decay must lie in [0, 1), got {self.ema_decay}")


@dataclass(frozen=True, kw_only=True)
class LoopConfig:
    """What the loop does with its four models, whatever they are."""

    episodes: int = field(
        default=256_000, metadata={"description": "Answers to learn from; a run may be prolonged later."}
    )
    answer_tokens: int = field(default=256, metadata={"description": "Longest answer, in tokens."})
    batch: PPOBatchConfig = field(
        default=PPOBatchConfig(), metadata={"description": "Batch and micro-batch."}
    )
    reward: PPORewardConfig = field(
        default=PPORewardConfig(), metadata={"description": "Rewards, advantages."}
    )
    update: PPOUpdateConfig = field(default=PPOUpdateConfig(), metadata={"description": "Rates, clipping."})
    ptx: PtxConfig | None = field(
        default=None, metadata={"description": "Pretraining gradients; null: PPO without them."}
    )
    adam: AdamConfig = field(
        default=AdamConfig(epsilon=1e-5, weight_decay=0.0),
        metadata={"description": "AdamW's constants, of policy and value function."},
    )
    sample_every: int = field(
        default=10, metadata={"description": "Steps between two sets of sample answers; 0: never."}
    )
    samples: int = field(default=4, metadata={"description": "Answers of a set."})
    run: RunConfig = field(
        default=RunConfig(checkpoint_every=20), metadata={"description": "Device, seed, checkpoints."}
    )

    def __post_init__(self) -> None:
        for key in ("episodes", "answer_tokens", "samples"):
            if getattr(self, key) < 1:
                raise ValueError(f"{key} must be at least 1, got {getattr(self, key)}")
        if self.sample_every < 0:
            raise ValueError(f"sample_every must be at least 0, got {self.sample_every}")
        if self.episodes % self.batch.episodes:
            raise ValueError(
                f"episodes ({self.episodes}) must be a multiple of batch.episodes ({self.batch.episodes})"
            )
        if self.ptx is not None and (self.ptx.ratio * self.batch.minibatch) % self.ptx.micro_rows:
            raise ValueError(
                f"ptx.ratio times batch.minibatch ({self.ptx.ratio} x {self.batch.minibatch}) must be a multiple of "
                f"ptx.micro_rows ({self.ptx.micro_rows})"
            )


@dataclass(frozen=True, kw_only=True)
class PPOConfig(LoopConfig):
    """A run of PPO from folders."""

    policy: str = field(
        metadata={"description": "Folder of the model that PPO begins with, and that it is held near to."}
    )
    reward_model: str = field(metadata={"description": "Folder of the reward model."})
    value_init: str = field(
        metadata={
            "description": "Folder of the scalar model that the value function begins with: the reward model as it "
            "was before its bias was folded in."
        }
    )
    prompts: PromptsConfig = field(metadata={"description": "Questions to answer."})
    tokenizer: str | None = field(
        default=None, metadata={"description": "Folder of the tokenizer; null: the policy's folder."}
    )


def rate_at(step: int, peak: float, warmup_steps: int) -> float:
    """Learning rate of step 0, 1, ...: linear from a tenth of the peak to the peak at `warmup_steps`, then flat.

    >>> [round(rate_at(step, 1.0, 10), 2) for step in (0, 5, 10, 99)]
    [0.1, 0.55, 1.0, 1.0]
    """
    done = min(1.0, step / warmup_steps) if warmup_steps else 1.0
    return peak * (FIRST_RATE + (1 - FIRST_RATE) * done)
