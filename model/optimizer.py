"""AdamW as GPT-3 and InstructGPT used it: low-precision working weights, fp32 master weights, global clipping.

The gradient of every micro-step is added up in fp32, so splitting a batch changes the result by fp32 rounding alone.
With an fp32 model the working weights are the master weights, and nothing is held twice.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from model.distributed import World
from model.run_config import AdamConfig as AdamConfig

MOMENTS = ("exp_avg", "exp_avg_sq", "step")


class NonFiniteError(RuntimeError):
    """A loss or a gradient is infinite or not a number; the weights have not been touched."""


class Optimizer:
    """Steps a model's trainable weights; takes the model in fp32 and leaves it in the working `dtype`.

    The loop divides each micro-step's loss by the count of the whole batch, over all micro-steps and processes: the
    sum of gradients is then the batch's.
    """

    def __init__(
        self, model: nn.Module, config: AdamConfig, dtype: torch.dtype, world: World | None = None
    ) -> None:
        self._config = config
        self._world = world or World()
        self._working = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self._world.broadcast([p.data for p in self._working.values()])
        if dtype == torch.float32:
            self._master: dict[str, nn.Parameter] = self._working
        else:
            self._master = {
                name: nn.Parameter(p.detach().float().clone()) for name, p in self._working.items()
            }
            for parameter in model.parameters():
                parameter.data = parameter.data.to(dtype)
        matrices = [p for p in self._master.values() if p.ndim >= 2]
        vectors = [p for p in self._master.values() if p.ndim < 2]
        self._adam = torch.optim.AdamW(
            [
                {"params": matrices, "weight_decay": config.weight_decay},
                {"params": vectors, "weight_decay": 0.0},
            ],
            betas=(config.beta1, config.beta2),
            eps=config.epsilon,
            fused=True,
        )

    def collect(self) -> None:
        """Add the micro-step's gradients to the fp32 sums; call it after every backward pass."""
        if self._master is self._working:
            return
        for name, parameter in self._working.items():
            if parameter.grad is None:
                continue
            master = self._master[name]
            if master.grad is None:
                master.grad = parameter.grad.float()
            else:
                master.grad.add_(parameter.grad)
            parameter.grad = None

    def step(self, rate: float) -> float:
        """Sum over processes, clip, step at learning rate `rate`, forget the gradients; the norm before clipping.

        Raises NonFiniteError, with the weights untouched, where the norm is not finite.
        """
        parameters = list(self._master.values())
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        gradients = [p.grad for p in parameters if p.grad is not None]
        self._world.sum(gradients)
        total = nn.utils.get_total_norm(gradients)
        nn.utils.clip_grads_with_norm_(parameters, self._config.clip, total)
        norm = float(total.item())  # the step's one wait for the device
        if not math.isfinite(norm):
            self._adam.zero_grad(set_to_none=True)
            raise NonFiniteError(f"the norm of the gradient is {norm}")
        for group in self._adam.param_groups:
            group["lr"] = rate
        self._adam.step()
        self._adam.zero_grad(set_to_none=True)
        self._publish()
        return norm

    def weights(self) -> dict[str, Tensor]:
        """The fp32 weights by parameter name; a tied weight has one name."""
        return {name: p.detach() for name, p in self._master.items()}

    @torch.no_grad()
    def load_weights(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over fp32 weights of the same names and shapes; ValueError where they are others."""
        _same_names(tensors, set(self._master), "weights")
        for name, parameter in self._master.items():
            if tensors[name].shape != parameter.shape:
                raise ValueError(
                    f"weight '{name}' of the checkpoint has shape {tuple(tensors[name].shape)}, "
                    f"the model's has {tuple(parameter.shape)}: the checkpoint is of another model"
                )
            parameter.copy_(tensors[name])
        self._publish()

    def moments(self) -> dict[str, Tensor]:
        """Adam's state as `<moment>.<parameter name>`; empty before the first step."""
        return {
            f"{moment}.{name}": self._adam.state[parameter][moment]
            for name, parameter in self._master.items()
            if parameter in self._adam.state
            for moment in MOMENTS
        }

    def load_moments(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over what `moments` gave; ValueError where its names are others."""
        names = {f"{moment}.{name}" for name in self._master for moment in MOMENTS}
        _same_names(tensors, names if tensors else set(), "moments of the optimizer")
        for name, parameter in self._master.items():
            if tensors:
                self._adam.state[parameter] = {
                    moment: tensors[f"{moment}.{name}"].to(parameter.device, torch.float32, copy=True)
                    for moment in MOMENTS
                }

    def release(self, model: nn.Module) -> None:
        """Leave the fp32 weights in `model`, for export; no step can follow."""
        model.float()
        for name, parameter in self._working.items():
            parameter.data = self._master[name].data

    @torch.no_grad()
    def _publish(self) -> None:
        if self._master is not self._working:
            for name, parameter in self._working.items():
                parameter.copy_(self._master[name])


def _same_names(tensors: Mapping[str, Tensor], names: set[str], what: str) -> None:
    if set(tensors) != names:
        raise ValueError(
            f"the {what} of the checkpoint are of another model: it lacks {sorted(names - set(tensors))[:5]} "
            f"and has besides {sorted(set(tensors) - names)[:5]}"
        )
