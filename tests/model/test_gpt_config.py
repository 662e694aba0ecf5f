"""The presets are the paper's rows, the parameter count is the model's, and a wrong shape is named."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model.gpt import GPT
from model.gpt_config import PRESETS, TABLE_2_1, GPTConfig

MILLION, BILLION = 10**6, 10**9
SIZES = {
    name: float(row.parameters[:-1]) * (MILLION if row.parameters[-1] == "M" else BILLION)
    for name, row in TABLE_2_1.items()
}
CORRECTED = {"gpt3-xl": ("n_head", 24, 16), "gpt3-13b": ("d_model", 5140, 5120)}


@pytest.mark.parametrize("name", TABLE_2_1)
def test_a_preset_is_the_printed_row_save_where_it_cannot_be_built(name: str) -> None:
    row, preset = TABLE_2_1[name], PRESETS[name]
    different = {
        key: (getattr(row, key), getattr(preset, key))
        for key in ("n_layer", "d_model", "n_head", "d_head")
        if getattr(row, key) != getattr(preset, key)
    }
    assert preset.context == 2048
    if name in CORRECTED:
        key, printed, runnable = CORRECTED[name]
        assert different == {key: (printed, runnable)}
        with pytest.raises(ValueError, match="n_head must divide d_model"):
            replace(preset, **{key: printed})
    else:
        assert different == {}


@pytest.mark.parametrize("name", TABLE_2_1)
def test_a_preset_has_the_printed_number_of_parameters(name: str) -> None:
    assert PRESETS[name].n_parameters == pytest.approx(SIZES[name], rel=0.02)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("gpt2", 124_439_808),
        ("gpt2-medium", 354_823_168),
        ("gpt2-large", 774_030_080),
        ("gpt2-xl", 1_557_611_200),
    ],
)
def test_gpt2_presets_have_the_released_size(name: str, parameters: int) -> None:
    assert PRESETS[name].n_parameters == parameters


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_builds_a_model_of_that_many_parameters(name: str) -> None:
    config = replace(PRESETS[name], n_layer=2)
    with torch.device("meta"):
        built = sum(parameter.numel() for parameter in GPT(config).parameters())
    assert built - (config.padded_vocab_size - config.vocab_size) * config.d_model == config.n_parameters


def test_the_tiny_preset_fits_the_demo() -> None:
    tiny = PRESETS["tiny"]
    assert (tiny.vocab_size, tiny.d_model, tiny.n_layer, tiny.context) == (4096, 128, 4, 256)


@pytest.mark.parametrize("name", [name for name in PRESETS if name.endswith("-dense")])
def test_a_dense_preset_differs_in_attention_alone(name: str) -> None:
    banded = PRESETS[name.removesuffix("-dense")]
    assert PRESETS[name] == replace(banded, band=None, qkv_bias=True)


def test_layers_alternate_and_begin_dense() -> None:
    config = GPTConfig(n_layer=5, band=7)
    assert [config.window(layer) for layer in range(5)] == [None, 7, None, 7, None]
    assert [replace(config, band=None).window(layer) for layer in range(5)] == [None] * 5


@given(st.integers(1, 10**6))
def test_the_vocabulary_is_padded_to_the_next_multiple_of_128(vocab_size: int) -> None:
    padded = GPTConfig(vocab_size=vocab_size).padded_vocab_size
    assert padded % 128 == 0
    assert 0 <= padded - vocab_size < 128


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"vocab_size": 0}, "vocab_size must be at least 1, got 0"),
        ({"context": 0}, "context must be at least 1"),
        ({"n_layer": -1}, "n_layer must be at least 1"),
        ({"n_head": 0}, "n_head must be at least 1"),
        ({"d_model": 0}, "d_model must be at least 1"),
        ({"n_head": 5}, "n_head must divide d_model, got 5 heads for a width of 768"),
        ({"band": 0}, "band must be at least 1 token"),
        ({"pattern": "fixed"}, "pattern must be 'banded' or 'strided', got 'fixed'"),
        ({"pattern": "strided", "band": None}, "pattern 'strided' needs a band"),
        ({"resid_dropout": 1.0}, r"resid_dropout must lie in \[0, 1\)"),
        ({"resid_dropout": -0.1}, r"resid_dropout must lie in \[0, 1\)"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_a_wrong_shape_is_named(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GPTConfig(**wrong)


def test_the_page_shows_the_table() -> None:
    page = (Path(__file__).parents[2] / "docs" / "model.md").read_text()
    shown = [
        f"| {name} | {row.parameters} | {row.n_layer} | {row.d_model} | {row.n_head} | {row.d_head} "
        f"| {row.batch_tokens:,} | {row.learning_rate:.1e} |"
        for name, row in TABLE_2_1.items()
    ]
    assert "\n".join(shown) in page
