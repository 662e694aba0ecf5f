"""Rollouts: what is sampled is what is scored, and all is read at the right places."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from torch import Tensor

from model.data import DataError
from model.gpt import GPT, ScalarGPT
from model.gpt_config import GPTConfig
from model.ppo_config import PromptsConfig
from model.rollout import (
    Episodes,
    ModelReward,
    answer_logprobs,
    answer_values,
    load_prompts,
    micro_batches,
    roll_out,
)
from model.sampling_config import SamplingConfig
from model.tokenizer import encode_dialogue, load_tokenizer
from tests.model.checkpoints import byte_tokenizer, random_model

CONFIG = GPTConfig(vocab_size=20, context=24, n_layer=2, n_head=2, d_model=16, band=4)
END = 7
PROMPTS = [[1, 2, 3], [4], [5, 6, 1, 2, 3, 4, 5], [9, 8]]


def scalar_model(seed: int = 1) -> ScalarGPT:
    model = ScalarGPT(random_model(CONFIG, seed)).eval()
    torch.nn.init.normal_(model.score.weight, generator=torch.Generator().manual_seed(seed))
    return model


@pytest.fixture(scope="module")
def policy() -> GPT:
    return random_model(CONFIG)


@pytest.fixture(scope="module")
def episodes(policy: GPT) -> Episodes:
    made = roll_out(policy, PROMPTS * 3, SamplingConfig(max_new_tokens=9, seed=4), [END])
    assert 0 < int(made.ended.sum()) < len(made.ended)  # both kinds
    return made


def test_rows_are_prompts_and_answers(episodes: Episodes) -> None:
    for row, (prompt, answer) in enumerate(zip(PROMPTS * 3, episodes.answers(), strict=True)):
        whole = prompt + answer
        assert episodes.ids[row].tolist() == whole + [0] * (episodes.ids.shape[1] - len(whole))
        assert (answer[-1] == END) == bool(episodes.ended[row])
        assert END not in answer[:-1]
        assert int(episodes.mask[row].sum()) == len(answer)


def slow_logprobs(model: GPT, prompt: list[int], answer: list[int]) -> Tensor:
    """One token at a time, from the logits of the text so far."""
    found = []
    for at, token in enumerate(answer):
        logits = model.logits(model(torch.tensor([prompt + answer[:at]])))[0, -1]
        found.append(logits.log_softmax(-1)[token])
    return torch.stack(found)


def test_the_scorer_finds_the_log_probabilities_that_the_sampler_drew_by(
    policy: GPT, episodes: Episodes
) -> None:
    with torch.no_grad():
        found, entropy = answer_logprobs(policy, episodes)
    torch.testing.assert_close(found, episodes.logprobs * episodes.mask, atol=2e-5, rtol=0)
    assert (found[~episodes.mask] == 0).all()
    assert (entropy[episodes.mask] > 0).all()
    assert (entropy[~episodes.mask] == 0).all()


def test_log_probabilities_and_their_gradient_equal_a_loop_over_tokens(
    policy: GPT, episodes: Episodes
) -> None:
    chosen = episodes.take(torch.tensor([3, 0, 6]))
    weights = torch.randn(chosen.logprobs.shape, generator=torch.Generator().manual_seed(0))
    parameters = list(policy.parameters())
    found = (answer_logprobs(policy, chosen)[0] * weights).sum()
    slow = sum(
        (slow_logprobs(policy, (PROMPTS * 3)[row], answer) * weights[at, : len(answer)]).sum()
        for at, (row, answer) in enumerate(zip((3, 0, 6), chosen.answers(), strict=True))
    )
    torch.testing.assert_close(found, slow, atol=1e-4, rtol=1e-5)
    ours, theirs = (torch.autograd.grad(value, parameters) for value in (found, slow))
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-4)


def test_a_value_is_that_of_the_text_before_its_token(episodes: Episodes) -> None:
    model = scalar_model()
    with torch.no_grad():
        found = answer_values(model, episodes)
        for row, answer in enumerate(episodes.answers()):
            start = int(episodes.n_prompt[row])
            text = episodes.ids[row, : start + len(answer) - 1]
            expected = torch.stack([model(text[None, :end])[0, -1] for end in range(start, len(text) + 1)])
            torch.testing.assert_close(found[row, : len(answer)], expected, atol=1e-5, rtol=1e-5)
    assert (found[~episodes.mask] == 0).all()


def test_padding_of_others_changes_nothing(policy: GPT, episodes: Episodes) -> None:
    rows = torch.tensor([1, 5])
    with torch.no_grad():
        alone, whole = answer_logprobs(policy, episodes.take(rows))[0], answer_logprobs(policy, episodes)[0]
    torch.testing.assert_close(alone, whole[rows], atol=1e-5, rtol=0)


def test_the_reward_is_read_at_the_end_which_is_added_where_it_lacks(episodes: Episodes) -> None:
    model = scalar_model()
    found = ModelReward(model, END, rows=5)(episodes)
    with torch.no_grad():
        for row, answer in enumerate(episodes.answers()):
            whole = (PROMPTS * 3)[row] + answer
            closed = whole if whole[-1] == END else [*whole, END]
            torch.testing.assert_close(found[row], model(torch.tensor([closed]))[0, -1], atol=1e-5, rtol=1e-5)


def test_the_end_of_the_text_is_not_the_end_of_an_answer() -> None:
    model = scalar_model()
    ids = torch.tensor([[3, 4, 0]])
    episode = Episodes(ids, torch.tensor([1]), torch.tensor([1]), torch.tensor([True]), torch.zeros(1, 1))
    (found,) = ModelReward(model, END, rows=1)(episode).tolist()
    with torch.no_grad():
        assert found == pytest.approx(float(model(torch.tensor([[3, 4, END]]))[0, -1]), abs=1e-5)


def test_micro_batches_do_not_reach_into_another_minibatch() -> None:
    parts = [part.tolist() for part in micro_batches(torch.arange(8), 4, 3)]
    assert parts == [[0, 1, 2], [3], [4, 5, 6], [7]]


def test_a_prompt_that_does_not_fit_is_refused(policy: GPT) -> None:
    sampling = SamplingConfig(max_new_tokens=20, on_long_prompt="refuse")
    with pytest.raises(ValueError, match="prompt 2"):
        roll_out(policy, PROMPTS, sampling, [END])


DIALOGUES = [
    [{"role": "user", "content": "ab"}],
    [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "a<|end|>"},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c"},
    ],
    [{"role": "user", "content": "a" * 50}],
]


@pytest.fixture
def prompts_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "prompts"
    folder.mkdir()
    columns = {"prompt_id": ["p0", "p1", "p2"], "prompt": DIALOGUES}
    pq.write_table(pa.table(columns), folder / "train-00000.parquet")
    return folder


def test_prompts_are_dialogues_with_the_answer_opened(prompts_folder: Path, tmp_path: Path) -> None:
    byte_tokenizer(tmp_path / "tokenizer")
    tokenizer = load_tokenizer(tmp_path / "tokenizer")
    prompts, left_out = load_prompts(PromptsConfig(folder=str(prompts_folder)), tokenizer, room=40)
    assert left_out == 1
    assert [prompt.prompt_id for prompt in prompts] == ["p0", "p1"]
    expected = [encode_dialogue(tokenizer, turns, add_assistant=True) for turns in DIALOGUES[:2]]
    assert [prompt.ids for prompt in prompts] == expected


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        ({"longest": 3}, ValueError, "of the 3 .* none has 3 tokens or fewer: raise prompts.longest"),
        ({"split": "validation"}, DataError, "no rows of split 'validation'"),
    ],
    ids=["all_too_long", "no_rows"],
)
def test_no_prompts_is_an_error(
    prompts_folder: Path, tmp_path: Path, changes: dict[str, object], kind: type[Exception], message: str
) -> None:
    byte_tokenizer(tmp_path / "tokenizer")
    config = PromptsConfig(folder=str(prompts_folder), **changes)  # type: ignore[arg-type]
    with pytest.raises(kind, match=message):
        load_prompts(config, load_tokenizer(tmp_path / "tokenizer"), room=90)
