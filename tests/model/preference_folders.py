"""Folders for comparing policies: a chat tokenizer, two policies, two reward models, prompts."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from model.export import save_hf
from model.gpt import ScalarGPT
from model.gpt_config import GPTConfig
from tests.model.checkpoints import byte_tokenizer, random_model

WORDS = ["ab", "cd", "ef", "a b", "why", "what is a mill", "tell me", "how"]


def preference_folders(root: Path) -> Path:
    """policy, other (of another seed), reward, reward-1, prompts of the split validation."""
    vocab = byte_tokenizer(root / "tokenizer")
    shape = GPTConfig(vocab_size=vocab, context=64, n_layer=2, n_head=2, d_model=16, band=8)
    for name, seed in (("policy", 0), ("other", 5)):
        save_hf(random_model(shape, seed), root / name, root / "tokenizer")
    for name, seed in (("reward", 2), ("reward-1", 3)):
        save_hf(ScalarGPT(random_model(shape, seed)), root / name, root / "tokenizer")
    (root / "prompts").mkdir()
    prompts = [[{"role": "user", "content": word}] for word in WORDS]
    columns = {"prompt_id": [f"p{n}" for n in range(len(WORDS))], "prompt": prompts}
    pq.write_table(pa.table(columns), root / "prompts" / "validation-00000.parquet")
    return root
