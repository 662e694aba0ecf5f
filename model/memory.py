"""What a run will need of the device's memory, before it starts, and what to do when that was too little."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch

from model.gpt_config import GPTConfig

FLOAT32 = 4
# How those say it that are no torch.OutOfMemoryError: the CPU's allocator, CUDA's driver, its libraries' work space.
OUT_OF_MEMORY = ("can't allocate memory", "CUDA error: out of memory", "STATUS_ALLOC_FAILED")
SAVED_ACTIVATIONS = 16  # widths d_model kept for the backward pass, a token and layer; see `estimate`


class OutOfMemoryError(RuntimeError):
    """The device's memory did not suffice; the message says which config key to lower."""


class MemoryEstimate(NamedTuple):
    """Bytes that training holds at its peak, by part."""

    weights: int
    gradients: int
    moments: int
    activations: int
    head: int

    @property
    def total(self) -> int:
        """All parts together."""
        return sum(self)


def estimate(
    config: GPTConfig, parameters: int, rows: int, context: int, dtype: torch.dtype, head_tokens: int
) -> MemoryEstimate:
    """Bytes for micro-batches of `rows` sequences of `context` tokens; attention scores are never materialised.

    Per token and layer the backward pass keeps, in widths of d_model: both norms' inputs and outputs (4), q, k
    and v (3), the attention's output (1), the MLP's before and after GELU (8). The head holds logits and their
    gradient for `head_tokens` tokens at a time, the hidden states' gradient, the embedding's gradient in fp32.
    """
    item = dtype.itemsize
    tokens = rows * context
    low = 0 if dtype == torch.float32 else item
    return MemoryEstimate(
        weights=parameters * (FLOAT32 + low),
        gradients=parameters * (FLOAT32 + low),
        moments=2 * parameters * FLOAT32,
        activations=tokens * config.n_layer * config.d_model * SAVED_ACTIVATIONS * item
        + tokens * config.n_layer * config.n_head * FLOAT32,
        head=min(head_tokens, tokens) * config.padded_vocab_size * (2 * item + FLOAT32)
        + 2 * tokens * config.d_model * item
        + config.padded_vocab_size * config.d_model * FLOAT32,
    )


def available(device: torch.device) -> int | None:
    """Bytes that the device has free now; on the CPU the machine's free memory, None where it cannot be told."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):  # a system without these names
        return None


def describe(needed: MemoryEstimate, free: int | None) -> str:
    """One line for the log."""
    parts = ", ".join(f"{name} {size / 2**30:.2f}" for name, size in needed._asdict().items())
    has = "unknown" if free is None else f"{free / 2**30:.2f} GiB"
    return f"memory estimate: {needed.total / 2**30:.2f} GiB ({parts}); free: {has}"


@contextmanager
def advice(key: str, value: int) -> Iterator[None]:
    """Turn running out of memory within into OutOfMemoryError that says to lower config `key` from `value`.

    The advice of a block within this one passes through.
    """
    try:
        yield
    except OutOfMemoryError:
        raise
    except (torch.OutOfMemoryError, RuntimeError, MemoryError) as error:
        if not _is_out_of_memory(error):
            raise
        lower = (
            f"lower config key {key} from {value} to {value // 2}: the batch stays as it is"
            if value > 1
            else f"config key {key} is 1 already: take a smaller model or a shorter context"
        )
        raise OutOfMemoryError(
            f"the device's memory is full; {lower} ({str(error).splitlines()[0]})"
        ) from error


def _is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or any(
        words in str(error) for words in OUT_OF_MEMORY
    )
