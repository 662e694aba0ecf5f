"""A checkpoint folder as a model and a tokenizer ready to generate or to score."""

from pathlib import Path

import torch
from transformers import PreTrainedTokenizerFast
from transformers.tokenization_utils_base import VERY_LARGE_INTEGER

from model.export import load_hf
from model.gpt import GPT
from model.run_config import Device, Dtype
from model.tokenizer import load_tokenizer


def open_model(folder: str | Path, device: Device, dtype: Dtype) -> tuple[GPT, PreTrainedTokenizerFast]:
    """The model of a checkpoint folder, in evaluation mode, and its tokenizer.

    A ValueError where either is missing or the tokenizer has tokens that the model does not know.
    """
    place = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    if place == "cuda" and not torch.cuda.is_available():
        raise ValueError("device: 'cuda' is wanted and torch finds no CUDA device; set 'cpu' or 'auto'")
    chosen = ("bfloat16" if place == "cuda" else "float32") if dtype == "auto" else dtype
    tokenizer = load_tokenizer(folder)
    model = load_hf(folder)
    if len(tokenizer) > model.config.vocab_size:
        raise ValueError(
            f"{folder}: the tokenizer has {len(tokenizer)} tokens and the model {model.config.vocab_size}; "
            "resize the model's vocabulary (model.export.resize_vocabulary) or give its own tokenizer"
        )
    # Lengths are checked where rows are read; the tokenizer would warn of texts that are cut into windows anyway.
    tokenizer.model_max_length = VERY_LARGE_INTEGER
    return model.to(device=place, dtype=getattr(torch, chosen)).eval(), tokenizer


def encode_text(tokenizer: PreTrainedTokenizerFast, text: str, special: bool = False) -> list[int]:
    """Ids of text, in which the names of special tokens are characters like any others unless `special`."""
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False, split_special_tokens=not special)
    return ids


def decode_text(tokenizer: PreTrainedTokenizerFast, ids: list[int], special: bool = False) -> str:
    """Text of ids, byte for byte what was encoded; the names of special tokens only where `special`."""
    return str(tokenizer.decode(ids, skip_special_tokens=not special, clean_up_tokenization_spaces=False))
