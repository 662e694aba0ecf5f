"""Our weights and shapes under the names of transformers: GPT-Neo where layers alternate, GPT-2 where all are dense.

What differs from ours beside the names:
- GPT-Neo does not divide scores by sqrt(d_head): our query matrix is multiplied by d_head^-0.5 (without loss in bf16
  too where d_head is a power of 4). It has no biases of query, key and value.
- GPT-2 keeps matrices transposed ([in, out]) and always has those biases.
- Both have the unpadded vocabulary.
GPT-Neo's window counts the current token, as our band does.
"""

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import GPT2Config, GPTNeoConfig, PretrainedConfig

from model.gpt import NORM_EPS
from model.gpt_config import GPTConfig

Family = Literal["gpt_neo", "gpt2"]
CONFIGS: dict[Family, type[PretrainedConfig]] = {"gpt_neo": GPTNeoConfig, "gpt2": GPT2Config}
GELU = ("gelu_new", "gelu_pytorch_tanh")  # two names of the tanh form; the second is the fused operation
TOP = ("wte.weight", "wpe.weight", "ln_f.weight", "ln_f.bias")  # the same names on both sides
_MLP = {"ln_1": "ln_1", "ln_2": "ln_2", "mlp.fc": "mlp.c_fc", "mlp.proj": "mlp.c_proj"}
BLOCK: dict[Family, dict[str, str]] = {
    "gpt_neo": {**_MLP, "attn.proj": "attn.attention.out_proj"},
    "gpt2": {**_MLP, "attn.qkv": "attn.c_attn", "attn.proj": "attn.c_proj"},
}
QKV = tuple(f"attn.attention.{letter}_proj" for letter in "qkv")  # GPT-Neo's three for our one
HEAD, SCORE = "lm_head.weight", "score.weight"
# Causal masks that files of older versions carry.
MASKS = (".attn.bias", ".attn.masked_bias", ".attn.attention.bias", ".attn.attention.masked_bias")


def family_of(config: GPTConfig) -> Family:
    """The stock architecture that computes the same as a model of this shape; a ValueError says why there is none."""
    if config.pattern == "strided":
        raise ValueError(
            "pattern 'strided' cannot be exported: no stock model class has the Sparse Transformer's strided "
            "attention (GPT-Neo's local layers see a band alone); train with pattern 'banded'"
        )
    if config.band is not None and config.qkv_bias:
        raise ValueError(
            "qkv_bias with a band cannot be exported: GPT-Neo, the stock class with local layers, has no biases of "
            "query, key and value, and GPT-2, which has them, has no local layers; set qkv_bias false or band null"
        )
    return "gpt2" if config.qkv_bias else "gpt_neo"


def stock_config(config: GPTConfig) -> PretrainedConfig:
    """The shape as the stock configuration; dropout belongs to a training run and is left at 0."""
    common: dict[str, Any] = {"bos_token_id": None, "eos_token_id": None, "tie_word_embeddings": True}
    if family_of(config) == "gpt2":
        return GPT2Config(
            vocab_size=config.vocab_size,
            n_positions=config.context,
            n_embd=config.d_model,
            n_layer=config.n_layer,
            n_head=config.n_head,
            activation_function="gelu_pytorch_tanh",
            layer_norm_epsilon=NORM_EPS,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            **common,
        )
    layers = ["global" if config.window(layer) is None else "local" for layer in range(config.n_layer)]
    return GPTNeoConfig(
        vocab_size=config.vocab_size,
        max_position_embeddings=config.context,
        hidden_size=config.d_model,
        num_layers=config.n_layer,
        num_heads=config.n_head,
        attention_types=[[layers, 1]],
        window_size=config.band or 1,  # of no effect where no layer is local
        activation_function="gelu_pytorch_tanh",
        layer_norm_epsilon=NORM_EPS,
        classifier_dropout=0.0,
        **common,
    )


def our_config(stock: Mapping[str, Any], resid_dropout: float = 0.0) -> GPTConfig:
    """The shape in a stock `config.json`; a ValueError names the architecture or the setting that we do not have."""
    family = stock.get("model_type")
    if family not in CONFIGS:
        named = ", ".join(stock.get("architectures") or [])
        raise ValueError(f"model_type {family!r} ({named}) is not GPT-2 or GPT-Neo, the two that load here")
    config = CONFIGS[family].from_dict(dict(stock))
    refused = _unlike_ours(family, config)
    if refused:
        raise ValueError(f"{family} with {'; '.join(refused)} does not load here")
    shape = {
        "vocab_size": config.vocab_size,
        "n_layer": config.num_hidden_layers,
        "n_head": config.num_attention_heads,
        "d_model": config.hidden_size,
        "context": config.max_position_embeddings,
    }
    band = config.window_size if family == "gpt_neo" and "local" in config.attention_layers else None
    return GPTConfig(**shape, band=band, qkv_bias=family == "gpt2", resid_dropout=resid_dropout)


