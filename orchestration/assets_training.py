"""Assets that train: the chat tokenizer, the pretrained model and its evaluation."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from model.evaluate_config import EvaluateConfig
from model.pretrain_config import PretrainConfig
from orchestration.asset import mill_asset
from orchestration.training_asset import GROUP, training_asset
from orchestration.training_spec import Inputs, Training, Values
from pipelines.build.chat_tokenizer import ChatTokenizerConfig, build_chat_tokenizer
from pipelines.build.training import moved_token

FINAL = "final"
# How a run is carried out; the seed and the number format stay part of what it is.
RUN = ("run.device", "run.compile", "run.log_every", "run.checkpoint_every", "run.keep_checkpoints")
SPEED = {"speed": ("tokens_per_second",), "data wait, seconds a step": ("data_wait_seconds",)}


def _pretraining(inputs: Inputs, values: Values) -> dict[str, Any]:
    return {
        "sources": [{"folder": inputs["pretraining"].folder}],
        "tokenizer": inputs["chat_tokenizer"].folder,
        "model": {
            "vocab_size": inputs["chat_tokenizer"].manifest["details"]["vocab_size"],
            "context": inputs["pretraining"].manifest["details"]["context"],
        },
    }


def _foreign_tokenizer(inputs: Inputs) -> str | None:
    """What is wrong where the chat tokenizer reads the packed ids as other tokens than they were packed as."""
    corpus, chat = inputs["tokenizer"].folder, inputs["chat_tokenizer"].folder
    moved = moved_token(corpus, chat)
    if moved is None:
        return None
    return (
        f"the sequences were packed with {corpus}, which the chat tokenizer ({chat}) does not go on from: {moved}. "
        "Make the chat tokenizer of the corpus's: leave tokenizer_path and train_vocab_size out of "
        "ops.chat_tokenizer.config, and run build_rlhf again"
    )


def _evaluation(inputs: Inputs, values: Values) -> dict[str, Any]:
    return {"model": f"{inputs['base_model'].folder}/{FINAL}", "losses": held_back(inputs)}


def held_back(inputs: Inputs) -> list[dict[str, Any]]:
    """The packed sequences that were held back, as documents of the training distribution."""
    files = sorted(Path(inputs["pretraining"].folder).glob("validation-*.parquet"))
    return [{"file": str(file), "distribution": "in"} for file in files]


def evaluation_files(values: Values) -> Sequence[str]:
    """The files that the config of an evaluation names."""
    tasks, losses = values["tasks"], values["losses"]
    named = [task.get(key) for task in tasks for key in ("file", "shots_file")]
    named += [loss["file"] for loss in losses] + [values["contamination"]]
    return [path for path in named if path]


chat_tokenizer = mill_asset(
    "chat_tokenizer",
    build_chat_tokenizer,
    group=GROUP,
    description="The corpus's tokenizer with tokens for roles and the end of a turn, and a chat template.",
    deps=["tokenizer", "cleaned_instructions"],
    config=ChatTokenizerConfig,
    checks=["special_tokens_differ"],
    kinds=["huggingface"],
)

base_model = training_asset(
    Training(
        name="base_model",
        module="model.pretrain",
        config=PretrainConfig,
        description="A GPT pretrained on the packed sequences; `final` in its folder loads in stock transformers.",
        inputs=("pretraining", "chat_tokenizer", "tokenizer"),
        fill=_pretraining,
        amiss=_foreign_tokenizer,
        stand_in={
            "sources": [{"folder": "pretraining"}],
            "tokenizer": "chat_tokenizer",
            "model": {"vocab_size": 50_257, "context": 2048},
        },
        neutral=(*RUN, "batch.micro_rows", "prefetch", "watch"),
        figures=(
            "validation/loss",
            "validation/bits_per_byte",
            "loss",
            "tokens_per_second",
            "mfu",
            "mfu_causal",
            "data_wait_share",
            "peak_memory_bytes",
            "training_seconds",
            "tokens",
            "steps",
            "parameters",
            "device",
            "resumed_at",
        ),
        curves={"loss, nats a token": ("loss", "validation/loss"), "learning rate": ("rate",), **SPEED},
    )
)

base_evaluation = training_asset(
    Training(
        name="base_evaluation",
        module="model.evaluate",
        config=EvaluateConfig,
        description="The pretrained model's scores on tasks, and its losses on held-back text by source.",
        inputs=("base_model", "pretraining"),
        fill=_evaluation,
        stand_in={"model": "base_model", "losses": [{"file": "pretraining", "distribution": "in"}]},
        shown=("losses",),
        neutral=("batch_tokens",),
        files=evaluation_files,
        figures=("*/score", "loss/in/all/*", "loss/out/all/*", "loss/*"),
    )
)
