"""PPO and PPO-ptx: `python -m model.ppo CONFIG.json --out FOLDER`. The same command resumes.

Writes metrics.jsonl (names of TRL's PPO), samples.jsonl, checkpoints/, summary.json, and final/, which stock
transformers load. One process holds policy, reference, value function and reward model.

InstructGPT, section 3.5 and appendix C.4. The mathematics of a step: model/ppo_steps.py. Where the paper prints
nothing: advantages are whitened over all of a step's episodes; both losses are means over the tokens of a minibatch;
the pretraining loss is a mean over its tokens; the average of weights follows every update.
"""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from model import memory
from model.checkpoint import latest
from model.command import FAILED, run_command
from model.data import dataset_folder
from model.ema import Ema
from model.experience import Experience, Readers, gather, objective
from model.export import load_hf, load_hf_scalar, save_hf
from model.gpt import GPT, ScalarGPT
from model.gpt_config import GPTConfig
from model.inference import decode_text
from model.loader import Loader
from model.metrics import MetricsFile, read_metrics, summarise, write_json
from model.ppo_config import LoopConfig, PPOConfig, rate_at
from model.ppo_steps import policy_loss, value_loss
from model.ptx import Pretraining
from model.rollout import (
    Episodes,
    ModelReward,
    Prompt,
    Reward,
    answer_logprobs,
    answer_values,
    load_prompts,
    roll_out,
)
from model.row_order import RowOrder
from model.sampling_config import SamplingConfig
from model.stopwatch import Stopwatch
from model.tokenizer import end_ids, load_tokenizer
from model.trainer import Trainer

# A run may be made longer, watched otherwise, or rescued from a divergence at its last checkpoint.
MAY_CHANGE = (
    "episodes", "sample_every", "samples", "batch.micro_rows", "batch.generate_rows",
    "ptx.micro_rows", "update.policy_rate", "update.value_rate", "update.stop_kl", "reward.kl_beta",
)  # fmt: skip


# What one update gives, in this order, and what of the first update of a step shows that both passes agree.
UPDATE_FIGURES = (
    "loss/policy_avg", "policy/clipfrac_avg", "val/ratio", "policy/approxkl_avg",
    "loss/value_avg", "val/clipfrac_avg", "policy/entropy_avg", "val/ratio_error",
)  # fmt: skip
FIRST_UPDATE = {"val/first_ratio_error": "val/ratio_error", "val/first_approxkl": "policy/approxkl_avg"}


class RunawayKLError(RuntimeError):
    """The policy has left the reference too far behind; summary.json says where, the last checkpoint is good."""


class Actors(NamedTuple):
    """The models in fp32: `policy` and `reference` equal at the start; a reward is any judgement of episodes."""

    policy: GPT
    reference: GPT
    value: ScalarGPT
    reward: Reward | ScalarGPT


class Task(NamedTuple):
    """What is answered: prompts, ids that end an answer, the last of which is its proper end; how to show it."""

    prompts: Sequence[Prompt]
    end_ids: Sequence[int]
    tokenizer: PreTrainedTokenizerFast | None = None
    tokenizer_folder: Path | None = None
    left_out: int = 0  # prompts that were too long


def train(config: PPOConfig, out: Path) -> dict[str, Any]:
    """Train on `config.episodes` answers, resuming what `out` holds; the figures of summary.json.

    ValueError (DataError, CheckpointError) where config, models, data or checkpoints do not fit together;
    RunawayKLError where the policy ran away.
    """
    folder = dataset_folder(config.policy if config.tokenizer is None else config.tokenizer)
    tokenizer = load_tokenizer(folder)
    policy, reference = load_hf(config.policy), load_hf(config.policy)
    value, reward = load_hf_scalar(config.value_init), load_hf_scalar(config.reward_model)
    for key, path, shape in (
        ("policy", config.policy, policy.config),
        ("value_init", config.value_init, value.config),
        ("reward_model", config.reward_model, reward.config),
    ):
        _check_shape(key, path, shape, len(tokenizer), policy.config.context)
    # One place more than an answer needs: the reward model closes what has not ended.
    prompts, left_out = load_prompts(
        config.prompts, tokenizer, policy.config.context - config.answer_tokens - 1
    )
    task = Task(prompts, end_ids(tokenizer), tokenizer, folder, left_out)
    return learn(config, out, Actors(policy, reference, value, reward), task)


