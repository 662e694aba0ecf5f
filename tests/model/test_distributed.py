from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing

from model import distributed
from model.distributed import World, join_world


def test_one_process_is_a_world() -> None:
    with join_world("cpu") as world:
        values = [torch.ones(2)]
        world.sum(values)
        world.broadcast(values)
        world.wait()
        assert (world.size, world.is_first, world.any(True), world.any(False)) == (1, True, True, False)
        assert values[0].tolist() == [1, 1]
        assert [part.tolist() for part in world.gather(values[0])] == [[1, 1]]


def _act(rank: int, store: str, results: Any) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    distributed.BUCKET_BYTES = 64  # so that tensors meet in several buckets
    world = World(rank, 2)
    values = [torch.full((n,), float(rank + 1)) for n in (3, 20, 1)] + [torch.ones(2, dtype=torch.float64)]
    world.sum(values)
    weight = torch.tensor([float(rank)])
    world.broadcast([weight])
    gathered = [part.item() for part in world.gather(torch.tensor([rank]))]
    results.put((rank, [v.mean().item() for v in values], weight.item(), gathered, world.any(rank == 1)))
    world.wait()
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_agree(tmp_path: Any) -> None:
    results = multiprocessing.get_context("spawn").SimpleQueue()
    multiprocessing.spawn(_act, (str(tmp_path / "store"), results), nprocs=2)
    found = sorted(results.get() for _ in range(2))
    expected = ([3.0, 3.0, 3.0, 2.0], 0.0, [0, 1], True)
    assert found == [(0, *expected), (1, *expected)]
