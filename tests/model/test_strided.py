"""The strided pattern is the union of the paper's two sets, and stays a reference."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model.attention import attend
from model.gpt import GPT
from model.gpt_config import GPTConfig
from model.kv_cache import KVCache
from model.strided import attend_strided, strided_mask

CONFIG = GPTConfig(vocab_size=30, context=32, n_layer=2, n_head=2, d_model=16, band=4, pattern="strided")


@given(st.integers(1, 30), st.integers(1, 12))
def test_the_mask_is_the_union_of_both_sets(length: int, stride: int) -> None:
    mask = strided_mask(length, stride)
    for i in range(length):
        near = set(range(max(0, i - stride + 1), i + 1))
        summary = set(range(i, -1, -stride))
        assert set(mask[i].nonzero().flatten().tolist()) == near | summary


def test_it_sees_more_than_the_band_and_less_than_all() -> None:
    q, k, v = torch.randn(3, 1, 2, 20, 8, generator=torch.Generator().manual_seed(0))
    strided = attend_strided(q, k, v, 4)
    # Token 4 sees its band 1..4 and token 0, which is all; token 5 misses token 0.
    for window, same in ((4, 4), (None, 5)):
        other = attend(q, k, v, window)
        torch.testing.assert_close(strided[:, :, :same], other[:, :, :same])
        assert (strided[:, :, same:] - other[:, :, same:]).abs().amax(-1).min() > 1e-3


def test_a_model_of_this_pattern_runs_and_learns() -> None:
    model = GPT(CONFIG)
    model.logits(model(torch.arange(30)[None])).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_what_it_does_not_do_is_said() -> None:
    with pytest.raises(ValueError, match="reference without a cache"):
        KVCache(CONFIG, 1, 8)
    ids = torch.arange(4)[None]
    with pytest.raises(ValueError, match="takes no explicit positions"):
        GPT(CONFIG)(ids, positions=ids)
