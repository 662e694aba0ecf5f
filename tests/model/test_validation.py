import math
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from model.data import PackedRows
from model.distributed import World
from model.gpt import GPT
from model.gpt_config import GPTConfig
from model.tokenizer import load_tokenizer
from model.validation import HeldBack, evaluate, held_back, token_bytes
from tests.model.checkpoints import byte_tokenizer
from tests.model.packed import small_dataset


def test_rows_of_every_source_up_to_a_limit(tmp_path: Path) -> None:
    rows = PackedRows(small_dataset(tmp_path), "validation")
    found = held_back([rows], 3)
    assert found.sources == ["a", "a", "a", "b", "b"]  # of 100 ... 105, b are 102 and 105
    assert found.ids[:, 0].tolist() == [row % 97 for row in (100, 101, 103, 102, 105)]


def test_bytes_of_tokens_add_up_to_those_of_the_text(tmp_path: Path) -> None:
    vocab = byte_tokenizer(tmp_path)
    tokenizer = load_tokenizer(tmp_path)
    sizes = token_bytes(tokenizer, vocab + 10)
    text = "Größe 大小 \n\t🙂 x"
    assert sizes[tokenizer.encode(text)].sum() == len(text.encode())
    assert sizes[tokenizer.all_special_ids].sum() == 0
    assert sizes[vocab:].sum() == 0


def test_figures_equal_a_plain_loop() -> None:
    torch.manual_seed(0)
    config = GPTConfig(vocab_size=11, context=6, n_layer=1, n_head=2, d_model=8, band=None, resid_dropout=0.5)
    model = GPT(config)
    model.train()
    ids = torch.randint(11, (5, 7), dtype=torch.int32)
    data = HeldBack(ids, ["x", "y", "x", "x", "y"])
    sizes = torch.tensor([0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5])
    found = evaluate(model, model, data, sizes, micro_rows=2, world=World())
    assert model.training
    model.eval()
    with torch.no_grad():
        logits = model.logits(model(ids[:, :-1].long()))
    nats = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].long().flatten(), reduction="none").view(5, 6)
    size = sizes[ids[:, 1:].long()]
    assert found["validation/loss"] == pytest.approx(nats.mean().item())
    for name, chosen in {"x": [0, 2, 3], "y": [1, 4]}.items():
        spelt = nats[chosen][size[chosen] > 0].sum().item()
        bits = spelt / size[chosen].sum().item() / math.log(2)
        assert found[f"validation/loss/{name}"] == pytest.approx(nats[chosen].mean().item())
        assert found[f"validation/bits_per_byte/{name}"] == pytest.approx(bits)


def test_without_a_tokenizer_there_are_no_bits_per_byte() -> None:
    model = GPT(GPTConfig(vocab_size=11, context=6, n_layer=1, n_head=2, d_model=8))
    data = HeldBack(torch.zeros(1, 7, dtype=torch.int32), ["x"])
    found = evaluate(model, model, data, None, 2, World())
    assert sorted(found) == ["validation/loss", "validation/loss/x"]
