"""Stock checkpoints load and compute the same; what our block does not have is refused by name."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    GPT2ForSequenceClassification,
    GPT2LMHeadModel,
    GPT2Model,
    GPTNeoConfig,
    GPTNeoForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
)

from model.export import load_hf, load_hf_scalar, save_hf
from tests.model.small_models import IDS, close, logits


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """No warnings of transformers, no gradients."""
    logging.getLogger("transformers").setLevel(logging.ERROR)
    with torch.no_grad():
        yield


NEO = {"vocab_size": 211, "hidden_size": 32, "num_layers": 4, "num_heads": 2, "max_position_embeddings": 64}
GPT2 = {"vocab_size": 211, "n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 64}
IDS_211 = IDS % 211


def stock_model(kind: Any, config: Any, folder: Path) -> Any:
    """A stock model with random weights, saved in its folder."""
    torch.manual_seed(1)
    config.bos_token_id = config.eos_token_id = 0
    model = kind(config).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    model.save_pretrained(folder)
    return model


@pytest.mark.parametrize(
    ("kind", "config", "band"),
    [
        pytest.param(
            GPTNeoForCausalLM,
            GPTNeoConfig(**NEO, attention_types=[[["global", "local"], 2]], window_size=7),
            7,
            id="neo",
        ),
        pytest.param(
            GPTNeoForCausalLM, GPTNeoConfig(**NEO, attention_types=[[["global"], 4]]), None, id="dense neo"
        ),
        pytest.param(GPT2LMHeadModel, GPT2Config(**GPT2), None, id="gpt2"),
        pytest.param(
            GPT2LMHeadModel, GPT2Config(**GPT2, n_inner=128), None, id="gpt2, width of its MLP stated"
        ),
    ],
)
def test_a_stock_checkpoint_loads(kind: Any, config: Any, band: int | None, tmp_path: Path) -> None:
    stock = stock_model(kind, config, tmp_path / "stock")
    model = load_hf(tmp_path / "stock", resid_dropout=0.2)
    assert (model.config.band, model.config.vocab_size, model.config.resid_dropout) == (band, 211, 0.2)
    assert not model.training
    assert all(parameter.requires_grad for parameter in model.parameters())
    close(logits(model, IDS_211), stock(IDS_211).logits)
    save_hf(model, tmp_path / "again")
    close(AutoModelForCausalLM.from_pretrained(tmp_path / "again")(IDS_211).logits, stock(IDS_211).logits)


def test_files_of_the_bare_trunk_and_of_old_versions_load(tmp_path: Path) -> None:
    """The first GPT-2 files have no prefix, and hold the causal masks."""
    stock = stock_model(GPT2Model, GPT2Config(**GPT2), tmp_path / "stock")
    file = tmp_path / "stock" / "model.safetensors"
    weights = load_file(file)
    save_file(
        {**weights, "h.0.attn.bias": torch.ones(1, 1, 64, 64), "h.0.attn.masked_bias": torch.zeros(1)}, file
    )
    assert "wte.weight" in weights
    close(load_hf(tmp_path / "stock")(IDS_211), stock(IDS_211).last_hidden_state)


def test_a_stock_classifier_loads(tmp_path: Path) -> None:
    config = GPT2Config(**GPT2, num_labels=1, pad_token_id=1)
    stock = stock_model(GPT2ForSequenceClassification, config, tmp_path / "stock")
    close(load_hf_scalar(tmp_path / "stock")(IDS_211)[:, -1], stock(IDS_211).logits[:, 0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"activation_function": "relu"}, "gpt2 with activation_function 'relu' does not load here"),
        ({"layer_norm_epsilon": 1e-6}, "gpt2 with layer_norm_epsilon 1e-06"),
        ({"n_inner": 64}, "gpt2 with n_inner 64"),
        ({"scale_attn_weights": False}, "gpt2 with scale_attn_weights False"),
        ({"scale_attn_by_inverse_layer_idx": True}, "gpt2 with scale_attn_by_inverse_layer_idx True"),
        ({"add_cross_attention": True}, "gpt2 with add_cross_attention True"),
        ({"tie_word_embeddings": False}, "gpt2 with tie_word_embeddings False"),
        (
            {"model_type": "opt", "architectures": ["OPTForCausalLM"]},
            r"model_type 'opt' \(OPTForCausalLM\) is not GPT-2",
        ),
        (
            {**NEO, "model_type": "gpt_neo", "attention_types": [[["local", "global"], 2]]},
            "gpt_neo with attention layers",
        ),
        (
            {**NEO, "model_type": "gpt_neo", "attention_types": [[["global"], 4]], "intermediate_size": 64},
            "intermediate_size 64",
        ),
    ],
    ids=lambda value: "-".join(list(value)[:2]) if isinstance(value, dict) else "",
)
def test_a_setting_that_ours_does_not_have_is_named(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gpt2", **GPT2, **changes}))
    with pytest.raises(ValueError, match=message) as caught:
        load_hf(tmp_path)
    assert f"{tmp_path}/config.json" in str(caught.value)


def test_another_architecture_is_refused_by_name(tmp_path: Path) -> None:
    config = LlamaConfig(
        vocab_size=32, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2
    )
    stock_model(LlamaForCausalLM, config, tmp_path / "stock")
    with pytest.raises(ValueError, match=r"model_type 'llama' \(LlamaForCausalLM\) is not GPT-2 or GPT-Neo"):
        load_hf(tmp_path / "stock")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(
            lambda w: w.pop("transformer.h.1.ln_1.bias"), r"no tensor 'h\.1\.ln_1\.bias'", id="missing"
        ),
        pytest.param(
            lambda w: w.update(extra=torch.ones(1)), "tensors that no layer here takes: extra", id="left over"
        ),
        pytest.param(
            lambda w: w.update({"lm_head.weight": w["transformer.wte.weight"] + 1}),
            "untied head",
            id="untied head",
        ),
        pytest.param(
            lambda w: w.update({"transformer.wpe.weight": torch.ones(3, 32)}),
            "size mismatch for wpe",
            id="other shape",
        ),
    ],
)
def test_weights_that_do_not_fit_are_named(change: Any, message: str, tmp_path: Path) -> None:
    stock_model(GPT2LMHeadModel, GPT2Config(**GPT2), tmp_path / "stock")
    weights = load_file(tmp_path / "stock" / "model.safetensors")
    change(weights)
    save_file(weights, tmp_path / "stock" / "model.safetensors")
    with pytest.raises(ValueError, match=message) as caught:
        load_hf(tmp_path / "stock")
    assert str(tmp_path / "stock") in str(caught.value)


def test_pickled_weights_and_empty_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no config\.json; give the folder of a checkpoint"):
        load_hf(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gpt2", **GPT2}))
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"no model\.safetensors; pickled weights \(\*\.bin\) are not read"):
        load_hf(tmp_path)
