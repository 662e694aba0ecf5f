"""Data parallelism: who we are among torchrun's processes, and the few collectives that training needs.

Gradients are summed once a step, in fp32, after accumulation. DistributedDataParallel would reduce those of the
working dtype, which in bf16 loses what the fp32 accumulation has kept, and would have to hear of every micro-step.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

BUCKET_BYTES = 64 * 2**20  # fewer, larger messages: the latency of one collective is that of some megabytes


@dataclass(frozen=True)
class World:
    """This process's place: `rank` of `size`, and the `device` it computes on."""

    rank: int = 0
    size: int = 1
    device: torch.device = torch.device("cpu")  # noqa: RUF009 (immutable)

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes files."""
        return self.rank == 0

    def sum(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over all processes; shapes and dtypes agree among them."""
        if self.size == 1:
            return
        for bucket in _buckets(tensors):
            flat = torch.cat([tensor.reshape(-1) for tensor in bucket])
            dist.all_reduce(flat)
            sizes = [tensor.numel() for tensor in bucket]
            for tensor, part in zip(bucket, torch.split(flat, sizes), strict=True):
                tensor.copy_(part.view_as(tensor))

    def broadcast(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by the first process's."""
        if self.size > 1:
            for tensor in tensors:
                dist.broadcast(tensor, src=0)

    def gather(self, tensor: Tensor) -> list[Tensor]:
        """The tensor of every process, by rank, on the CPU; shapes and dtypes agree."""
        if self.size == 1:
            return [tensor.cpu()]
        parts = [torch.empty_like(tensor, device=self.device) for _ in range(self.size)]
        dist.all_gather(parts, tensor.to(self.device))
        return [part.cpu() for part in parts]

    def any(self, flag: bool) -> bool:
        """Whether any process says so; all get the same answer, so that they stop at the same step."""
        if self.size == 1:
            return flag
        said = torch.tensor([int(flag)], device=self.device)
        dist.all_reduce(said, op=dist.ReduceOp.MAX)
        return bool(said.item())

    def wait(self) -> None:
        """Return when every process has come here."""
        if self.size > 1:
            dist.barrier()


@contextmanager
def join_world(device: str) -> Iterator[World]:
    """The processes of torchrun on `device` ("auto", "cpu", "cuda"), or this one alone; leaves them at the end.

    A block within another is in the same world. Several in turn belong into one around them: who has left cannot join
    again, since torchrun's store still has the old addresses. Raises ValueError where CUDA is asked for and absent.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            "config key run.device is 'cuda', but torch sees no CUDA device: use 'auto' or 'cpu'"
        )
    on_cuda = torch.cuda.is_available() if device == "auto" else device == "cuda"
    local = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if on_cuda else torch.device("cpu")
    if on_cuda:
        torch.cuda.set_device(local)
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield World(device=local)
        return
    if dist.is_initialized():
        yield World(dist.get_rank(), dist.get_world_size(), local)
        return
    dist.init_process_group("nccl" if on_cuda else "gloo")
    try:
        yield World(dist.get_rank(), dist.get_world_size(), local)
    finally:
        dist.destroy_process_group()


def _buckets(tensors: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    bucket: list[Tensor] = []
    size = 0
    for tensor in tensors:
        if bucket and (size + tensor.nbytes > BUCKET_BYTES or tensor.dtype != bucket[0].dtype):
            yield bucket
            bucket, size = [], 0
        bucket.append(tensor)
        size += tensor.nbytes
    if bucket:
        yield bucket
