"""The generator against a model that reads every row anew, alone and without a cache."""

from dataclasses import replace

import pytest
import torch

from model import decoding, kv_cache
from model.decoding import CUDA_CHECK_EVERY, generate
from model.gpt import GPT
from model.gpt_config import GPTConfig
from model.sampling import SamplingConfig, choose, row_keys
from tests.model.simulated_graphs import simulate

CONFIG = GPTConfig(vocab_size=40, context=64, n_layer=3, n_head=2, d_model=16, band=8)
GREEDY = SamplingConfig(temperature=0, max_new_tokens=20)
SAMPLED = SamplingConfig(max_new_tokens=20, seed=7)


@pytest.fixture(scope="module")
def model() -> GPT:
    """Weights large enough for the choice of tokens to depend on what was read."""
    torch.manual_seed(0)
    made = GPT(CONFIG)
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.dim() == 2:
                parameter.mul_(8)
    return made


def random_prompts(n: int, seed: int = 0, longest: int = 44) -> list[list[int]]:
    noise = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, longest + 1, (n,), generator=noise).tolist()
    return [torch.randint(0, 40, (length,), generator=noise).tolist() for length in lengths]


@torch.no_grad()
def slowly(
    model: GPT, prompt: list[int], config: SamplingConfig, ends: set[int]
) -> tuple[list[int], list[float]]:
    """One row, no cache: the whole row is read anew for every token."""
    model.eval()
    (key,) = row_keys([prompt], config.seed)
    ids, logprobs = list(prompt), []
    for step in range(config.max_new_tokens):
        logits = model.logits(model(torch.tensor([ids]))[:, -1])
        counts = torch.zeros(1, 40, dtype=torch.int32)
        for token in ids[len(prompt) :]:
            counts[0, token] += 1
        token, logprob = choose(logits, counts, config, torch.tensor([key]), torch.tensor([step]))
        ids.append(int(token))
        logprobs.append(float(logprob))
        if ids[-1] in ends:
            break
    return ids[len(prompt) :], logprobs


@pytest.mark.parametrize(
    ("config", "ends"),
    [
        pytest.param(GREEDY, set(), id="greedy_past_the_window"),
        pytest.param(SAMPLED, {0, 1}, id="sampled_rows_of_many_lengths_end_and_leave"),
        pytest.param(replace(SAMPLED, max_rows=3), {0, 1}, id="in_batches_of_three"),
        pytest.param(replace(SAMPLED, top_p=0.8, top_k=9, temperature=0.7), {0}, id="truncated"),
        pytest.param(replace(SAMPLED, frequency_penalty=1.5, presence_penalty=0.7), {0}, id="penalised"),
        pytest.param(replace(SAMPLED, max_new_tokens=1), {0}, id="one_token"),
    ],
)
def test_batches_give_what_each_row_gives_alone(model: GPT, config: SamplingConfig, ends: set[int]) -> None:
    prompts = random_prompts(14)
    made = generate(model, prompts, config, ends)
    for row, prompt in enumerate(prompts):
        ids, logprobs = slowly(model, prompt, config, ends)
        assert made.ids[row].tolist() == ids, row
        assert made.logprobs[row].tolist() == pytest.approx(logprobs, abs=1e-4), row
        assert made.finished[row] == (ids[-1] in ends)
        assert made.n_prompt[row] == len(prompt)


def test_a_prompt_gives_the_same_alone_and_in_another_order(model: GPT) -> None:
    prompts = random_prompts(9)
    together = generate(model, prompts, SAMPLED, {0})
    turned = generate(model, prompts[::-1], SAMPLED, {0})
    alone = generate(model, prompts[4:5], SAMPLED, {0})
    assert [ids.tolist() for ids in together.ids] == [ids.tolist() for ids in turned.ids[::-1]]
    assert together.ids[4].tolist() == alone.ids[0].tolist()


def test_copies_of_a_prompt_differ_and_seeds_too(model: GPT) -> None:
    prompt = [1, 2, 3]
    made = generate(model, [prompt] * 3, SAMPLED, ())
    again = generate(model, [prompt], replace(SAMPLED, seed=8), ())
    assert len({tuple(ids.tolist()) for ids in (*made.ids, *again.ids)}) == 4


def test_a_generator_moves_on_and_can_be_set_back(model: GPT) -> None:
    noise = torch.Generator().manual_seed(1)
    state = noise.get_state()
    first = generate(model, [[1, 2]], SAMPLED, (), noise).ids[0]
    second = generate(model, [[1, 2]], SAMPLED, (), noise).ids[0]
    noise.set_state(state)
    assert first.tolist() != second.tolist()
    assert generate(model, [[1, 2]], SAMPLED, (), noise).ids[0].tolist() == first.tolist()


