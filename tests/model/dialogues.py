"""Small instruction datasets and checkpoints for tests of fine-tuning and of the reward model."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from model.export import save_hf
from model.gpt_config import GPTConfig
from pipelines.rlhf.schemas import MESSAGES
from tests.model.checkpoints import byte_tokenizer, random_model

SHAPE = GPTConfig(vocab_size=258, context=48, n_layer=2, n_head=2, d_model=16, band=8)


def turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def base_checkpoint(folder: Path, chat: bool = False) -> tuple[str, str]:
    """Folders of a pretrained model (with the chat's tokens already, if `chat`) and of the chat tokenizer."""
    plain, size = folder / "plain", byte_tokenizer(folder / "chat")
    vocab = size if chat else byte_tokenizer(plain, chat=False)
    config = GPTConfig(**{**vars(SHAPE), "vocab_size": vocab})
    save_hf(random_model(config), folder / "base", folder / "chat" if chat else plain)
    return str(folder / "base"), str(folder / "chat")


def demonstration_table(pairs: Sequence[tuple[str, str]], kind: str = "demonstration") -> pa.Table:
    """Rows of (question, answer) with the columns that fine-tuning reads."""
    return pa.table(
        {
            "prompt": pa.array([[turn("user", question)] for question, _ in pairs], MESSAGES),
            "completion": pa.array([[turn("assistant", answer)] for _, answer in pairs], MESSAGES),
            "kind": [kind] * len(pairs),
        }
    )


def write_demonstrations(folder: Path, train: int = 24, validation: int = 6) -> str:
    """Questions of one letter; the answer repeats it."""
    folder.mkdir(parents=True)
    for split, count in (("train", train), ("validation", validation)):
        letters = [chr(ord("a") + i % 26) for i in range(count)]
        table = demonstration_table([(letter, letter * (2 + i % 5)) for i, letter in enumerate(letters)])
        pq.write_table(table, folder / f"{split}-00000.parquet")
    return str(folder)


def judgement(prompt: str, ranks: dict[str, int | None], **changes: Any) -> dict[str, Any]:
    """A row of `comparisons`: the answers with their ranks."""
    row: dict[str, Any] = {
        "prompt_id": f"p-{prompt}",
        "prompt": [turn("user", prompt)],
        "completions": list(ranks),
        "completion_ids": [f"{prompt}/{answer}" for answer in ranks],
        "ranks": list(ranks.values()),
        "judge_kind": "human",
        "weight": 1.0,
        "use_case": None,
        "language": "en",
        "split_group": f"g-{prompt}",
    }
    return row | changes


def comparison_table(rows: Sequence[dict[str, Any]]) -> pa.Table:
    schema = pa.schema(
        {
            "prompt_id": pa.string(),
            "prompt": MESSAGES,
            "completions": pa.list_(pa.string()),
            "completion_ids": pa.list_(pa.string()),
            "ranks": pa.list_(pa.int32()),
            "judge_kind": pa.string(),
            "weight": pa.float32(),
            "use_case": pa.string(),
            "language": pa.string(),
            "split_group": pa.string(),
        }
    )
    return pa.Table.from_pylist(list(rows), schema=schema)


def write_comparisons(folder: Path, train: int = 24, validation: int = 12, contrary: float = 0.0) -> str:
    """Judges who like more `!`, but a share `contrary` of them fewer: K from 2 to 4, every fourth with a tie."""
    folder.mkdir(parents=True)
    draws = random.Random(0)
    for split, count in (("train", train), ("validation", validation)):
        rows = []
        for i in range(count):
            ranks = {"w" * (i % 3) + "!" * n: 5 - n for n in range(1, 3 + i % 3)}
            if i % 4 == 0:
                ranks["tied" + "!"] = 4
            if draws.random() < contrary:
                ranks = {answer: -rank for answer, rank in ranks.items()}
            rows.append(judgement(f"{split[0]}{i}", ranks, use_case=("chat", "open_qa")[i % 2]))
        pq.write_table(comparison_table(rows), folder / f"{split}-00000.parquet")
    return str(folder)
