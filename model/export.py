"""Checkpoints that stock transformers load, and stock checkpoints that load here.

`AutoModelForCausalLM.from_pretrained(folder)` gives the logits of our GPT, `AutoModelForSequenceClassification` the
scores of our ScalarGPT, with no code of ours. Which stock class, and what is refused: model/hf_weights.py.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from transformers import (
    GenerationConfig,
    GPT2ForSequenceClassification,
    GPT2LMHeadModel,
    GPTNeoForCausalLM,
    GPTNeoForSequenceClassification,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from model.folders import whole_folder
from model.gpt import GPT, ScalarGPT
from model.gpt_config import GPTConfig
from model.hf_weights import HEAD, SCORE, family_of, from_stock, our_config, stock_config, to_stock
from model.model_card import model_card
from model.tokenizer import end_ids, load_tokenizer

LANGUAGE_MODELS = {"gpt_neo": GPTNeoForCausalLM, "gpt2": GPT2LMHeadModel}
SCALAR_MODELS = {"gpt_neo": GPTNeoForSequenceClassification, "gpt2": GPT2ForSequenceClassification}
SHARD = "5GB"


def save_hf(
    model: GPT | ScalarGPT,
    folder: str | Path,
    tokenizer_folder: str | Path | None = None,
    generation: Mapping[str, Any] | None = None,
    card: Mapping[str, Any] | None = None,
) -> None:
    """Write a model as stock transformers read it: safetensors, config, tokenizer with template, model card.

    The folder appears when it is complete; one of that name is replaced then. Weights keep their dtype.
    `generation` holds settings of `GenerationConfig` (the ids that end an answer come from the tokenizer), `card` the
    licence, datasets and figures for the README. A ScalarGPT needs the tokenizer: its stock class finds a row's last
    token by the id of the padding. A ValueError says why a shape cannot be exported, or what the tokenizer lacks.
    """
    config = model.config
    scalar = isinstance(model, ScalarGPT)
    family = family_of(config)
    tokenizer = None if tokenizer_folder is None else _tokenizer(tokenizer_folder, config, scalar)
    described = stock_config(config)
    if tokenizer is not None:
        described.bos_token_id = described.eos_token_id = tokenizer.eos_token_id
        described.pad_token_id = tokenizer.pad_token_id
    if isinstance(model, ScalarGPT):
        stock = _scalar(SCALAR_MODELS[family], described, model)
    else:
        stock = _language(LANGUAGE_MODELS[family], described, model, generation or {}, tokenizer)
    with whole_folder(folder) as made:
        stock.save_pretrained(made, max_shard_size=SHARD)
        if tokenizer is not None:
            tokenizer.save_pretrained(made)
        (made / "README.md").write_text(model_card(config, scalar, card or {}), encoding="utf-8")


def load_hf(folder: str | Path, *, resid_dropout: float = 0.0) -> GPT:
    """A language model from a folder: our export, or a stock GPT-2 or GPT-Neo; in fp32, in evaluation mode.

    A ValueError names the folder and the architecture, setting or tensor that does not load here.
    """
    path = Path(folder)
    config, weights = _read(path, resid_dropout)
    if SCORE in weights:
        raise ValueError(f"{path}: a model with a scalar head, not a language model")
    return _trunk(path, config, weights)


def load_hf_scalar(folder: str | Path, *, resid_dropout: float = 0.0) -> ScalarGPT:
    """A reward or value model from a folder; in fp32, in evaluation mode; errors as of `load_hf`."""
    path = Path(folder)
    config, weights = _read(path, resid_dropout)
    score = weights.pop(SCORE, None)
    if score is None or score.shape[0] != 1:
        raise ValueError(f"{path}: no head with one score; give the folder of a reward or value model")
    model = ScalarGPT(_trunk(path, config, weights))
    with torch.no_grad():
        model.score.weight.copy_(score)
    return model.eval()


def resize_vocabulary(model: GPT, vocab_size: int) -> GPT:
    """A copy of the model with room for new tokens, such as those of a chat tokenizer.

    New rows are the mean of the old ones: a random row gives a logit that may take much of the probability (Hewitt
    2021, "Initializing New Word Embeddings"). A ValueError where the vocabulary would shrink.
    """
    old = model.config
    if vocab_size < old.vocab_size:
        raise ValueError(
            f"vocab_size {vocab_size} is below the model's {old.vocab_size}: trained tokens would be lost"
        )
    weight = model.wte.weight.detach()
    config = GPTConfig(**{**vars(old), "vocab_size": vocab_size})
    with torch.device("meta"):
        resized = GPT(config)
    table = weight.new_zeros(config.padded_vocab_size, config.d_model)
    table[: old.vocab_size] = weight[: old.vocab_size]
    table[old.vocab_size : vocab_size] = weight[: old.vocab_size].float().mean(dim=0).to(weight.dtype)
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    resized.load_state_dict(state | {"wte.weight": table}, assign=True)
    return resized.train(model.training)


def _tokenizer(folder: str | Path, config: GPTConfig, scalar: bool) -> PreTrainedTokenizerFast:
    """The tokenizer to save beside the model; a ValueError where it does not belong to it."""
    # Generation goes on at the right end of a row; a score is read at the last token that is not padding.
    tokenizer = load_tokenizer(folder, "right" if scalar else "left")
    if len(tokenizer) > config.vocab_size:
        raise ValueError(
            f"the tokenizer has {len(tokenizer)} tokens, the model {config.vocab_size}: resize_vocabulary first"
        )
    tokenizer.model_max_length = config.context
    return tokenizer


def _filled(
    kind: type[PreTrainedModel], config: PretrainedConfig, state: dict[str, Tensor]
) -> PreTrainedModel:
    """A stock model that holds these tensors; building it without memory checks every name and shape."""
    with torch.device("meta"):
        stock = kind(config)
    stock.load_state_dict(state, assign=True)
    stock.tie_weights()
    return stock


def _language(
    kind: type[PreTrainedModel],
    config: PretrainedConfig,
    model: GPT,
    generation: Mapping[str, Any],
    tokenizer: PreTrainedTokenizerFast | None,
) -> PreTrainedModel:
    state = to_stock(model.state_dict(), model.config)
    stock = _filled(kind, config, state | {HEAD: state["transformer.wte.weight"]})
    ids: dict[str, Any] = {"bos_token_id": config.bos_token_id, "pad_token_id": config.pad_token_id}
    if tokenizer is not None:
        ids["eos_token_id"] = end_ids(tokenizer)
    stock.generation_config = GenerationConfig.from_dict({**ids, **generation})
    return stock


def _scalar(kind: type[PreTrainedModel], config: PretrainedConfig, model: ScalarGPT) -> PreTrainedModel:
    if config.pad_token_id is None:
        raise ValueError(
            "a reward or value model is exported with a tokenizer that has <|pad|>: give tokenizer_folder"
        )
    config.id2label, config.label2id = {0: "score"}, {"score": 0}  # one label: num_labels follows
    state = to_stock(model.trunk.state_dict(), model.config)
    return _filled(kind, config, state | {SCORE: model.score.weight.detach()})


def _read(path: Path, resid_dropout: float) -> tuple[GPTConfig, dict[str, Tensor]]:
    """Shape and tensors of a stock folder."""
    if not (path / "config.json").is_file():
        raise ValueError(f"{path}: no config.json; give the folder of a checkpoint")
    try:
        config = our_config(json.loads((path / "config.json").read_text(encoding="utf-8")), resid_dropout)
    except ValueError as error:
        raise ValueError(f"{path}/config.json: {error}") from error
    index = path / "model.safetensors.index.json"
    if index.is_file():
        files = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    else:
        files = ["model.safetensors"]
    missing = [name for name in files if not (path / name).is_file()]
    if missing:
        raise ValueError(
            f"{path}: no {missing[0]}; pickled weights (*.bin) are not read, since they may run code: "
            "save the model with safetensors first"
        )
    return config, {name: tensor for file in files for name, tensor in _tensors(path / file).items()}


def _tensors(file: Path) -> dict[str, Tensor]:
    try:
        return load_file(file)
    except SafetensorError as error:
        raise ValueError(
            f"{file}: not a readable safetensors file ({error}); copy or export the model again"
        ) from None


def _trunk(path: Path, config: GPTConfig, weights: dict[str, Tensor]) -> GPT:
    with torch.device("meta"):
        model = GPT(config)
    try:
        model.load_state_dict(from_stock(weights, config), assign=True)
    except (ValueError, RuntimeError) as error:
        raise ValueError(f"{path}: {error}") from error
    return model.eval()