def test_keys_replace_those_of_the_prompts(model: GPT) -> None:
    made = generate(model, [[1, 2], [1, 2]], SAMPLED, (), keys=[5, 5])
    assert made.ids[0].tolist() == made.ids[1].tolist()


def letters(ids: list[int]) -> str:
    return "".join(chr(ord("A") + token) for token in ids)


@pytest.mark.parametrize("length", [1, 2, 5], ids=lambda n: f"stop_of_{n}")
def test_a_stop_string_ends_its_row_alone(model: GPT, length: int) -> None:
    prompts = random_prompts(6)
    free = [letters(ids.tolist()) for ids in generate(model, prompts, SAMPLED, ()).ids]
    stop = free[2][7 : 7 + length]
    made = generate(model, prompts, replace(SAMPLED, stop=(stop,)), (), decode=letters)
    for row, text in enumerate(free):
        cut = text.find(stop)
        expected = text if cut < 0 else text[: cut + length]
        assert letters(made.ids[row].tolist()) == expected
        assert made.finished[row] == (cut >= 0)


@pytest.mark.parametrize(
    ("prompts", "config", "message"),
    [
        pytest.param([[1], []], SAMPLED, "prompt 1: it is empty", id="empty"),
        pytest.param([[1], [2, 40]], SAMPLED, "prompt 1: token 40 lies outside", id="strange_token"),
        pytest.param([[-1]], SAMPLED, "prompt 0: token -1 lies outside", id="negative_token"),
        pytest.param(
            [[1], [1], [2] * 45],
            replace(SAMPLED, on_long_prompt="refuse"),
            r"prompt 2: its 45 tokens and max_new_tokens 20 exceed the context of 64; shorten it",
            id="too_long",
        ),
        pytest.param([[1]], replace(SAMPLED, max_new_tokens=64), "^max_new_tokens: 64 leave", id="no_room"),
        pytest.param([[1]], replace(SAMPLED, stop=("a",)), "^stop: stop strings need", id="no_decoder"),
    ],
)
def test_what_cannot_be_read_is_named(
    model: GPT, prompts: list[list[int]], config: SamplingConfig, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        generate(model, prompts, config, ())


def test_a_long_prompt_keeps_its_end(model: GPT) -> None:
    prompt = random_prompts(1, longest=1)[0] * 30 + list(range(40))
    made = generate(model, [prompt], GREEDY, ())
    assert made.n_prompt == [44]
    assert made.ids[0].tolist() == generate(model, [prompt[-44:]], GREEDY, ()).ids[0].tolist()


def test_no_prompts_give_no_rows(model: GPT) -> None:
    assert generate(model, [], SAMPLED, ()).ids == []


def test_dropout_is_off_and_training_mode_comes_back(model: GPT) -> None:
    torch.manual_seed(0)
    dropping = GPT(replace(CONFIG, resid_dropout=0.5)).train()
    first, second = (generate(dropping, [[1, 2]], GREEDY, ()).ids[0].tolist() for _ in range(2))
    assert first == second
    assert dropping.training


@pytest.mark.parametrize(
    ("config", "ends"),
    [
        pytest.param(GREEDY, {0}, id="greedy"),
        pytest.param(
            replace(SAMPLED, max_new_tokens=2 * CUDA_CHECK_EVERY + 3), set(range(6)), id="rows_leave"
        ),
        pytest.param(replace(SAMPLED, frequency_penalty=1.5, max_rows=5), {0}, id="penalised_in_batches"),
    ],
)
@pytest.mark.parametrize("even", [False, True], ids=["prompts_of_many_lengths", "of_one_length"])
def test_replayed_steps_give_what_steps_give(
    model: GPT, config: SamplingConfig, ends: set[int], even: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (decoding, kv_cache):  # so that the reach grows on the way
        monkeypatch.setattr(module, "HORIZON", 8)
    prompts = [prompt[:1] * 5 if even else prompt for prompt in random_prompts(12)]
    expected = generate(model, prompts, config, ends)
    graphs = simulate(monkeypatch)
    made = generate(model, prompts, config, ends)
    assert [ids.tolist() for ids in made.ids] == [ids.tolist() for ids in expected.ids]
    assert [row.tolist() for row in made.logprobs] == [
        pytest.approx(row.tolist(), abs=1e-5) for row in expected.logprobs
    ]
    assert made.finished == expected.finished
    assert len(graphs) >= 3
    assert max(graph.replays for graph in graphs) > 2


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA: replayed graphs")
def test_graphs_give_what_the_cpu_gives(model: GPT) -> None:
    prompts, config = random_prompts(20), replace(GREEDY, max_new_tokens=2 * CUDA_CHECK_EVERY + 3)
    expected = generate(model, prompts, config, {0})
    made = generate(model.to("cuda"), prompts, config, {0})
    model.to("cpu")
    assert [ids.tolist() for ids in made.ids] == [ids.tolist() for ids in expected.ids]
