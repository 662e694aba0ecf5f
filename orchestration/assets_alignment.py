"""Assets from the pretrained model to the policy: InstructGPT's fine-tuning, reward model, selection and PPO.

The order is the paper's need: the epoch of supervised fine-tuning is chosen by the reward model (section 3.5), so all
epochs are kept as candidates first. PPO begins with, and is held near to, a model of its own (`rl_init`: two epochs
with pretraining sequences among the demonstrations, appendix C.4), not with the chosen one.
"""

from collections.abc import Sequence
from typing import Any

from model.alignment_config import AlignmentConfig
from model.ppo_config import PPOConfig
from model.reward_config import RewardConfig
from model.select_sft_config import SelectSFTConfig
from model.sft_config import SFTConfig
from orchestration.assets_training import FINAL, RUN, SPEED, evaluation_files, held_back
from orchestration.training_asset import training_asset
from orchestration.training_spec import Inputs, Training, Values

_MEMORY = ("batch.micro_tokens", "prefetch")
_SFT_FIGURES = (
    "lowest_validation_loss",
    "lowest_validation_epoch",
    "validation/loss",
    "train_rows",
    "train_rows_dropped",
    "validation_rows",
    "tokens_per_second",
    "data_wait_share",
    "peak_memory_bytes",
    "training_seconds",
    "tokens",
    "steps",
    "resumed_at",
)
_SFT_CURVES = {"loss, nats a token": ("loss", "validation/loss"), "learning rate": ("rate",), **SPEED}
_SFT_STAND_IN = {
    "model": "base_model",
    "tokenizer": "chat_tokenizer",
    "data": "sft",
    "pretraining": {"folder": "pretraining"},
}
BEST_OF = 16
_RL_INIT = {"epochs": 2, "rate": {"peak": 5e-6}, "pretraining": {"share": 0.1}}


def _fine_tuning(inputs: Inputs, values: Values) -> dict[str, Any]:
    return {
        "model": _final(inputs, "base_model"),
        "tokenizer": inputs["chat_tokenizer"].folder,
        "data": inputs["sft"].folder,
        "pretraining": {"folder": inputs["pretraining"].folder},
    }


def _candidates(inputs: Inputs, values: Values) -> dict[str, Any]:
    return {**_fine_tuning(inputs, values), "keep_epochs": True}


def _start(inputs: Inputs, values: Values) -> dict[str, Any]:
    return {**_fine_tuning(inputs, values), "keep_epochs": False}


def _reward(inputs: Inputs, values: Values) -> dict[str, Any]:
    candidates = inputs["sft_candidates"]
    epoch = candidates.manifest["details"]["summary"]["lowest_validation_epoch"]
    return {
        "model": f"{candidates.folder}/epoch-{epoch:02d}",
        "comparisons": inputs["comparisons"].folder,
        "demonstrations": {"folder": inputs["sft"].folder},
    }


def _selection(inputs: Inputs, values: Values) -> dict[str, Any]:
    return {
        "candidates": inputs["sft_candidates"].folder,
        "reward_model": _final(inputs, "reward_model"),
        "prompts": inputs["sft"].folder,
    }


def _policy(inputs: Inputs, values: Values) -> dict[str, Any]:
    return {
        "policy": _final(inputs, "rl_init"),
        "reward_model": _final(inputs, "reward_model"),
        "value_init": f"{inputs['reward_model'].folder}/value_init",
        "prompts": {"folder": inputs["prompts"].folder},
        "ptx": {"sources": [{"folder": inputs["pretraining"].folder}]},
    }


def _comparison(inputs: Inputs, values: Values) -> dict[str, Any]:
    sft, base, aligned = (_final(inputs, name) for name in ("sft_model", "base_model", "policy"))
    return {
        "contenders": [
            {"name": "sft", "folder": sft},
            {"name": f"sft_best_of_{BEST_OF}", "folder": sft, "best_of": BEST_OF},
            {"name": "policy", "folder": aligned},
            {"name": "base", "folder": base},
        ],
        "judges": [{"name": "reward_model", "folder": _final(inputs, "reward_model")}],
        "reference": _final(inputs, "rl_init"),
        "prompts": {"folder": inputs["prompts"].folder},
        "tax": {"losses": held_back(inputs)},
    }


def _tax_files(values: Values) -> Sequence[str]:
    added = [item["folder"] for key in ("contenders", "judges") for item in values[key]]
    return [*added, *(evaluation_files(values["tax"]) if values["tax"] else ())]


def _final(inputs: Inputs, name: str) -> str:
    return f"{inputs[name].folder}/{FINAL}"


sft_candidates = training_asset(
    Training(
        name="sft_candidates",
        module="model.sft",
        config=SFTConfig,
        description="Supervised fine-tuning on demonstrations, every epoch kept (InstructGPT, app. C.1).",
        inputs=("base_model", "chat_tokenizer", "sft", "pretraining"),
        fill=_candidates,
        stand_in={**_SFT_STAND_IN, "keep_epochs": True},
        neutral=(*RUN, *_MEMORY),
        figures=_SFT_FIGURES,
        curves=_SFT_CURVES,
    )
)

