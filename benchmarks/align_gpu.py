"""Speed of PPO, PPO-ptx, fine-tuning and the reward model on one GPU.

    python -m benchmarks.align_gpu [--parts ppo ...] [--models gpt3-small] [--out FIGURES.json]

Every part is the stage's own training on synthetic data and random weights: rates are those of its metrics.jsonl, the
median of `--repeats` steps after two that warm up; `spread` is (slowest - fastest) / median.

| part   | what is measured |
| ppo    | episodes/s of 512 episodes a step, prompts and answers of 256 tokens each; seconds of a step by part |
| sft    | tokens/s on dialogues of mixed lengths, padding not counted |
| reward | tokens/s on prompts with four ranked answers, padding not counted, by the budget of a micro-batch |

PPO runs without pretraining gradients (ptx), with 8 sequences of 512 tokens to an episode, and with 8 of 2,048. No
answer ends early. Policy, reference, value function and reward model are of one shape. What is not named here is as
the stages have it by default.
"""

import copy
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from benchmarks.gpu_tools import Cell, Part, Row, Settings, column, rate, run_parts
from model.export import save_hf
from model.gpt import GPT, ScalarGPT
from model.gpt_config import GPTConfig
from model.metrics import read_metrics
from model.ppo import Actors, Task, learn
from model.ppo_config import LoopConfig, PPOBatchConfig, PPOUpdateConfig, PtxConfig
from model.pretrain_config import SourceConfig
from model.reward import train as train_reward
from model.reward_config import RewardBatchConfig, RewardConfig
from model.rollout import Prompt
from model.run_config import RunConfig
from model.sft import train as train_sft
from model.sft_config import SFTBatchConfig, SFTConfig
from model.tokenizer import END_OF_TEXT, END_OF_TURN, PAD, ROLES

PPO_GOAL, PTX_GOAL = 100.0, 15.0  # episodes/s at 125M on one H100, without and with 8 x 2,048 tokens
WARMUP = 2
EPISODES, PROMPT, ANSWER, PTX_RATIO = 512, 256, 256, 8
PARTS_OF_A_STEP = ("generate", "score", "update", "ptx")
RANKED = 4
RNG_SEED = 0
LETTERS = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz ", np.uint8)


