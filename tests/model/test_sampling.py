"""Each step of drawing a token against transformers' own, and the noise against its distribution."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers.generation import TopKLogitsWarper, TopPLogitsWarper

from model.sampling import (
    FrequencyPresencePenalty,
    SamplingConfig,
    choose,
    exponential_noise,
    keep_top_k,
    keep_top_p,
    penalise,
    row_keys,
)

NO_IDS = torch.zeros(1, 0, dtype=torch.long)


def random_logits(seed: int, rows: int = 3, vocab: int = 50) -> torch.Tensor:
    return torch.randn(rows, vocab, generator=torch.Generator().manual_seed(seed)) * 3


@pytest.mark.parametrize(
    ("key", "value"),
    [
        pytest.param("temperature", -0.1, id="negative_temperature"),
        pytest.param("top_p", 0.0, id="empty_nucleus"),
        pytest.param("top_p", 1.1, id="more_than_all"),
        pytest.param("top_k", -1, id="negative_k"),
        pytest.param("max_new_tokens", 0, id="nothing_to_generate"),
        pytest.param("max_rows", 0, id="no_rows"),
        pytest.param("stop", ("",), id="empty_stop_stops_at_once"),
        pytest.param("on_long_prompt", "wrap", id="unknown_choice"),
    ],
)
def test_a_wrong_setting_is_named(key: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"^{key}: got"):
        SamplingConfig(**{key: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("counts", "frequency", "presence", "expected"),
    [
        pytest.param([0, 1, 3], 0.5, 0.0, [0, -0.5, -1.5], id="frequency_grows_with_the_count"),
        pytest.param([0, 1, 3], 0.0, 0.5, [0, -0.5, -0.5], id="presence_does_not"),
        pytest.param([0, 1, 3], -1.0, 0.0, [0, 1, 3], id="a_negative_penalty_repeats"),
    ],
)
def test_penalties(counts: list[int], frequency: float, presence: float, expected: list[float]) -> None:
    got = penalise(torch.zeros(1, 3), torch.tensor([counts]), frequency, presence)
    assert got.tolist() == [expected]


@pytest.mark.parametrize("k", [1, 7, 50, 99])
def test_top_k_is_transformers_top_k(k: int) -> None:
    logits = random_logits(k)
    assert torch.equal(keep_top_k(logits, k), TopKLogitsWarper(k)(NO_IDS, logits))


@given(st.integers(0, 10_000), st.floats(0.01, 0.999))
def test_top_p_is_transformers_top_p(seed: int, p: float) -> None:
    logits = random_logits(seed)
    assert torch.equal(keep_top_p(logits, p).isinf(), TopPLogitsWarper(p)(NO_IDS, logits).isinf())


@pytest.mark.parametrize(
    ("p", "kept"),
    [
        pytest.param(0.4, [True, False, False], id="the_first_reaches_it"),
        pytest.param(0.51, [True, True, False], id="the_one_that_crosses_it_stays"),
        pytest.param(1e-9, [True, False, False], id="one_always_stays"),
        pytest.param(1.0, [True, True, True], id="one_keeps_all"),
    ],
)
def test_nucleus(p: float, kept: list[bool]) -> None:
    assert (~keep_top_p(torch.tensor([[0.5, 0.3, 0.2]]).log(), p).isinf()).tolist() == [kept]


def test_draws_follow_the_distribution() -> None:
    probability = torch.tensor([0.5, 0.3, 0.15, 0.05])
    n = 40_000
    keys = torch.tensor(row_keys([[i] for i in range(n)], seed=3))
    tokens, logprobs = choose(probability.log().expand(n, 4), None, SamplingConfig(), keys, keys.new_zeros(n))
    counts = tokens.bincount(minlength=4)
    chi_square = ((counts - n * probability) ** 2 / (n * probability)).sum()
    assert chi_square < 16.3  # 99.9 % of draws, three degrees of freedom
    assert torch.allclose(logprobs, probability.log()[tokens], atol=1e-6)


def test_noise_is_exponential_and_its_steps_and_tokens_are_unrelated() -> None:
    keys = torch.tensor(row_keys([[1]], seed=0)).expand(200)
    noise = exponential_noise(keys, torch.arange(200), 500)
    assert noise.mean().item() == pytest.approx(1, abs=0.02)
    assert noise.var().item() == pytest.approx(1, abs=0.05)
    assert (noise > 3).float().mean().item() == pytest.approx(math.exp(-3), abs=0.003)
    for moved in (noise[1:] * noise[:-1], noise[:, 1:] * noise[:, :-1]):
        assert moved.mean().item() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("bits", [0, -1], ids=["lowest", "highest"])
def test_noise_is_finite_at_its_ends(bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.sampling._mix", lambda x: torch.full_like(x, bits))
    noise = exponential_noise(torch.tensor([1]), torch.tensor([1]), 3)
    assert (noise > 0).all()
    assert noise.isfinite().all()


def test_a_row_draws_the_same_among_others() -> None:
    logits = random_logits(1, rows=5)
    keys, steps = torch.arange(5), torch.tensor([4, 0, 2, 2, 9])
    together, _ = choose(logits, None, SamplingConfig(), keys, steps)
    alone = [
        choose(logits[i : i + 1], None, SamplingConfig(), keys[i : i + 1], steps[i : i + 1])[0]
        for i in range(5)
    ]
    assert torch.equal(together, torch.cat(alone))


def test_keys_tell_copies_seeds_and_prompts_apart_but_not_places() -> None:
    first, other, copy = row_keys([[1, 2], [3], [1, 2]], seed=0)
    assert len({first, other, copy}) == 3
    assert row_keys([[3], [1, 2]], seed=0) == [other, first]
    assert row_keys([[1, 2]], seed=1) != [first]


def test_logprobs_are_those_of_the_sampled_distribution() -> None:
    logits = random_logits(5)
    config = SamplingConfig(temperature=0.7, top_k=5, frequency_penalty=0.3)
    counts = torch.zeros(3, 50, dtype=torch.int32).index_fill(1, torch.tensor([4]), 2)
    tokens, logprobs = choose(logits, counts, config, torch.arange(3), torch.zeros(3, dtype=torch.long))
    for row in range(3):
        tempered = (logits[row] - 0.3 * counts[row]).double() / 0.7
        best = tempered.topk(5).indices.tolist()
        assert tokens[row] in best
        share = tempered[tokens[row]].exp() / tempered[best].exp().sum()
        assert logprobs[row].item() == pytest.approx(math.log(share), abs=1e-5)


def test_temperature_zero_is_the_likeliest_and_keeps_a_logprob() -> None:
    logits = torch.tensor([[0.0, 2.0, 2.0]])
    config = SamplingConfig(temperature=0)
    tokens, logprobs = choose(logits, None, config, torch.zeros(1).long(), torch.zeros(1).long())
    assert tokens.tolist() == [1]
    assert logprobs.item() == pytest.approx(2 - math.log(1 + 2 * math.exp(2)))


def test_processor_counts_generated_tokens_alone() -> None:
    processor = FrequencyPresencePenalty(0.5, 0.25, n_prompt=2)
    got = processor(torch.tensor([[3, 3, 1, 1, 0]]), torch.zeros(1, 4))
    assert got.tolist() == [[-0.75, -1.25, 0, 0]]
