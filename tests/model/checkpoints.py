"""A checkpoint folder small enough for a test: a byte tokenizer with the roles of a dialogue, and a GPT."""

from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from model.export import save_hf
from model.gpt import GPT
from model.gpt_config import GPTConfig
from model.tokenizer import END_OF_TEXT, END_OF_TURN, PAD, ROLES


def byte_tokenizer(folder: Path, chat: bool = True, texts: Sequence[str] = ()) -> int:
    """Write a tokenizer of 256 bytes, what merges pay in `texts`, and the special tokens; its number of tokens."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE(vocab={letter: i for i, letter in enumerate(letters)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    if texts:
        made.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=600, initial_alphabet=letters))
    names = [END_OF_TEXT, PAD, *(ROLES if chat else ()), *([END_OF_TURN] if chat else [])]
    made.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in names])
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token=END_OF_TEXT, bos_token=END_OF_TEXT, pad_token=PAD
    )
    if chat:
        wrapped.chat_template = (
            "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endfor %}"
            "{% if add_generation_prompt %}<|assistant|>{% endif %}"
        )
    wrapped.save_pretrained(folder)
    return len(wrapped)


def random_model(config: GPTConfig, seed: int = 0) -> GPT:
    """A GPT whose weights are large enough for its choices to depend on what it read."""
    torch.manual_seed(seed)
    made = GPT(config)
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if parameter.dim() == 2:
                parameter.mul_(2 if name == "wte.weight" else 8)
    return made.eval()


def make_checkpoint(
    folder: Path, chat: bool = True, context: int = 96, band: int | None = 8, texts: Sequence[str] = ()
) -> Path:
    """A checkpoint in `folder`/model, with its tokenizer."""
    vocab_size = byte_tokenizer(folder / "tokenizer", chat, texts)
    config = GPTConfig(
        vocab_size=vocab_size,
        context=context,
        n_layer=2,
        n_head=2,
        d_model=32,
        band=band,
        qkv_bias=band is None,
    )
    save_hf(random_model(config), folder / "model", folder / "tokenizer")
    return folder / "model"
