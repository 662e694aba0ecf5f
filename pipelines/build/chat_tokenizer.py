"""tokenizer → chat_tokenizer: the corpus's tokenizer with roles, end of turn and a chat template."""

from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipelines.build.built import Built, Check
from pipelines.build.mixing import TOKENIZER
from pipelines.build.rlhf_cleaning import CLEAN
from pipelines.engine.artifact import build_artifact
from pipelines.engine.dataset import DatasetVersion, read_dataset
from pipelines.engine.lineage import current_inputs
from pipelines.engine.mill import Mill
from pipelines.mixing import tokenizer
from pipelines.mixing.tokenizer import TokenizerConfig
from pipelines.rlhf import chat_tokenizer
from pipelines.rlhf.normalise import turns

CHAT_TOKENIZER = "chat_tokenizer"
CHAT_TOKENIZER_KEY = f"ops.{CHAT_TOKENIZER}.config"
_CODE_VERSION = 1


class ChatTokenizerConfig(BaseModel):
    """The tokenizer that gets roles, end of turn and a chat template: the corpus's, unless one is named."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tokenizer_path: str | None = Field(
        default=None,
        description="existing tokenizer.json, or a folder that holds one; null: that of the corpus (job "
        "build_corpus)",
    )
    train_vocab_size: int | None = Field(
        default=None,
        description="train one of this many tokens on the instructions' own texts, where no corpus is at hand; "
        "null: do not",
        ge=258,
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> "ChatTokenizerConfig":
        if self.tokenizer_path is not None and self.train_vocab_size is not None:
            raise ValueError("set tokenizer_path or train_vocab_size, not both")
        return self


def build_chat_tokenizer(mill: Mill, config: ChatTokenizerConfig) -> Built:
    """The folder that every training reads; every id of the tokenizer it is made of keeps its meaning."""
    key: dict[str, Any] = {
        "config": config.model_dump(mode="json"),
        "special": list(chat_tokenizer.SPECIAL),
        "template": chat_tokenizer.CHAT_TEMPLATE,
        "code": _CODE_VERSION,
    }
    inputs: dict[str, DatasetVersion] = {}
    if config.tokenizer_path is not None:
        key["file"] = tokenizer.file_digest(config.tokenizer_path)
    elif config.train_vocab_size is not None:
        inputs = current_inputs(mill.root, *(schema.name for schema in CLEAN))
    else:
        inputs = current_inputs(mill.root, TOKENIZER)

    def make(folder: Path) -> dict[str, Any]:
        if config.tokenizer_path is not None:
            base = tokenizer.load(config.tokenizer_path)
        elif config.train_vocab_size is not None:
            sample = _own_texts(inputs)
            base = tokenizer.train(sample, TokenizerConfig(vocab_size=config.train_vocab_size))
        else:
            base = tokenizer.load(inputs[TOKENIZER].folder)
        made = chat_tokenizer.with_roles(base)
        chat_tokenizer.save(made, str(folder))
        ids = {name: made.token_to_id(name) for name in chat_tokenizer.SPECIAL}
        return {
            "vocab_size": made.get_vocab_size(),
            "base_vocab_size": base.get_vocab_size(),
            "special_ids": ids,
        }

    version = build_artifact(mill.root, CHAT_TOKENIZER, key, make, inputs)
    details = version.manifest["details"]
    distinct = len(set(details["special_ids"].values())) == len(details["special_ids"])
    check = Check("special_tokens_differ", distinct, f"{details['special_ids']}")
    metadata = {name: details[name] for name in ("vocab_size", "base_vocab_size")}
    table = [["token", "id"], *map(list, details["special_ids"].items())]
    return Built((version,), None, (check,), metadata, {"special_tokens": table})


def _own_texts(inputs: dict[str, DatasetVersion]) -> pa.Table:
    """TEXT_SAMPLE of what the instructions say: every text once, under itself as its id."""
    texts = []
    for schema in CLEAN:
        table = read_dataset(inputs[schema.name], schema)
        texts.append(turns(table["messages"]).contents)
        if "completions" in table.column_names:
            texts.append(table["completions"].combine_chunks().flatten().cast(pa.large_string()))
    distinct = pa.concat_arrays(texts).unique()
    return pa.table({"doc_id": distinct, "text": distinct})