rl_init = training_asset(
    Training(
        name="rl_init",
        module="model.sft",
        config=SFTConfig,
        description="What PPO begins with and is held near to: two epochs of demonstrations with pretraining "
        "sequences among them (InstructGPT, app. C.4).",
        inputs=("base_model", "chat_tokenizer", "sft", "pretraining"),
        fill=_start,
        stand_in={**_SFT_STAND_IN, "keep_epochs": False},
        defaults=_RL_INIT,
        neutral=(*RUN, *_MEMORY),
        figures=_SFT_FIGURES,
        curves=_SFT_CURVES,
    )
)

reward_model = training_asset(
    Training(
        name="reward_model",
        module="model.reward",
        config=RewardConfig,
        description="A scalar score of an answer, trained on comparisons from the candidate of the lowest validation "
        "loss, shifted so that demonstrations average 0 (InstructGPT, section 3.5).",
        inputs=("sft_candidates", "comparisons", "sft"),
        fill=_reward,
        stand_in={
            "model": "sft_candidates",
            "comparisons": "comparisons",
            "demonstrations": {"folder": "sft"},
        },
        defaults={"demonstrations": {}},
        neutral=(*RUN, *_MEMORY),
        figures=(
            "validation/accuracy",
            "validation/low",
            "validation/high",
            "validation/pairs",
            "validation/prompts",
            "validation/calibration_error",
            "validation/*",
            "tokens_per_second",
            "score_shift",
            "resumed_at",
        ),
        curves={
            "loss, nats a pair": ("loss", "validation/loss"),
            "accuracy": ("accuracy", "validation/accuracy"),
            "learning rate": ("rate",),
            **SPEED,
        },
    )
)

sft_model = training_asset(
    Training(
        name="sft_model",
        module="model.select_sft",
        config=SelectSFTConfig,
        description="The candidate whose answers to held-back prompts the reward model scores highest, beside what "
        "the lowest validation loss would have chosen.",
        inputs=("sft_candidates", "reward_model", "sft"),
        fill=_selection,
        stand_in={"candidates": "sft_candidates", "reward_model": "reward_model", "prompts": "sft"},
        neutral=("sampling.max_rows", "micro_tokens"),
        figures=("chosen_*", "difference", "difference_standard_error", "lowest_*", "prompts"),
    )
)

policy = training_asset(
    Training(
        name="policy",
        module="model.ppo",
        config=PPOConfig,
        description="The policy: PPO on the reward model's scores, held near rl_init, with `ptx` under pretraining "
        "gradients too (InstructGPT, section 3.5 and app. C.4).",
        inputs=("rl_init", "reward_model", "prompts", "pretraining"),
        fill=_policy,
        stand_in={
            "policy": "rl_init",
            "reward_model": "reward_model",
            "value_init": "reward_model",
            "tokenizer": None,
            "prompts": {"folder": "prompts"},
            "ptx": {"sources": [{"folder": "pretraining"}]},
        },
        neutral=(
            *RUN,
            "batch.micro_rows",
            "batch.generate_rows",
            "ptx.micro_rows",
            "sample_every",
            "samples",
        ),
        figures=(
            "last_tenth/objective/scores",
            "first_tenth/objective/scores",
            "last_tenth/objective/kl",
            "last_tenth/objective/rlhf_reward",
            "last_tenth/val/answer_tokens",
            "val/first_*",
            "episodes",
            "steps",
            "prompts",
            "prompts_left_out",
            "tokens_per_second",
            "peak_memory_bytes",
            "training_seconds",
            "resumed_at",
        ),
        curves={
            "reward": ("objective/scores", "objective/rlhf_reward"),
            "divergence from the reference, nats an answer": ("objective/kl",),
            "losses": ("loss/policy_avg", "loss/value_avg"),
            "length of an answer, tokens": ("val/answer_tokens",),
            "episodes a second": ("episodes_per_second",),
        },
    )
)

alignment_evaluation = training_asset(
    Training(
        name="alignment_evaluation",
        module="model.alignment",
        config=AlignmentConfig,
        description="Policy, best-of-n, base and fine-tuned model on the same prompts: win rates by the reward "
        "model, divergence, length, and with `tax` what alignment costs on benchmarks and held-back text.",
        inputs=("policy", "sft_model", "base_model", "rl_init", "reward_model", "prompts", "pretraining"),
        fill=_comparison,
        stand_in={
            "contenders": [{"name": name, "folder": name} for name in ("sft", "base")],
            "judges": [{"name": "reward_model", "folder": "reward_model"}],
            "reference": "rl_init",
            "prompts": {"folder": "prompts"},
            "tax": {"losses": [{"file": "pretraining", "distribution": "in"}]},
        },
        shown=("contenders", "judges", "tax.losses"),
        defaults={"contenders": [], "judges": [], "baseline": "sft", "prompts": {"split": "validation"}},
        neutral=("generate_rows", "micro_rows", "tax.batch_tokens"),
        files=_tax_files,
        figures=("*win_rate*", "*"),
    )
)
