"""Exponential moving average of weights (InstructGPT, C.4: decay 0.992)."""

from collections.abc import Mapping

import torch
from torch import Tensor


class Ema:
    """An fp32 copy of `weights` that follows them; a TensorState of the trainer.

    Begins at the weights themselves, so that it needs no correction for its start.
    """

    def __init__(self, weights: Mapping[str, Tensor], decay: float) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"decay must lie in [0, 1), got {decay}")
        self.decay = decay
        self._mean = {name: tensor.detach().float().clone() for name, tensor in weights.items()}

    @torch.no_grad()
    def update(self, weights: Mapping[str, Tensor]) -> None:
        """mean = decay * mean + (1 - decay) * weights; of the names given at the start."""
        if weights.keys() != self._mean.keys():
            raise ValueError("the averaged weights have other names than those given")
        torch._foreach_lerp_(
            list(self._mean.values()),
            [weights[name].detach().float() for name in self._mean],
            1 - self.decay,
        )

    def tensors(self) -> dict[str, Tensor]:
        """The averages by name."""
        return self._mean

    @torch.no_grad()
    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Continue from a state; ValueError where it is of other weights."""
        if tensors.keys() != self._mean.keys():
            raise ValueError("the averaged weights of the checkpoint are of another model")
        for name, mean in self._mean.items():
            mean.copy_(tensors[name])
