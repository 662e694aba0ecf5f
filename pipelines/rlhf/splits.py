"""Train, validation and test by split group: InstructGPT (app. A.2) splits by user, who is part of a group."""

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, model_validator

from text.hashing import uniform

TRAIN, VALIDATION, TEST = "train", "validation", "test"
SPLITS = (TRAIN, VALIDATION, TEST)


class SplitConfig(BaseModel):
    """Shares of the groups that are held out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    validation_share: float = Field(
        default=0.1, description="share of the split groups in validation, 0..1", ge=0, lt=1
    )
    test_share: float = Field(default=0.05, description="share of the split groups in test, 0..1", ge=0, lt=1)
    seed: int = Field(default=0, description="seed of the split")

    @model_validator(mode="after")
    def _leaves_training_data(self) -> "SplitConfig":
        if self.validation_share + self.test_share >= 1:
            raise ValueError(
                f"validation_share {self.validation_share:g} and test_share {self.test_share:g} leave nothing "
                "to train on; lower one of them"
            )
        return self


def splits(groups: pa.Array | pa.ChunkedArray, config: SplitConfig) -> pa.Array:
    """train, validation or test of each row, from its split group and the seed alone."""
    draws = uniform(groups, config.seed, "rlhf split")
    held = config.validation_share + config.test_share
    number = np.where(draws < config.validation_share, 1, np.where(draws < held, 2, 0))
    return pa.array(SPLITS, pa.string()).take(pa.array(number))
