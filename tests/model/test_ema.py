"""The average of weights beside its closed form."""

import pytest
import torch

from model.ema import Ema


def test_the_average_is_the_weighted_sum_of_all_weights_seen() -> None:
    history = [torch.tensor([float(value), 2.0 * value]) for value in (5, 1, 2, 4)]
    ema = Ema({"w": history[0]}, 0.9)
    for weights in history[1:]:
        ema.update({"w": weights})
    expected = 0.9**3 * history[0] + 0.1 * (0.81 * history[1] + 0.9 * history[2] + history[3])
    torch.testing.assert_close(ema.tensors()["w"], expected)


def test_the_average_is_a_copy_of_its_own_in_fp32() -> None:
    weights = {"w": torch.ones(2, dtype=torch.bfloat16)}
    ema = Ema(weights, 0.5)
    weights["w"].zero_()
    assert ema.tensors()["w"].tolist() == [1.0, 1.0]
    ema.update(weights)
    assert (ema.tensors()["w"].tolist(), ema.tensors()["w"].dtype) == ([0.5, 0.5], torch.float32)


def test_a_state_goes_on() -> None:
    one, other = Ema({"w": torch.zeros(1)}, 0.5), Ema({"w": torch.ones(1)}, 0.5)
    other.load_tensors(one.tensors())
    other.update({"w": torch.ones(1)})
    assert (other.tensors()["w"].item(), one.tensors()["w"].item()) == (0.5, 0.0)


@pytest.mark.parametrize("act", [Ema.update, Ema.load_tensors], ids=["update", "load"])
def test_weights_of_another_model_are_refused(act: object) -> None:
    with pytest.raises(ValueError, match=r"names|another model"):
        act(Ema({"w": torch.zeros(1)}, 0.5), {"v": torch.zeros(1)})  # type: ignore[operator]


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_a_decay_outside_0_to_1_is_refused(decay: float) -> None:
    with pytest.raises(ValueError, match="decay"):
        Ema({"w": torch.zeros(1)}, decay)
