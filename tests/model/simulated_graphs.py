"""CUDA's graphs on a CPU: what is captured is noted and not done, a replay does it in the memory of the capture.

A capture sees Python once and tensors by their places. So what depends on a number that Python holds, on a tensor
that is no longer the one captured, or on the device's answer, goes wrong here as it does there.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from model import decoding

WAITS = ("aten._local_scalar_dense", "aten.nonzero", "aten.lift_fresh", "aten.is_nonzero")


class Graph:
    """The calls of one capture."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, Any, Any, list[Tensor]]] = []
        self.replays = 0

    def replay(self) -> None:
        """Do the calls again, their results where those of the capture stand."""
        self.replays += 1
        for func, args, kwargs, results in self.calls:
            given = _places(args, kwargs)
            for result, made in zip(results, _tensors(func(*args, **kwargs)), strict=True):
                if result.untyped_storage().data_ptr() not in given:  # neither a view nor written in place
                    result.copy_(made)


class _Capture(TorchDispatchMode):
    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.graph = graph
        self.before: list[tuple[Tensor, Tensor]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if str(func).startswith(WAITS):
            raise RuntimeError(f"{func}: a capture cannot wait for the device, nor copy from the host")
        for value, wanted in zip(args, func._schema.arguments, strict=False):
            if wanted.alias_info is not None and wanted.alias_info.is_write:
                self.before.append((value, value.clone()))
        made = func(*args, **kwargs)
        self.graph.calls.append((func, args, kwargs, _tensors(made)))
        return made

    def undo(self) -> None:
        """Leave memory as if nothing had been done: results without a meaning, all else as before."""
        for value, before in reversed(self.before):
            value.copy_(before)
        for _, args, kwargs, results in self.graph.calls:
            for result in results:
                fresh = result.untyped_storage().data_ptr() not in _places(args, kwargs)
                if fresh and result.is_floating_point():
                    result.fill_(torch.nan)


class _Stream:
    def wait_stream(self, other: "_Stream") -> None:
        """Nothing: there is one stream."""


def simulate(patch: pytest.MonkeyPatch) -> list[Graph]:
    """Have the generator believe that it is on CUDA; the graphs that it captures."""
    captured: list[Graph] = []

    def new() -> Graph:
        captured.append(Graph())
        return captured[-1]

    @contextmanager
    def capture(graph: Graph, *, capture_error_mode: str) -> Iterator[None]:
        assert capture_error_mode == "thread_local"
        noting = _Capture(graph)
        with noting:
            yield
        noting.undo()

    patch.setattr(decoding, "on_cuda", lambda device: True)
    patch.setattr(torch.cuda, "CUDAGraph", new)
    patch.setattr(torch.cuda, "graph", capture)
    patch.setattr(torch.cuda, "Stream", _Stream)
    patch.setattr(torch.cuda, "current_stream", _Stream)
    patch.setattr(torch.cuda, "stream", lambda stream: nullcontext())
    return captured


def _tensors(value: Any) -> list[Tensor]:
    return [leaf for leaf in tree_flatten(value)[0] if isinstance(leaf, Tensor)]


def _places(args: Any, kwargs: Any) -> set[int]:
    return {tensor.untyped_storage().data_ptr() for tensor in _tensors((args, kwargs))}
