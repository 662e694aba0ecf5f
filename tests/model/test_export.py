"""Stock transformers compute what our models compute, from our folders and to our classes."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
)

from model import export
from model.export import load_hf, load_hf_scalar, resize_vocabulary, save_hf
from model.gpt import GPT, ScalarGPT
from model.gpt_config import GPTConfig
from model.kv_cache import KVCache
from tests.model.small_models import IDS, close, lively, logits
from tests.model.tokenizer_folders import base_folder, chat_folder

BANDED = GPTConfig(vocab_size=300, context=64, n_layer=4, n_head=2, d_model=32, band=5)
SHAPES = [
    pytest.param(BANDED, "GPTNeoForCausalLM", id="banded"),
    pytest.param(replace(BANDED, n_layer=3), "GPTNeoForCausalLM", id="banded, odd number of layers"),
    pytest.param(replace(BANDED, band=64), "GPTNeoForCausalLM", id="band as wide as the context"),
    pytest.param(replace(BANDED, band=None), "GPTNeoForCausalLM", id="dense without qkv bias"),
    pytest.param(replace(BANDED, band=None, qkv_bias=True), "GPT2LMHeadModel", id="dense"),
]
BOTH = [SHAPES[0].values[0], SHAPES[-1].values[0]]
FAMILIES = ["gpt_neo", "gpt2"]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """No warnings of transformers, no gradients."""
    logging.getLogger("transformers").setLevel(logging.ERROR)
    with torch.no_grad():
        yield


def greedy(model: GPT, ids: Tensor, n: int) -> Tensor:
    """The likeliest continuation, by our cache."""
    cache = KVCache(model.config, ids.shape[0], model.config.context)
    for _ in range(n):
        new = ids if cache.used == 0 else ids[:, -1:]
        ids = torch.cat((ids, logits_of_last(model, new, cache)), dim=1)
    return ids


def logits_of_last(model: GPT, new: Tensor, cache: KVCache) -> Tensor:
    return model.logits(model(new, cache=cache)[:, -1:]).argmax(-1)


@pytest.mark.parametrize(("config", "architecture"), SHAPES)
def test_stock_classes_give_our_logits_past_the_window(
    config: GPTConfig, architecture: str, tmp_path: Path
) -> None:
    model = lively(config)
    save_hf(model, tmp_path / "hf")
    stock = AutoModelForCausalLM.from_pretrained(tmp_path / "hf")
    assert type(stock).__name__ == architecture
    assert logits(model).std() > 0.1
    close(stock(IDS).logits, logits(model))
    assert torch.equal(logits(load_hf(tmp_path / "hf")), logits(model))
    assert load_hf(tmp_path / "hf").config == config


@pytest.mark.parametrize("config", BOTH, ids=FAMILIES)
def test_stock_classes_give_our_logits_left_padded(config: GPTConfig, tmp_path: Path) -> None:
    model = lively(config)
    save_hf(model, tmp_path / "hf")
    stock = AutoModelForCausalLM.from_pretrained(tmp_path / "hf")
    mask = torch.ones_like(IDS)
    mask[0, :17], mask[1, :3] = 0, 0
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    found = stock(IDS, attention_mask=mask, position_ids=positions).logits
    ours = logits_at(model, torch.where(mask == 1, positions, -1))
    for row, start in enumerate((17, 3, 0)):
        close(found[row, start:], logits(model, IDS[row : row + 1, start:])[0])
        close(ours[row, start:], found[row, start:])


def logits_at(model: GPT, positions: Tensor) -> Tensor:
    return model.logits(model(IDS, positions))


@pytest.mark.parametrize("config", BOTH, ids=FAMILIES)
def test_stock_generation_gives_our_tokens_past_the_window(config: GPTConfig, tmp_path: Path) -> None:
    model = lively(config)
    model.ln_f.bias.zero_()  # else it, and the tied head, make one token follow itself for ever
    model.wpe.weight.mul_(5)
    save_hf(model, tmp_path / "hf")
    stock = AutoModelForCausalLM.from_pretrained(tmp_path / "hf")
    prompts = IDS[:, :9]
    found = stock.generate(
        prompts, attention_mask=torch.ones_like(prompts), max_new_tokens=30, do_sample=False, pad_token_id=0
    )
    assert found[:, 9:].unique().numel() > 5
    assert torch.equal(found, greedy(model, prompts, 30))


@pytest.mark.parametrize("config", BOTH, ids=FAMILIES)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_weights_keep_their_dtype(config: GPTConfig, dtype: torch.dtype, tmp_path: Path) -> None:
    model = lively(config).to(dtype)
    save_hf(model, tmp_path / "hf")
    stock = AutoModelForCausalLM.from_pretrained(tmp_path / "hf")
    assert {parameter.dtype for parameter in stock.parameters()} == {dtype}
    # A head of 16 features is scaled by 1/4, which no float loses anything by.
    close(logits(load_hf(tmp_path / "hf")), logits(model.float()))


@pytest.mark.parametrize("config", BOTH, ids=FAMILIES)
def test_stock_classifiers_give_our_scores_of_padded_rows(config: GPTConfig, tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(chat_folder(tmp_path / "chat"))
    model = ScalarGPT(lively(config)).eval()
    save_hf(model, tmp_path / "rm", tokenizer_folder=tmp_path / "chat")
    stock = AutoModelForSequenceClassification.from_pretrained(tmp_path / "rm")
    assert stock.config.num_labels == 1
    assert stock.config.id2label == {0: "score"}
    assert stock.config.label2id == {"score": 0}
    assert stock.config.pad_token_id == tokenizer.pad_token_id != tokenizer.eos_token_id
    lengths = torch.tensor([40, 11, 3])
    ids = IDS.masked_fill(torch.arange(40) >= lengths[:, None], tokenizer.pad_token_id)
    expected = model(ids)[torch.arange(3), lengths - 1]
    close(stock(ids).logits[:, 0], expected)
    close(stock(ids, attention_mask=(ids != tokenizer.pad_token_id).long()).logits[:, 0], expected)
    again = load_hf_scalar(tmp_path / "rm")
    close(again(ids), model(ids))
    assert again.score.weight.requires_grad


def test_a_score_is_read_at_the_end_of_text(tmp_path: Path) -> None:
    """Were padding the end of text, the stock class would read the score one token too early."""
    model = ScalarGPT(lively(BANDED)).eval()
    save_hf(model, tmp_path / "rm", tokenizer_folder=chat_folder(tmp_path / "chat"))
    stock = AutoModelForSequenceClassification.from_pretrained(tmp_path / "rm")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "rm")
    ids = torch.cat((IDS[:1, :9], torch.tensor([[tokenizer.eos_token_id]])), dim=1)
    at_end, before = model(ids)[0, -1], model(ids)[0, -2]
    close(stock(ids).logits[0, 0], at_end)
    stock.config.pad_token_id = tokenizer.eos_token_id
    close(stock(ids).logits[0, 0], before)


def test_the_folder_holds_all_that_a_user_needs(tmp_path: Path) -> None:
    chat = chat_folder(tmp_path / "chat")
    save_hf(
        lively(BANDED),
        tmp_path / "hf",
        tokenizer_folder=chat,
        generation={"do_sample": True, "temperature": 0.7, "top_p": 0.9, "max_new_tokens": 20},
        card={"model_name": "Miller", "license": "apache-2.0", "datasets": ["grain"], "loss | nats": 3.25},
    )
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "hf")
    stock = AutoModelForCausalLM.from_pretrained(tmp_path / "hf")
    assert tokenizer.padding_side == "left"
    assert tokenizer.model_max_length == 64
    assert tokenizer.chat_template == (chat / "chat_template.jinja").read_text()
    settings = stock.generation_config
    assert tokenizer.convert_ids_to_tokens(settings.eos_token_id) == ["<|endoftext|>", "<|end|>"]
    assert settings.pad_token_id == tokenizer.pad_token_id == stock.config.pad_token_id
    assert (settings.temperature, settings.top_p, settings.max_new_tokens) == (0.7, 0.9, 20)
    talk = tokenizer.apply_chat_template(
        [{"role": "user", "content": "grain?"}], add_generation_prompt=True, return_tensors="pt"
    )
    assert stock.generate(**talk).shape[1] > talk["input_ids"].shape[1]
    card = (tmp_path / "hf" / "README.md").read_text()
    assert card.startswith(
        '---\nlibrary_name: "transformers"\npipeline_tag: "text-generation"\nlicense: "apache-2.0"'
    )
    for line in (
        "# Miller",
        'datasets: ["grain"]',
        "| loss \\| nats | 3.25 |",
        "band 5",
        "`flash_attention_2` ignores",
    ):
        assert line in card


def test_a_scorers_tokenizer_pads_on_the_right_and_its_card_says_why(tmp_path: Path) -> None:
    save_hf(ScalarGPT(lively(BANDED)), tmp_path / "rm", tokenizer_folder=chat_folder(tmp_path / "chat"))
    assert AutoTokenizer.from_pretrained(tmp_path / "rm").padding_side == "right"
    assert "text-classification" in (tmp_path / "rm" / "README.md").read_text()


def test_only_safetensors_without_the_padding_and_without_the_tied_head(tmp_path: Path) -> None:
    save_hf(lively(BANDED), tmp_path / "hf")
    with safe_open(tmp_path / "hf" / "model.safetensors", "pt") as weights:
        assert "lm_head.weight" not in weights.keys()  # noqa: SIM118
        assert weights.get_slice("transformer.wte.weight").get_shape() == [300, 32]
    assert {path.suffix for path in (tmp_path / "hf").iterdir()} <= {".json", ".safetensors", ".md"}


def test_shards_load_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "SHARD", "100KB")
    model = lively(BANDED)
    save_hf(model, tmp_path / "hf")
    assert len(list((tmp_path / "hf").glob("*.safetensors"))) > 1
    assert torch.equal(logits(load_hf(tmp_path / "hf")), logits(model))
    next((tmp_path / "hf").glob("*.safetensors")).unlink()
    with pytest.raises(ValueError, match=r"no model-0000\d-of-0000\d\.safetensors"):
        load_hf(tmp_path / "hf")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            replace(BANDED, qkv_bias=True),
            "GPT-Neo, the stock class with local layers, has no biases of query",
        ),
        (
            replace(BANDED, pattern="strided"),
            "no stock model class has the Sparse Transformer's strided attention",
        ),
    ],
    ids=["band with qkv bias", "strided"],
)
def test_what_no_stock_class_computes_is_refused(config: GPTConfig, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        save_hf(GPT(config), tmp_path / "hf")
    assert list(tmp_path.iterdir()) == []


def test_a_tokenizer_larger_than_the_model_is_refused(tmp_path: Path) -> None:
    model = GPT(replace(BANDED, vocab_size=100))
    with pytest.raises(ValueError, match="tokens, the model 100: resize_vocabulary first"):
        save_hf(model, tmp_path / "hf", tokenizer_folder=base_folder(tmp_path / "base"))


@pytest.mark.parametrize("special", [None, ("<|endoftext|>",)], ids=["no tokenizer", "no pad token"])
def test_a_scorer_without_padding_is_refused(special: tuple[str, ...] | None, tmp_path: Path) -> None:
    folder = None if special is None else base_folder(tmp_path / "base", special)
    with pytest.raises(ValueError, match=r"exported with a tokenizer that has <\|pad\|>"):
        save_hf(ScalarGPT(lively(BANDED)), tmp_path / "rm", tokenizer_folder=folder)


def test_a_failed_export_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = lively(BANDED)
    save_hf(model, tmp_path / "hf")

    def fail(*_: Any) -> str:
        raise OSError("disk full")

    monkeypatch.setattr(export, "model_card", fail)
    with pytest.raises(OSError, match="disk full"):
        save_hf(GPT(BANDED), tmp_path / "hf")
    assert [path.name for path in tmp_path.iterdir()] == ["hf"]
    assert torch.equal(logits(load_hf(tmp_path / "hf")), logits(model))
    monkeypatch.undo()
    other = GPT(BANDED).eval()
    save_hf(other, tmp_path / "hf")
    assert [path.name for path in tmp_path.iterdir()] == ["hf"]
    assert torch.equal(logits(load_hf(tmp_path / "hf")), logits(other))


def test_a_scorer_and_a_language_model_are_not_taken_for_each_other(tmp_path: Path) -> None:
    save_hf(lively(BANDED), tmp_path / "lm")
    save_hf(ScalarGPT(lively(BANDED)), tmp_path / "rm", tokenizer_folder=chat_folder(tmp_path / "chat"))
    with pytest.raises(ValueError, match="no head with one score"):
        load_hf_scalar(tmp_path / "lm")
    with pytest.raises(ValueError, match="a scalar head, not a language model"):
        load_hf(tmp_path / "rm")


def test_damaged_weights_are_told(tmp_path: Path) -> None:
    save_hf(lively(BANDED), tmp_path / "lm")
    file = tmp_path / "lm" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"lm/model\.safetensors: not a readable safetensors file"):
        load_hf(tmp_path / "lm")


@pytest.mark.parametrize("size", [300, 305, 385], ids=["same", "within the padding", "past the padding"])
def test_new_tokens_begin_as_the_mean_and_change_no_old_logit(size: int) -> None:
    model = lively(BANDED)
    resized = resize_vocabulary(model, size)
    found = logits(resized)
    assert resized.wte.weight.shape[0] % 128 == 0
    assert torch.equal(found[..., :300], logits(model))
    close(found[..., 300:], logits(model).mean(-1, keepdim=True).expand(-1, -1, size - 300))
    assert resized.wte.weight[size:].count_nonzero() == 0
    resized.wte.weight.add_(1)
    assert not torch.equal(logits(resized)[..., :300], logits(model))


def test_a_vocabulary_does_not_shrink() -> None:
    with pytest.raises(
        ValueError, match="vocab_size 299 is below the model's 300: trained tokens would be lost"
    ):
        resize_vocabulary(lively(BANDED), 299)