def ppo(settings: Settings) -> Iterator[Cell]:
    """Without ptx, with its default length, and with whole rows of the model's context."""
    for name, shape in settings.shapes().items():
        half = settings.size(512, shape.context // 2)
        for length in (None, half, shape.context):
            goal = None
            if settings.on_cuda and name == "gpt3-small" and length != half:
                goal = PPO_GOAL if length is None else PTX_GOAL
            labels = {"model": name, "ptx": "none" if length is None else f"{PTX_RATIO} x {length}"}
            yield Cell(labels, partial(_ppo_speed, settings, shape, length, goal))


def _ppo_speed(settings: Settings, shape: GPTConfig, ptx_tokens: int | None, goal: float | None) -> Row:
    # Steps with much ptx take half a minute; two of them tell as much.
    repeats = min(settings.repeats, 2) if ptx_tokens == shape.context else settings.repeats
    config = ppo_config(settings, shape, ptx_tokens, WARMUP + repeats)
    if shape.padded_vocab_size == shape.vocab_size:
        raise ValueError(
            f"a vocabulary of {shape.vocab_size} leaves no id that is never drawn to end answers"
        )
    draw = torch.Generator().manual_seed(RNG_SEED)
    size = (config.batch.episodes, settings.size(PROMPT, 16))
    ids = torch.randint(shape.vocab_size, size, generator=draw).tolist()
    # The first id of the table's padding rows: it can be read, as the end of an answer, and is never drawn.
    task = Task([Prompt(str(number), row) for number, row in enumerate(ids)], (shape.vocab_size,))
    with tempfile.TemporaryDirectory(dir=settings.scratch) as out:
        learn(config, Path(out), _actors(shape), task)
        lines = read_metrics(Path(out) / "metrics.jsonl")[WARMUP:]
    short = min(column(lines, "val/answer_tokens"))
    if short < config.answer_tokens:
        raise ValueError(f"answers of {short} tokens: the figure would not be of {config.answer_tokens}")
    spent = [config.batch.episodes / value for value in column(lines, "episodes_per_second")]
    split = {part: column(lines, f"seconds/{part}") for part in PARTS_OF_A_STEP}
    return {
        **rate(config.batch.episodes, spent, "episodes_per_second"),
        "goal": goal,
        **{
            f"{part}_seconds": statistics.median(values) if values else None for part, values in split.items()
        },
    }


def ppo_config(settings: Settings, shape: GPTConfig, ptx_tokens: int | None, steps: int) -> LoopConfig:
    """PPO as by default, in micro-batches that fill a GPU of 80 GB, for `steps` steps."""
    ptx = None
    if ptx_tokens is not None:
        source = SourceConfig(str(settings.packed(shape, settings.size(16_384, 64))))
        ptx = PtxConfig((source,), ratio=PTX_RATIO, sequence_tokens=ptx_tokens)
    episodes = settings.size(EPISODES, 8)
    return LoopConfig(
        episodes=steps * episodes,
        answer_tokens=settings.size(ANSWER, 16),
        batch=PPOBatchConfig(
            episodes=episodes,
            minibatch=settings.size(64, 4),
            micro_rows=settings.size(64, 4),
            generate_rows=episodes,
        ),
        update=PPOUpdateConfig(stop_kl=None),
        ptx=ptx,
        sample_every=0,
        run=_run(settings, compiled=True),
    )


def _actors(shape: GPTConfig) -> Actors:
    torch.manual_seed(RNG_SEED)
    policy = GPT(shape)
    value, reward = ScalarGPT(copy.deepcopy(policy)), ScalarGPT(copy.deepcopy(policy))
    return Actors(policy, copy.deepcopy(policy), value, reward)


def sft(settings: Settings) -> Iterator[Cell]:
    """Prompts of 20 to 400 bytes, answers of 20 to 800: a byte is a token."""
    for name, shape in settings.shapes().items():
        budget = settings.size(SFTBatchConfig().micro_tokens, 128)
        yield Cell({"model": name, "micro_tokens": budget}, partial(_sft_speed, settings, shape, budget))


def _sft_speed(settings: Settings, shape: GPTConfig, budget: int) -> Row:
    batch = SFTBatchConfig(rows=settings.size(SFTBatchConfig().rows, 4), micro_tokens=budget)
    with tempfile.TemporaryDirectory(dir=settings.scratch) as folder:
        root = Path(folder)
        _checkpoint(root, shape)
        rows = (WARMUP + settings.repeats) * batch.rows
        _write(root / "sft", _demonstrations(settings, rows), _demonstrations(settings, batch.rows))
        config = SFTConfig(
            model=str(root / "model"),
            tokenizer=str(root / "tokenizer"),
            data=str(root / "sft"),
            epochs=1,
            batch=batch,
            keep_epochs=False,
            run=_run(settings),
        )
        train_sft(config, root / "out")
        return _token_rate(root / "out")


def reward(settings: Settings) -> Iterator[Cell]:
    """64 prompts a step; the budget of a micro-batch is a matter of memory, and of speed."""
    for name, shape in settings.shapes().items():
        for budget in (128,) if settings.tiny else (RewardBatchConfig().micro_tokens, 65_536):
            labels = {"model": name, "micro_tokens": budget}
            yield Cell(labels, partial(_reward_speed, settings, shape, budget))


def _reward_speed(settings: Settings, shape: GPTConfig, budget: int) -> Row:
    batch = RewardBatchConfig(prompts=settings.size(RewardBatchConfig().prompts, 4), micro_tokens=budget)
    with tempfile.TemporaryDirectory(dir=settings.scratch) as folder:
        root = Path(folder)
        _checkpoint(root, shape)
        prompts = (WARMUP + settings.repeats) * batch.prompts
        _write(root / "comparisons", _comparisons(settings, prompts), _comparisons(settings, batch.prompts))
        config = RewardConfig(
            model=str(root / "model"),
            comparisons=str(root / "comparisons"),
            batch=batch,
            run=_run(settings),
        )
        train_reward(config, root / "out")
        return _token_rate(root / "out")


def _token_rate(out: Path) -> Row:
    lines = read_metrics(out / "metrics.jsonl")[WARMUP:]
    # Steps differ in tokens, so each counts by its own rate.
    found = rate(1.0, [1.0 / value for value in column(lines, "tokens_per_second")])
    waited = sum(column(lines, "data_wait_seconds")) / sum(column(lines, "seconds"))
    return {**found, "data_wait_share": waited}


def _run(settings: Settings, compiled: bool = False) -> RunConfig:
    return RunConfig(seed=RNG_SEED, device=settings.place, compile=compiled, checkpoint_every=1_000_000)


def _checkpoint(root: Path, shape: GPTConfig) -> None:
    """root/tokenizer, of bytes and the tokens of dialogues, and root/model, whose vocabulary is far larger."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE(vocab={letter: number for number, letter in enumerate(letters)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    names = (END_OF_TEXT, PAD, *ROLES, END_OF_TURN)
    made.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in names])
    fast: Any = PreTrainedTokenizerFast
    wrapped = fast(tokenizer_object=made, bos_token=END_OF_TEXT, eos_token=END_OF_TEXT, pad_token=PAD)
    wrapped.save_pretrained(root / "tokenizer")
    torch.manual_seed(RNG_SEED)
    save_hf(GPT(shape), root / "model", root / "tokenizer")


def _texts(settings: Settings, count: int, longest: int, seed: int) -> list[str]:
    """Texts of 20 letters to `longest` (a few under --tiny), lengths evenly spread."""
    draw = np.random.default_rng(seed)
    lengths = draw.integers(settings.size(20, 4), settings.size(longest, 20), count)
    return [LETTERS[draw.integers(0, len(LETTERS), length)].tobytes().decode() for length in lengths]


def _prompts(settings: Settings, count: int) -> list[list[dict[str, str]]]:
    return [[{"role": "user", "content": text}] for text in _texts(settings, count, 400, 1)]


def _demonstrations(settings: Settings, count: int) -> pa.Table:
    answers = _texts(settings, count, 800, 2)
    completions = [[{"role": "assistant", "content": text}] for text in answers]
    return pa.table({"prompt": _prompts(settings, count), "completion": completions})


def _comparisons(settings: Settings, count: int) -> pa.Table:
    answers = _texts(settings, count * RANKED, 800, 3)
    names = [str(number) for number in range(RANKED)]
    return pa.table(
        {
            "prompt_id": [f"p{number}" for number in range(count)],
            "prompt": _prompts(settings, count),
            "completions": [answers[at : at + RANKED] for at in range(0, len(answers), RANKED)],
            "completion_ids": [names] * count,
            "ranks": [list(range(1, RANKED + 1))] * count,
        }
    )


def _write(folder: Path, train: pa.Table, validation: pa.Table) -> None:
    folder.mkdir()
    pq.write_table(train, folder / "train-00000.parquet")
    pq.write_table(validation, folder / "validation-00000.parquet")


PARTS: dict[str, Part] = {"ppo": ppo, "sft": sft, "reward": reward}


def main(arguments: Sequence[str] | None = None, parts: dict[str, Part] | None = None) -> int:
    """Measure and print; 1 where a part failed."""
    with tempfile.TemporaryDirectory() as scratch:
        return run_parts(__doc__, parts or PARTS, arguments, Path(scratch))


if __name__ == "__main__":
    sys.exit(main())
