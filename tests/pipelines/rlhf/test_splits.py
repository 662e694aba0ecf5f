import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from pipelines.rlhf.splits import SplitConfig, splits


def test_shares_come_out_and_order_does_not_matter() -> None:
    groups = pa.array([f"{i:032x}" for i in range(20_000)])
    found = np.asarray(splits(groups, SplitConfig()).to_pylist())
    # Three standard errors of a share of 0.1 among 20,000 are 0.0064.
    assert (found == "validation").mean() == pytest.approx(0.1, abs=0.0064)
    assert (found == "test").mean() == pytest.approx(0.05, abs=0.0047)
    backwards = splits(groups.take(pa.array(np.arange(20_000)[::-1])), SplitConfig()).to_pylist()
    assert backwards == found[::-1].tolist()


def test_a_group_has_one_split() -> None:
    assert len(splits(pa.array(["g"] * 5), SplitConfig()).unique()) == 1


def test_something_is_left_to_train_on() -> None:
    with pytest.raises(ValidationError, match="leave nothing to train on"):
        SplitConfig(validation_share=0.6, test_share=0.4)
