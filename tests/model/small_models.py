"""A small model whose every layer shows in its logits, for comparing with stock classes."""

import torch
from torch import Tensor

from model.gpt import GPT
from model.gpt_config import GPTConfig

IDS = torch.randint(2, 290, (3, 40), generator=torch.Generator().manual_seed(0))


def lively(config: GPTConfig) -> GPT:
    torch.manual_seed(0)
    model = GPT(config).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return model


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def logits(model: GPT, ids: Tensor = IDS) -> Tensor:
    return model.logits(model(ids))
