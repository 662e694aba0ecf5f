"""A checkpoint folder small enough for a test: a byte tokenizer with the roles of a dialogue, and a GPT."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from model.export import save_hf
from model.gpt import GPT
from model.gpt_config import GPTConfig
from model.tokenizer import END_OF_TEXT, END_OF_TURN, PAD, ROLES

ROOT = Path(__file__).parents[2]


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


def in_two_processes(module: str, config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Run a command under torchrun into `folder`/two; its summary."""
    (folder / "two.json").write_text(json.dumps(config))
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*launcher, "-m", module, str(folder / "two.json"), "--out", str(folder / "two")],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    summary: dict[str, Any] = json.loads((folder / "two" / "summary.json").read_text())
    return summary
