"""What train_gpt reads, of a tokenizer of bytes and some dozen rows: each says what it was made of."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.build.chat_tokenizer import ChatTokenizerConfig, build_chat_tokenizer
from pipelines.engine.artifact import build_artifact
from pipelines.engine.dataset import DatasetVersion, current, publish
from pipelines.engine.mill import Mill
from tests.model.checkpoints import byte_tokenizer
from tests.model.dialogues import turn, write_comparisons, write_demonstrations
from tests.model.packed import write_packed

CONTEXT = 48
PACKED = {"train-00000": range(64), "validation-00000": range(100, 106)}


def publish_made(
    root: Path,
    name: str,
    details: dict[str, Any],
    write: Callable[[Path], object],
    inputs: Mapping[str, DatasetVersion] | None = None,
) -> DatasetVersion:
    """A published dataset whose files `write` puts into a new folder."""

    def make(folder: Path) -> dict[str, Any]:
        write(folder / "made")
        for path in (folder / "made").iterdir():
            path.rename(folder / path.name)
        return details

    version = build_artifact(str(root), name, {"test": 1}, make, inputs)
    publish(str(root), version)
    return version


def write_prompts(folder: Path) -> None:
    folder.mkdir()
    for split in ("train", "validation"):
        prompts = [[turn("user", letter)] for letter in "abcdefgh"]
        columns = {"prompt_id": [f"{split}-{i}" for i in range(8)], "prompt": prompts}
        pq.write_table(pa.table(columns), folder / f"{split}-00000.parquet")


def build_corpus(root: Path) -> None:
    """What build_corpus leaves for it."""
    made_with = publish_made(root, "tokenizer", {}, lambda folder: byte_tokenizer(folder, chat=False))
    publish_made(
        root,
        "pretraining",
        {"context": CONTEXT},
        lambda folder: write_packed(folder, PACKED, length=CONTEXT + 1, vocab=250),
        {"tokenizer": made_with},
    )


def build_instructions(root: Path, **settings: Any) -> None:
    """What build_rlhf leaves for it, under these settings of the chat tokenizer."""
    mill = Mill(str(root), lambda: None)
    build_chat_tokenizer(mill, ChatTokenizerConfig(**settings)).publish(mill.root)
    inputs = {"chat_tokenizer": current(str(root), "chat_tokenizer")}
    publish_made(root, "sft", {}, write_demonstrations, inputs)
    publish_made(root, "comparisons", {}, write_comparisons, inputs)
    publish_made(root, "prompts", {}, write_prompts, inputs)