def _unlike_ours(family: Family, config: Any) -> list[str]:
    """The settings of a stock configuration that our block does not have."""
    width = config.n_inner if family == "gpt2" else config.intermediate_size
    wanted = {
        "activation_function": (config.activation_function, GELU),
        "layer_norm_epsilon": (config.layer_norm_epsilon, (NORM_EPS,)),
        "tie_word_embeddings": (config.tie_word_embeddings, (True,)),
        "n_inner" if family == "gpt2" else "intermediate_size": (width, (None, 4 * config.hidden_size)),
    }
    if family == "gpt2":
        wanted |= {
            "scale_attn_weights": (config.scale_attn_weights, (True,)),
            "scale_attn_by_inverse_layer_idx": (config.scale_attn_by_inverse_layer_idx, (False,)),
            "add_cross_attention": (config.add_cross_attention, (False,)),
        }
    else:
        layers = config.attention_layers
        alternating = [("global", "local")[layer % 2] for layer in range(len(layers))]
        wanted["attention layers"] = (layers, (alternating, ["global"] * len(layers)))
    return [f"{name} {value!r}" for name, (value, allowed) in wanted.items() if value not in allowed]


def to_stock(state: Mapping[str, Tensor], config: GPTConfig) -> dict[str, Tensor]:
    """Our state dict under the names of the stock trunk (`transformer.*`), the vocabulary's padding cut off."""
    family = family_of(config)
    stock = {name: state[name] for name in TOP}
    stock["wte.weight"] = state["wte.weight"][: config.vocab_size]
    for layer in range(config.n_layer):
        for ours, theirs in BLOCK[family].items():
            for part in ("weight", "bias"):
                tensor = state[f"blocks.{layer}.{ours}.{part}"]
                stock[f"h.{layer}.{theirs}.{part}"] = _turned(tensor, family)
        if family == "gpt_neo":
            q, k, v = state[f"blocks.{layer}.attn.qkv.weight"].chunk(3)
            q = (q.float() * config.d_head**-0.5).to(q.dtype)
            stock |= {f"h.{layer}.{name}.weight": part for name, part in zip(QKV, (q, k, v), strict=True)}
    return {f"transformer.{name}": tensor.contiguous() for name, tensor in stock.items()}


def from_stock(stock: Mapping[str, Tensor], config: GPTConfig) -> dict[str, Tensor]:
    """A stock trunk's tensors, with or without the prefix `transformer.`, as our state dict in fp32.

    A ValueError names tensors that are missing or left over, and a head that is not the embedding table.
    """
    family = family_of(config)
    left = {name.removeprefix("transformer."): tensor.float() for name, tensor in stock.items()}
    left = {name: tensor for name, tensor in left.items() if not name.endswith(MASKS)}
    head = left.pop(HEAD, None)
    try:
        state = {name: left.pop(name) for name in TOP}
        for layer in range(config.n_layer):
            for ours, theirs in BLOCK[family].items():
                for part in ("weight", "bias"):
                    tensor = left.pop(f"h.{layer}.{theirs}.{part}")
                    state[f"blocks.{layer}.{ours}.{part}"] = _turned(tensor, family).contiguous()
            if family == "gpt_neo":
                q, k, v = (left.pop(f"h.{layer}.{name}.weight") for name in QKV)
                state[f"blocks.{layer}.attn.qkv.weight"] = torch.cat((q * config.d_head**0.5, k, v))
    except KeyError as error:
        raise ValueError(f"the weights have no tensor {error}") from error
    if left:
        raise ValueError(f"the weights have tensors that no layer here takes: {', '.join(sorted(left)[:5])}")
    if head is not None and not torch.equal(head, state["wte.weight"]):
        raise ValueError(f"{HEAD} differs from the embedding table: an untied head does not load here")
    padding = config.padded_vocab_size - config.vocab_size
    state["wte.weight"] = F.pad(state["wte.weight"], (0, 0, 0, padding))
    return state


def _turned(tensor: Tensor, family: Family) -> Tensor:
    return tensor.T if family == "gpt2" and tensor.dim() == 2 else tensor
