import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from model import flops
from model.attention import visible
from model.gpt import GPT
from model.gpt_config import PRESETS, GPTConfig

SMALL = PRESETS["gpt3-small"]


def test_figures_of_gpt3_small() -> None:
    assert 6 * flops.matrix_parameters(SMALL) == pytest.approx(741e6, rel=0.001)
    assert flops.flops_per_token(SMALL) == pytest.approx(968e6, rel=0.001)
    assert flops.flops_per_token_causal(SMALL) == pytest.approx(811e6, rel=0.001)


@pytest.mark.parametrize(("context", "window"), [(9, None), (9, 4), (9, 1), (9, 9), (4, 9)])
def test_mean_span_counts_what_a_mask_shows(context: int, window: int | None) -> None:
    at = torch.arange(context)
    assert flops.mean_span(context, window) == visible(at, at, window).sum().item() / context


def test_the_first_formula_is_what_plain_attention_computes() -> None:
    config = GPTConfig(vocab_size=128, context=64, n_layer=2, n_head=2, d_model=32, band=None)
    model = GPT(config)
    with FlopCounterMode(display=False) as counter:
        model.route = "reference"
        model.logits(model(torch.zeros(1, 64, dtype=torch.int64))).sum().backward()
    # The first layer's input gradient is not asked for of ids, all else is counted.
    assert counter.get_total_flops() == pytest.approx(64 * flops.flops_per_token(config), rel=0.02)


def test_utilisation_by_both_formulas() -> None:
    found = flops.Utilisation(SMALL, 989e12, devices=2)(2 * 409_000)
    assert found["mfu"] == pytest.approx(0.40, abs=0.002)
    assert found["mfu_causal"] == pytest.approx(0.335, abs=0.002)


def test_no_figure_without_a_peak() -> None:
    assert flops.device_peak(torch.device("cpu")) is None
    assert flops.Utilisation(SMALL, None)(1e6) == {}


@pytest.mark.parametrize(
    ("name", "peak"),
    [
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA GH200 480GB", 989e12),
        ("NVIDIA A100-SXM4-80GB", 312e12),
        ("NVIDIA L4", 121e12),
        ("NVIDIA L40", 181e12),
        ("NVIDIA L40S", 362e12),
        ("NVIDIA L400", None),
    ],
)
def test_a_device_has_the_peak_of_its_own_name(name: str, peak: float | None) -> None:
    assert flops.of_device(flops.PEAKS, name) == peak
