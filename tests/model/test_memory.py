import pytest
import torch

from model import memory
from model.gpt import GPT
from model.gpt_config import PRESETS, GPTConfig
from model.memory import OutOfMemoryError, advice, estimate


def test_weights_of_a_mixed_precision_run() -> None:
    found = estimate(PRESETS["gpt3-small"], 125_000_000, 1, 2048, torch.bfloat16, 4096)
    assert found.weights + found.gradients + found.moments == 125_000_000 * 20


def test_activations_are_what_the_backward_pass_keeps() -> None:
    config = GPTConfig(vocab_size=64, context=128, n_layer=3, n_head=2, d_model=64, band=None)
    model = GPT(config)
    parameters = {p.data_ptr() for p in model.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model(torch.zeros(8, 128, dtype=torch.int64))
    found = estimate(config, 0, 8, 128, torch.float32, 512)
    assert sum(kept.values()) == pytest.approx(found.activations, rel=0.15)


@pytest.mark.parametrize(
    ("error", "value", "message"),
    [
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried"),
            16,
            "lower config key batch.micro_rows from 16 to 8",
        ),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), 3, "from 3 to 1"),
        (RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be"), 2, "from 2 to 1"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"), 2, "from 2 to 1"),
        (MemoryError("no"), 1, "is 1 already: take a smaller model"),
    ],
    ids=["cuda", "cpu", "driver", "library", "nothing_left_to_lower"],
)
def test_advice(error: Exception, value: int, message: str) -> None:
    with pytest.raises(OutOfMemoryError, match=message), advice("batch.micro_rows", value):
        raise error


def test_the_advice_of_an_inner_block_is_the_one_that_is_given() -> None:
    with (
        pytest.raises(OutOfMemoryError, match=r"batch\.generate_rows from 8 to 4"),
        advice("batch.micro_rows", 2),
        advice("batch.generate_rows", 8),
    ):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")


def test_other_errors_pass() -> None:
    with pytest.raises(RuntimeError, match=r"^shape$"), advice("x", 2):
        raise RuntimeError("shape")


def test_the_line_for_the_log() -> None:
    line = memory.describe(estimate(PRESETS["tiny"], 10**9, 1, 256, torch.float32, 512), 2**33)
    assert "free: 8.00 GiB" in line
    assert "moments 7.45" in line
