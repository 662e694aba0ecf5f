"""Three steps of TRL's SFTTrainer and RewardTrainer on the folders of sft and pairs as they are: a script."""

import json
import sys

import datasets
from transformers import AutoTokenizer, GPT2Config, GPT2ForSequenceClassification, GPT2LMHeadModel
from trl import RewardConfig, RewardTrainer, SFTConfig, SFTTrainer


def main(sft: str, pairs: str, tokenizer_folder: str, out: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder)
    size = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=2048,
        n_embd=32,
        n_layer=1,
        n_head=2,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    size.num_labels = 1
    shared = {
        "max_steps": 3,
        "per_device_train_batch_size": 2,
        "report_to": [],
        "use_cpu": True,
        "bf16": False,
        "save_strategy": "no",
        "logging_steps": 1,
    }
    losses = {}
    trainer = SFTTrainer(
        model=GPT2LMHeadModel(size),
        args=SFTConfig(output_dir=f"{out}/sft", **shared),
        train_dataset=datasets.load_dataset(sft, split="train", cache_dir=f"{out}/cache"),
        processing_class=tokenizer,
    )
    trainer.train()
    losses["sft"] = [line["loss"] for line in trainer.state.log_history if "loss" in line]
    trainer = RewardTrainer(
        model=GPT2ForSequenceClassification(size),
        args=RewardConfig(output_dir=f"{out}/reward", **shared),
        train_dataset=datasets.load_dataset(pairs, split="train", cache_dir=f"{out}/cache"),
        processing_class=tokenizer,
    )
    trainer.train()
    losses["reward"] = [line["loss"] for line in trainer.state.log_history if "loss" in line]
    print(json.dumps(losses))


if __name__ == "__main__":
    main(*sys.argv[1:])
