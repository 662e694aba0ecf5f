"""Likelihoods against stock transformers reading each row alone."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from model.gpt import GPT
from model.inference import open_model
from model.likelihood import Request, likelihoods
from tests.model.checkpoints import make_checkpoint

CONTEXT = 32


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("likelihood"), context=CONTEXT)


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> GPT:
    return open_model(checkpoint, "cpu", "float32")[0]


def random_requests(n: int) -> list[Request]:
    noise = torch.Generator().manual_seed(0)

    def ids(longest: int) -> list[int]:
        length = int(torch.randint(1, longest + 1, (), generator=noise))
        return torch.randint(0, 256, (length,), generator=noise).tolist()

    shared = ids(9)
    return [*(Request(ids(40), ids(9)) for _ in range(n)), *(Request(shared, [token]) for token in range(5))]


@torch.no_grad()
def theirs(stock: torch.nn.Module, request: Request) -> tuple[float, bool]:
    ids = [*request.context, *request.continuation][-CONTEXT - 1 :]
    n = len(request.continuation)
    logprobs = stock(torch.tensor([ids[:-1]])).logits[0, -n:].double().log_softmax(dim=-1)
    wanted = torch.tensor(request.continuation)
    return float(logprobs[range(n), wanted].sum()), bool((logprobs.argmax(dim=-1) == wanted).all())


@pytest.mark.parametrize("batch_tokens", [1, 100, 10_000], ids=["a_row_a_batch", "some", "all_at_once"])
def test_each_request_scores_what_stock_transformers_says(
    batch_tokens: int, checkpoint: Path, model: GPT
) -> None:
    stock = AutoModelForCausalLM.from_pretrained(checkpoint).eval()
    requests = random_requests(12)
    for request, scored in zip(requests, likelihoods(model, requests, batch_tokens), strict=True):
        logprob, greedy = theirs(stock, request)
        assert scored.logprob == pytest.approx(logprob, abs=1e-3)
        assert scored.greedy == greedy
        assert scored.n_tokens == len(request.continuation)
        assert scored.trimmed == (len(request.context) + len(request.continuation) > CONTEXT + 1)


def test_the_likeliest_tokens_are_greedy(model: GPT) -> None:
    context = [1, 2, 3]
    with torch.no_grad():
        first = int(model.logits(model(torch.tensor([context]))[:, -1]).argmax())
    right, wrong = likelihoods(model, [Request(context, [first]), Request(context, [first ^ 1])], 100)
    assert (right.greedy, wrong.greedy) == (True, False)


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(Request([], [1]), id="nothing_to_read"),
        pytest.param(Request([1], []), id="nothing_to_score"),
        pytest.param(Request([1], [1] * (CONTEXT + 1)), id="longer_than_the_context"),
    ],
)
def test_a_request_that_cannot_be_scored_is_named(request_: Request, model: GPT) -> None:
    with pytest.raises(ValueError, match="request 1: expected a context"):
        likelihoods(model, [Request([1], [2] * CONTEXT), request_], 100)
