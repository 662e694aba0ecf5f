"""Floating point operations a token, and model FLOPs utilisation (MFU) by two formulas.

`6N + 12LdT` (PaLM, app. B, as nanoGPT prints it) counts attention over the whole square, which no causal kernel
computes; the second formula counts what causality and the band leave. A product of an m x k and a k x n matrix counts
2mkn; a backward pass counts twice the forward pass.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from model.gpt_config import GPTConfig

# Dense bf16 peaks of the vendors' data sheets, FLOP/s. Sparse peaks are twice these, and are a common mistake.
PEAKS = {
    "GH200": 989e12,
    "H200": 989e12,
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H100": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "L40": 181e12,
    "L4": 121e12,
    "RTX 4090": 165e12,
    "V100": 125e12,
}


def matrix_parameters(config: GPTConfig) -> int:
    """N: every weight that a token meets in a matrix product; the tied head once, with its padding, no positions."""
    d = config.d_model
    return 12 * config.n_layer * d * d + config.padded_vocab_size * d


def mean_span(context: int, window: int | None) -> float:
    """Tokens that a query attends to, on average over the positions of a sequence, itself included."""
    reach = min(window or context, context)
    return (reach * (reach + 1) / 2 + (context - reach) * reach) / context


def flops_per_token(config: GPTConfig, context: int | None = None) -> float:
    """Training FLOPs a token by 6N + 12LdT, T = `context` (default: the model's)."""
    length = context or config.context
    return 6 * matrix_parameters(config) + 12 * config.n_layer * config.d_model * length


def flops_per_token_causal(config: GPTConfig, context: int | None = None) -> float:
    """Training FLOPs a token with attention counted over the tokens that each layer really sees."""
    length = context or config.context
    spans = sum(mean_span(length, config.window(layer)) for layer in range(config.n_layer))
    return 6 * matrix_parameters(config) + 12 * config.d_model * spans


def device_peak(device: torch.device) -> float | None:
    """Dense bf16 peak of the device in FLOP/s by its name; None for a CPU or a device that the table lacks."""
    if device.type != "cuda":
        return None
    return of_device(PEAKS, torch.cuda.get_device_name(device))


def of_device(figures: Mapping[str, float], name: str) -> float | None:
    """The figure of the first key that stands in a device's name as whole words, None where none does.

    >>> of_device({"L4": 121e12}, "NVIDIA L40S") is None
    True
    """
    return next((value for part, value in figures.items() if re.search(rf"\b{part}\b", name)), None)


@dataclass(frozen=True)
class Utilisation:
    """MFU by both formulas from tokens a second of all devices; `peak` is one device's FLOP/s (None: no figures)."""

    config: GPTConfig
    peak: float | None
    devices: int = 1
    context: int | None = None

    def __call__(self, tokens_per_second: float) -> dict[str, float]:
        """`mfu` (6N + 12LdT) and `mfu_causal` (causality and band counted), 0 to 1."""
        if self.peak is None:
            return {}
        share = tokens_per_second / (self.peak * self.devices)
        return {
            "mfu": share * flops_per_token(self.config, self.context),
            "mfu_causal": share * flops_per_token_causal(self.config, self.context),
        }
