"""One thread for torch: sums depend on how many share them, and runs in processes of their own have one."""

import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Whoever compares a run of this process with one of another counts on it."""
    torch.set_num_threads(1)
