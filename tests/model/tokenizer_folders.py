"""Small tokenizers for tests of the model."""

import functools
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from model.tokenizer import END_OF_TEXT, PAD
from pipelines.rlhf import chat_tokenizer

TEXT = "What is a mill? A mill grinds grain; the grain is poured in, and what comes out is flour. " * 5


@functools.cache
def _base(special: tuple[str, ...]) -> str:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=290,
        special_tokens=list(special),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator([TEXT], trainer)
    return str(tokenizer.to_str())


def base_folder(folder: Path, special: tuple[str, ...] = (END_OF_TEXT, PAD)) -> Path:
    """A folder with a corpus tokenizer's tokenizer.json alone."""
    folder.mkdir(parents=True)
    (folder / "tokenizer.json").write_text(_base(special))
    return folder


def chat_folder(folder: Path) -> Path:
    """A folder of a chat tokenizer as the instruction pipeline writes it."""
    chat_tokenizer.save(chat_tokenizer.with_roles(Tokenizer.from_str(_base((END_OF_TEXT, PAD)))), str(folder))
    return folder