def learn(config: LoopConfig, out: Path, actors: Actors, task: Task) -> dict[str, Any]:
    """PPO with models at hand: what `train` does behind its folders."""
    with Trainer(out, config.run, asdict(config), MAY_CHANGE) as run:
        if run.world.size > 1:
            raise ValueError("PPO runs in one process: start it without torchrun")
        loop = _Loop(config, run, actors, task)
        try:
            with memory.advice("batch.micro_rows", config.batch.micro_rows):
                loop.run_all()
        except RunawayKLError as error:
            write_json(out / "summary.json", loop.figures() | {"stopped": str(error)})
            raise
        return loop.finish()


class _Loop:
    """The models with their data, and the steps."""

    def __init__(self, config: LoopConfig, run: Trainer, actors: Actors, task: Task) -> None:
        self.config, self.run, self.task = config, run, task
        self.policy, self.value = actors.policy.train(), actors.value.train()
        self.policy_optimizer = run.optimizer("policy", self.policy, config.adam)
        self.value_optimizer = run.optimizer("value", self.value, config.adam)
        reference = actors.reference.to(run.device, run.dtype).eval().requires_grad_(False)
        self.readers = Readers(self.policy, reference, self.value, self._reward(actors.reward))
        self.ema: Ema | None = None
        if config.update.ema_decay:
            self.ema = Ema(self.policy_optimizer.weights(), config.update.ema_decay)
            run.track_tensors("ema", self.ema)
        self.loader = Loader(
            RowOrder([len(task.prompts)], config.run.seed, len(task.prompts)),
            lambda rows: [task.prompts[row] for row in rows],
            config.batch.episodes,
        )
        run.track("prompts", self.loader)
        self.ptx = None if config.ptx is None else Pretraining(config.ptx, self.policy, run)
        self.samples: MetricsFile | None = None
        self.seconds = Stopwatch(run.device)

    def run_all(self) -> None:
        """All steps from where the run stands."""
        run = self.run
        if run.resume():
            print(f"resumed at step {run.step}", file=sys.stderr)
        self.samples = MetricsFile(run.out / "samples.jsonl", run.step)
        while run.step * self.config.batch.episodes < self.config.episodes:
            self._step()
        self.loader.close()
        self.samples.close()
        if self.ptx is not None:
            self.ptx.loader.close()

    def figures(self) -> dict[str, Any]:
        """What metrics.jsonl tells of the run so far."""
        run, lines = self.run, read_metrics(self.run.out / "metrics.jsonl")
        tenth = max(1, len(lines) // 10)
        watched = ("objective/scores", "objective/kl", "objective/rlhf_reward", "val/answer_tokens")
        found = {
            f"{name}/{key}": sum(line[key] for line in part) / len(part)
            for name, part in (("first_tenth", lines[:tenth]), ("last_tenth", lines[-tenth:]))
            for key in watched
            if part
        }
        parts = [key for key in (lines[0] if lines else {}) if key.startswith("seconds/")]
        first = {key: lines[0][key] for key in FIRST_UPDATE} if lines else {}
        return {
            "steps": run.step,
            "episodes": run.step * self.config.batch.episodes,
            "prompts": len(self.task.prompts),
            "prompts_left_out": self.task.left_out,
            **found,
            **first,
            **{key: sum(line[key] for line in lines) for key in parts},
            **summarise(lines),
            "peak_memory_bytes": run.peak_memory(),
            "device": torch.cuda.get_device_name(run.device) if run.device.type == "cuda" else "cpu",
            "dtype": str(run.dtype).removeprefix("torch."),
            "resumed_at": run.resumed_at,
            "last_checkpoint": str(latest(run.checkpoints) or "none"),
            "stopped": None,
        }

    def finish(self) -> dict[str, Any]:
        """The last checkpoint, the exported policy in fp32, and summary.json."""
        run = self.run
        run.save()
        summary = self.figures()
        self.policy_optimizer.release(self.policy)
        if self.ema is not None:
            self.policy.load_state_dict(self.ema.tensors())
        shown = {key: value for key, value in summary.items() if key.startswith("last_tenth/")}
        save_hf(self.policy.eval(), run.out / "final", self.task.tokenizer_folder, card=shown)
        write_json(run.out / "summary.json", summary)
        return summary

    def _step(self) -> None:
        run, config = self.run, self.config
        with run.waiting():
            prompts = next(self.loader)
        with self.seconds.of("generate"):
            episodes = self._generate(prompts)
        with self.seconds.of("score"):
            experience = gather(episodes, self.readers, self.task.end_ids, config.batch, config.reward)
            figures = objective(experience)
        self._check_kl(figures["objective/kl"])
        updates = self._update(experience)
        figures |= {key: sum(line[key] for line in updates) / len(updates) for key in updates[0]}
        figures |= {key: updates[0][of] for key, of in FIRST_UPDATE.items()}
        ratios = torch.tensor([line["val/ratio"] for line in updates])
        figures["val/ratio_var"] = float(ratios.var(correction=0))
        spent = self.seconds.lap()
        figures |= {f"seconds/{part}": value for part, value in spent.items()}
        done = (run.step + 1) * config.batch.episodes
        figures |= {"episode": done, "epoch": done / len(self.task.prompts), "lr": self._rate("policy_rate")}
        figures["episodes_per_second"] = len(prompts) / sum(spent.values())
        with run.off_the_clock():
            self._sample(experience)
        run.finish_step(int((episodes.n_prompt + episodes.n_answer).sum()), figures)

    def _generate(self, prompts: Sequence[Prompt]) -> Episodes:
        """Answers at temperature 1, from all of the distribution, without penalties."""
        sampling = SamplingConfig(
            max_new_tokens=self.config.answer_tokens,
            on_long_prompt="refuse",
            seed=(self.config.run.seed << 32) + self.run.step,
            max_rows=self.config.batch.generate_rows,
        )
        with memory.advice("batch.generate_rows", sampling.max_rows):
            return roll_out(self.policy, [prompt.ids for prompt in prompts], sampling, self.task.end_ids)

    def _update(self, experience: Experience) -> list[dict[str, float]]:
        """Steps 6 and 7, minibatch by minibatch; the figures of each update."""
        batch = self.config.batch
        updates = []
        for epoch in range(batch.inner_epochs):
            # Prompts come in random order. In the first pass it is kept, so that micro-batches are those in which the
            # old log-probabilities were computed: then the first ratio is 1 to the bit.
            rows = torch.randperm(batch.episodes) if epoch else torch.arange(batch.episodes)
            updates += [self._update_once(experience, part) for part in torch.split(rows, batch.minibatch)]
        return updates

    def _update_once(self, experience: Experience, rows: Tensor) -> dict[str, float]:
        """One update of policy and value function by one minibatch."""
        run = self.run
        figures: dict[str, float] = {}
        with self.seconds.of("update"):
            figures |= self._ppo_gradients(experience, rows)
        if self.ptx is not None:
            with self.seconds.of("ptx"), memory.advice("ptx.micro_rows", self.ptx.config.micro_rows):
                figures["loss/ptx_avg"] = self.ptx.gradients(self.policy_optimizer, len(rows))
        with self.seconds.of("update"):
            losses = {key: value for key, value in figures.items() if key.startswith("loss/")}
            norm = run.update(self.policy_optimizer, self._rate("policy_rate"), losses)
            figures["policy/gradient_norm"] = norm
            norm = run.update(self.value_optimizer, self._rate("value_rate"), losses)
            figures["value/gradient_norm"] = norm
            if self.ema is not None:
                self.ema.update(self.policy_optimizer.weights())
        return figures

    def _ppo_gradients(self, experience: Experience, rows: Tensor) -> dict[str, float]:
        """Gradients of both losses over a minibatch, whatever micro-batches it is split into."""
        config, run = self.config, self.run
        tokens = float(experience.episodes.n_answer[rows].sum())
        sums: list[Tensor] = []
        for micro in torch.split(rows, config.batch.micro_rows):
            part, at = experience.episodes.take(micro), micro.to(run.device)
            mask, old = experience.mask[at], experience.logprobs[at]
            logprobs, entropy = answer_logprobs(self.policy, part)
            policy = policy_loss(logprobs, old, experience.advantages[at], mask, config.update.clip, tokens)
            run.backward(policy.loss, self.policy_optimizer)
            values = answer_values(self.value, part)
            returns, clip = experience.returns[at], config.update.value_clip
            value = value_loss(values, experience.values[at], returns, mask, clip, tokens)
            run.backward(value.loss, self.value_optimizer)
            with torch.no_grad():
                off = (((logprobs - old) * mask).exp() - 1).abs().max()
                added = [*policy, *value, (entropy * mask).sum() / tokens]
                sums.append(torch.stack([*(item.detach() for item in added), off]))
        table = torch.stack(sums)
        totals = [*table[:, :-1].sum(0).tolist(), float(table[:, -1].max())]  # waits for the device
        return dict(zip(UPDATE_FIGURES, totals, strict=True))

    def _check_kl(self, kl: float) -> None:
        limit = self.config.update.stop_kl
        if limit is not None and not abs(kl) <= limit:
            raise RunawayKLError(
                f"step {self.run.step + 1}: objective/kl is {kl:.3f} nats an answer, update.stop_kl allows {limit} "
                f"to either side. The last good checkpoint is {latest(self.run.checkpoints) or 'none yet'}. "
                "Lower update.policy_rate, raise reward.kl_beta, or mix pretraining gradients in (ptx); the same "
                "command then goes on from there"
            )

    def _rate(self, key: str) -> float:
        update = self.config.update
        return rate_at(self.run.step, getattr(update, key), update.warmup_steps)

    def _reward(self, reward: Reward | ScalarGPT) -> Reward:
        if not isinstance(reward, ScalarGPT):
            return reward
        on_device = reward.to(self.run.device, self.run.dtype)
        return ModelReward(on_device, self.task.end_ids[-1], self.config.batch.micro_rows)

    def _sample(self, experience: Experience) -> None:
        """Note the first answers of a step."""
        step, every, tokenizer = self.run.step + 1, self.config.sample_every, self.task.tokenizer
        if self.samples is None or tokenizer is None or not every or (step != 1 and step % every):
            return
        decode = partial(decode_text, tokenizer, special=True)
        episodes = experience.episodes
        for row, answer in enumerate(episodes.answers()[: self.config.samples]):
            self.samples.write(
                {
                    "step": step,
                    "prompt": decode(episodes.ids[row, : int(episodes.n_prompt[row])].tolist()),
                    "answer": decode(answer),
                    "score": float(experience.scores[row]),
                }
            )


def _check_shape(key: str, folder: str, shape: GPTConfig, tokens: int, context: int) -> None:
    if shape.vocab_size < tokens:
        raise ValueError(
            f"{key}: {folder} has a vocabulary of {shape.vocab_size}, the tokenizer has {tokens} tokens: all models "
            "must share the tokenizer"
        )
    if shape.context < context:
        raise ValueError(
            f"{key}: {folder} has a context of {shape.context}, the policy {context}: it could not read all "
            "answers"
        )


if __name__ == "__main__":
    try:
        run_command(PPOConfig, train, __doc__)
    except RunawayKLError as error:
        print(f"RunawayKLError: {error}", file=sys.stderr)
        sys.exit(FAILED)
