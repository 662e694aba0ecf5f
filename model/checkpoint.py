"""Checkpoints: one folder a step, tensors as safetensors, all else as JSON; complete or not there at all.

<folder>/step-00000020/<name>.safetensors …   tensors
<folder>/step-00000020/state.json             step, tokens, data position, random state, settings
A checkpoint is written under a temporary name and renamed when everything is on disk; nothing is pickled.
"""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

STATE = "state.json"
PREFIX = "step-"
TEMPORARY = ".writing-"


class CheckpointError(ValueError):
    """A checkpoint is damaged, or is not one of this run."""


def save(
    folder: Path, step: int, tensors: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any], keep: int
) -> Path:
    """Write the checkpoint of `step` in one atomic step, then remove all but the `keep` newest; its folder.

    `tensors` are named groups, each a file of its own; `state` is JSON.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(f"{TEMPORARY}*"):
        shutil.rmtree(left)
    target = folder / f"{PREFIX}{step:08d}"
    temporary = folder / f"{TEMPORARY}{target.name}"
    temporary.mkdir()
    for name, group in tensors.items():
        path = temporary / f"{name}.safetensors"
        save_file({key: tensor.detach().contiguous() for key, tensor in group.items()}, path)
        _sync(path)
    (temporary / STATE).write_text(json.dumps({"step": step, **state}, indent=1) + "\n", encoding="utf-8")
    _sync(temporary / STATE)
    _sync(temporary)
    if target.exists():
        _remove(target)
    temporary.rename(target)
    _sync(folder)
    for old in checkpoints(folder)[:-keep]:
        _remove(old)
    return target


def checkpoints(folder: Path) -> list[Path]:
    """The complete checkpoints in `folder`, oldest first."""
    return sorted(path for path in folder.glob(f"{PREFIX}*") if (path / STATE).is_file())


def latest(folder: Path) -> Path | None:
    """The newest complete checkpoint in `folder`, or None."""
    found = checkpoints(folder)
    return found[-1] if found else None


def read_state(checkpoint: Path) -> dict[str, Any]:
    """The JSON state of a checkpoint; CheckpointError where it cannot be read."""
    try:
        state = json.loads((checkpoint / STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(_damaged(checkpoint / STATE, error)) from None
    return dict(state)


def read_tensors(checkpoint: Path, name: str, device: str | torch.device = "cpu") -> dict[str, Tensor]:
    """The tensors of the group `name`; CheckpointError where it cannot be read."""
    path = checkpoint / f"{name}.safetensors"
    try:
        return load_file(path, device=str(device))
    except (OSError, SafetensorError) as error:
        raise CheckpointError(_damaged(path, error)) from None


def random_state(device: torch.device) -> Tensor:
    """State of torch's generators of the CPU and of `device`, as bytes (uint8)."""
    states = [torch.get_rng_state()]
    if device.type == "cuda":
        states.append(torch.cuda.get_rng_state(device))
    return torch.cat(states)


def set_random_state(state: Tensor, device: torch.device) -> None:
    """Continue the random numbers where `random_state` was taken; a CPU's state leaves a GPU's generator as it is."""
    size = torch.get_rng_state().numel()
    torch.set_rng_state(state[:size])
    if device.type == "cuda" and state.numel() > size:
        torch.cuda.set_rng_state(state[size:], device)


def _damaged(path: Path, error: Exception) -> str:
    return f"{path} cannot be read ({error}): remove its folder, and the run resumes at the checkpoint before"


def _remove(checkpoint: Path) -> None:
    # Renamed first: what is half removed must not look like a checkpoint.
    doomed = checkpoint.with_name(f"{TEMPORARY}removed-{checkpoint.name}")
    checkpoint.rename(doomed)
    shutil.rmtree(doomed)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
