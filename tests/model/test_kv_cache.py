"""With a cache the model gives what it gives without, however the tokens are cut, padded and thinned out."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.gpt import GPT
from model.gpt_config import GPTConfig
from model.kv_cache import KVCache, places

CONFIG = GPTConfig(vocab_size=50, context=80, n_layer=4, n_head=2, d_model=16, band=5)


def lively(config: GPTConfig) -> GPT:
    torch.manual_seed(0)
    model = GPT(config).eval().requires_grad_(requires_grad=False)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model


BANDS = {"dense": None, "band of 5": 5, "band of one token": 1, "band wider than the cache": 79}
MODELS = {name: lively(replace(CONFIG, band=band)) for name, band in BANDS.items()}
IDS = torch.randint(50, (3, 72), generator=torch.Generator().manual_seed(1))
WHOLE = {name: model(IDS) for name, model in MODELS.items()}


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, atol=5e-6, rtol=1e-4)


@pytest.mark.parametrize("name", BANDS)
@pytest.mark.parametrize(
    "cuts",
    [
        pytest.param([72], id="prefill alone"),
        pytest.param([1] * 72, id="token by token"),
        pytest.param([20] + [1] * 52, id="prefill, then token by token"),
        pytest.param([3, 1, 1, 30, 1, 1, 2, 33], id="a talk: pieces and tokens in turn"),
    ],
)
def test_any_cut_of_a_row_gives_the_whole(name: str, cuts: list[int]) -> None:
    cache = KVCache(MODELS[name].config, 3, 72)
    close(torch.cat([MODELS[name](part, cache=cache) for part in IDS.split(cuts, dim=1)], dim=1), WHOLE[name])
    assert cache.lengths.tolist() == [72, 72, 72]


@settings(max_examples=25)
@given(st.lists(st.integers(1, 12), min_size=1, max_size=6), st.sampled_from(sorted(BANDS)))
def test_any_drawn_cut_gives_the_whole(cuts: list[int], name: str) -> None:
    cache = KVCache(MODELS[name].config, 3, 72)
    parts = [MODELS[name](part, cache=cache) for part in IDS[:, : sum(cuts)].split(cuts, dim=1)]
    close(torch.cat(parts, dim=1), WHOLE[name][:, : sum(cuts)])


def padded_prompts(lengths: Tensor, side: Any) -> tuple[Tensor, Tensor]:
    """Prompts cut from IDS and padded, with their positions."""
    width = int(lengths.max())
    positions = places(lengths, width, side)
    prompts = torch.full_like(positions, 49)
    for row, length in enumerate(lengths.tolist()):
        prompts[row, positions[row] >= 0] = IDS[row, :length]
    return prompts, positions


def decoded(model: GPT, cache: KVCache, rows: Tensor, steps: int) -> list[Tensor]:
    """Hidden states of the next true tokens, each row from where it stands."""
    found = []
    for _ in range(steps):
        tokens = IDS[rows, cache.lengths][:, None]
        found.append(model(tokens, cache=cache))
    return found


@pytest.mark.parametrize("name", BANDS)
@pytest.mark.parametrize("side", ["right", "left"])
def test_prompts_of_unequal_length_go_on_each_from_its_own_end(name: str, side: str) -> None:
    lengths = torch.tensor([12, 3, 7])
    prompts, positions = padded_prompts(lengths, side)
    model, cache = MODELS[name], KVCache(CONFIG if name == "band of 5" else MODELS[name].config, 3, 40)
    hidden = model(prompts, positions, cache)
    for row, length in enumerate(lengths.tolist()):
        close(hidden[row, positions[row] >= 0], WHOLE[name][row, :length])
    steps = torch.cat(decoded(model, cache, torch.arange(3), 20), dim=1)
    for row, length in enumerate(lengths.tolist()):
        close(steps[row], WHOLE[name][row, length : length + 20])


def test_a_second_padded_piece_goes_on_as_well() -> None:
    """A turn of unequal length for rows that stand at unequal places, as in a talk with several users."""
    model, cache = MODELS["band of 5"], KVCache(CONFIG, 3, 72)
    first, second = torch.tensor([12, 3, 7]), torch.tensor([2, 9, 0])
    prompts, positions = padded_prompts(first, "right")
    model(prompts, positions, cache)
    at = places(second, 9)
    more = torch.where(at < 0, at, at + first[:, None])
    hidden = model(IDS.gather(1, more.clamp(min=0)), more, cache)
    for row in range(3):
        close(hidden[row, : second[row]], WHOLE["band of 5"][row, first[row] : first[row] + second[row]])
    assert cache.lengths.tolist() == [14, 12, 7]
    close(decoded(model, cache, torch.arange(3), 1)[0][2, 0], WHOLE["band of 5"][2, 7])


def test_rows_that_are_kept_go_on() -> None:
    model, cache = MODELS["band of 5"], KVCache(CONFIG, 3, 40)
    model(*padded_prompts(torch.tensor([12, 3, 7]), "right"), cache)
    rows = torch.tensor([2, 0])
    cache.keep(rows)
    steps = torch.cat(decoded(model, cache, rows, 9), dim=1)
    close(steps, torch.stack((WHOLE["band of 5"][2, 7:16], WHOLE["band of 5"][0, 12:21])))


def test_a_reset_cache_is_as_new() -> None:
    model, cache = MODELS["band of 5"], KVCache(CONFIG, 3, 40)
    model(IDS[:, 30:60], cache=cache)
    cache.reset()
    close(
        torch.cat([model(part, cache=cache) for part in IDS[:, :20].split([8, 1, 11], dim=1)], dim=1),
        WHOLE["band of 5"][:, :20],
    )


def test_a_local_layer_keeps_its_band_and_one_spare_slot() -> None:
    cache = KVCache(CONFIG, 3, 72)
    assert [layer.shape[3] for layer in cache.layers] == [73, 6, 73, 6]


@pytest.mark.parametrize(
    ("length", "calls", "message"),
    [
        pytest.param(
            81, [], r"cache length must lie in 1..80 \(the model's context\), got 81", id="beyond the context"
        ),
        pytest.param(0, [], "cache length must lie in 1..80", id="no slot"),
        pytest.param(10, [11], "0 \\+ 11 tokens do not fit a cache of 10: trim the prompt", id="prompt"),
        pytest.param(10, [9, 1, 1], "10 \\+ 1 tokens do not fit a cache of 10", id="one token too many"),
    ],
)
def test_what_does_not_fit_is_refused(length: int, calls: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cache = KVCache(CONFIG, 3, length)
        for n in calls:
            MODELS["band of 5"](IDS[:, :n], cache=cache)


@pytest.mark.parametrize(
    ("side", "expected"),
    [("right", [[0, 1, 2], [0, -1, -1], [-1, -1, -1]]), ("left", [[0, 1, 2], [-1, -1, 0], [-1, -1, -1]])],
)
def test_places(side: Any, expected: list[list[int]]) -> None:
    assert places(torch.tensor([3, 1, 0]), 3, side).tolist() == expected


def test_no_two_tokens_of_a_call_share_a_slot() -> None:
    """A GPU leaves the order of two writes to a slot open; of a prompt longer than the band the last tokens stay."""
    cache = KVCache(CONFIG, 2, 40)
    cache.begin(12, places(torch.tensor([12, 7]), 12))
    band, spare = 5, 5
    slots = cache._plans[band].slots.tolist()
    assert slots[0] == [spare] * 7 + [2, 3, 4, 0, 1]
    assert slots[1] == [spare] * 2 + [2, 3, 4, 0, 1] + [spare] * 5
