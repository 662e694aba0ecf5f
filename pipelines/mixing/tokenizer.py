"""The byte-level BPE tokenizer: trained on a sample of the mixture or taken from a file.

The pre-tokenisation is GPT-2's (ByteLevel), so every text decodes back to itself. A trained tokenizer gives
`<|endoftext|>` id 0 and `<|pad|>` id 1. The pad token is never the end of text: a loss that masks padding
would otherwise mask the end of text with it, and the model would never learn to stop.
"""

import json
from typing import NamedTuple

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from pipelines.engine import storage
from pipelines.ids import payload_digest
from pipelines.mixing import mixture

END_OF_TEXT = "<|endoftext|>"
PAD = "<|pad|>"
FILE = "tokenizer.json"
PATH_KEY = "ops.tokenizer.config.tokenizer.tokenizer_path"


class TokenizerError(ValueError):
    """The tokenizer cannot be trained or loaded; the message names the config key or the file."""


class TokenizerConfig(BaseModel):
    """How the tokenizer is trained, or where it comes from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tokenizer_path: str | None = Field(
        default=None, description="existing tokenizer.json, or a folder that holds one; none: train one"
    )
    # GPT-2's 50,257 and one more for the pad token.
    vocab_size: int = Field(default=50_258, description="tokens, the two special ones included", ge=258)
    min_frequency: int = Field(default=2, description="a merge must occur this often in the sample", ge=1)
    sample_bytes: int = Field(default=100_000_000, description="bytes of text to train on, UTF-8", ge=1)
    seed: int = Field(default=0, description="seed of the draw of the sample")


class SpecialIds(NamedTuple):
    """Ids of the two special tokens."""

    end_of_text: int
    pad: int


def sample_budgets(
    source_bytes: pa.Table, mixture_config: mixture.MixtureConfig, config: TokenizerConfig
) -> dict[str, int]:
    """Bytes to sample from each source: the mixture's shares of `sample_bytes`, no text taken twice.

    `source_bytes` is a SOURCE_STATS table whose `tokens` are bytes.
    """
    shares = mixture_config.model_copy(update={"token_budget": config.sample_bytes, "max_epochs": 1.0})
    planned = mixture.plan(source_bytes, shares, "ops.tokenizer.config.weights")
    return dict(zip(planned["source"].to_pylist(), planned["drawn_tokens"].to_pylist(), strict=True))


def train(sample: pa.Table, config: TokenizerConfig) -> Tokenizer:
    """Train byte-level BPE on the column `text` of `sample` (pipelines.mixing.sample.TEXT_SAMPLE).

    The rows are put in the order of their ids first, so the same rows give the same tokenizer in any order.
    A small sample may give fewer tokens than `vocab_size`. Raises TokenizerError where there is no text.
    """
    if sample.num_rows == 0:
        raise TokenizerError("no text to train the tokenizer on; is the corpus empty, or every weight zero?")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=config.vocab_size,
        min_frequency=config.min_frequency,
        special_tokens=[END_OF_TEXT, PAD],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    texts = sample.sort_by("doc_id")["text"]
    tokenizer.train_from_iterator((text.as_py() for text in texts), trainer, length=len(texts))
    return tokenizer


def load(path: str) -> Tokenizer:
    """The tokenizer at `path` (tokenizer.json or its folder, local or remote), with a pad token of its own.

    A tokenizer without `<|pad|>` gets it as a new last token. Raises TokenizerError where the file is absent,
    is no tokenizer, or lacks `<|endoftext|>`.
    """
    file, content = _read(path)
    try:
        tokenizer = Tokenizer.from_str(content.decode())
    except Exception as error:  # the library raises bare Exception for every malformed file
        raise TokenizerError(f"{file}: not a tokenizer.json of the tokenizers library ({error})") from error
    if tokenizer.token_to_id(END_OF_TEXT) is None:
        raise TokenizerError(
            f"{file}: has no token {END_OF_TEXT}, which separates documents; add it or train one"
        )
    tokenizer.add_special_tokens([END_OF_TEXT, PAD])
    return tokenizer


def file_digest(path: str) -> str:
    """`pipelines.ids.payload_digest` of the tokenizer.json at `path`; TokenizerError where it is absent."""
    return payload_digest(_read(path)[1])


def special_ids(tokenizer: Tokenizer) -> SpecialIds:
    """Ids of end of text and pad in a tokenizer that `train` or `load` made."""
    end_of_text, pad = tokenizer.token_to_id(END_OF_TEXT), tokenizer.token_to_id(PAD)
    if end_of_text is None or pad is None:
        raise TokenizerError(
            f"the tokenizer lacks {END_OF_TEXT} or {PAD}; load it with pipelines.mixing.tokenizer.load"
        )
    return SpecialIds(end_of_text, pad)


def save(tokenizer: Tokenizer, folder: str) -> None:
    """Write the files that `AutoTokenizer.from_pretrained(folder)` reads.

    eos and bos are `<|endoftext|>`, pad is `<|pad|>`.
    """
    special = {"bos_token": END_OF_TEXT, "eos_token": END_OF_TEXT, "pad_token": PAD}
    config = {
        **special,
        "tokenizer_class": "PreTrainedTokenizerFast",
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
    }
    storage.write_bytes(storage.join(folder, FILE), tokenizer.to_str(pretty=True).encode())
    for name, value in (("tokenizer_config.json", config), ("special_tokens_map.json", special)):
        storage.write_bytes(storage.join(folder, name), (json.dumps(value, indent=2) + "\n").encode())


def _read(path: str) -> tuple[str, bytes]:
    """The file that `path` (tokenizer.json or its folder) stands for, and its content."""
    file = path if path.endswith(".json") else storage.join(path, FILE)
    if not storage.exists(file):
        raise TokenizerError(f"{PATH_KEY}: {file} does not exist; correct the path, or null to train one")
    return file, storage.read_bytes(file)
