"""Best-of-n by a reward model: `python -m model.best_of_n CONFIG.json --out FOLDER`.

The baseline of every policy: no training, n answers, the one that the reward model prefers (Stiennon et al. 2020;
Nakano et al. 2021). Writes answers.parquet (a row an answer), parts/, and summary.json with the mean score of the
best of 1, 2, 4, ..., n and its divergence from the model; what is finished is not done again.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from transformers import PreTrainedTokenizerFast

from model import memory
from model.best_of_n_config import BestOfNConfig
from model.command import run_command
from model.export import load_hf_scalar
from model.gpt import GPT
from model.inference import decode_text, open_model
from model.metrics import write_json
from model.parts import Parts
from model.rollout import Episodes, ModelReward, Prompt, Reward, load_prompts, roll_out
from model.row_files import write_parquet
from model.row_order import RowOrder
from model.sampling_config import SamplingConfig
from model.tokenizer import end_ids

Scores = npt.NDArray[np.float64]

SCHEMA = pa.schema(
    {
        "prompt_id": pa.string(),
        "sample": pa.int32(),
        "prompt": pa.string(),
        "answer": pa.string(),
        "n_tokens": pa.int32(),
        "ended": pa.bool_(),  # by an end token, not by the limit
        "score": pa.float64(),
        "best": pa.bool_(),  # of its prompt; the first among equals
    }
)


def kl_of_best(n: int) -> float:
    """KL(best of n || one answer) = ln n - (n - 1) / n, in nats: exact where no two answers have one score.

    >>> kl_of_best(1), round(kl_of_best(16), 3)
    (0.0, 1.835)
    """
    return math.log(n) - (n - 1) / n


def expected_best(scores: Scores, k: int) -> Scores:
    """Mean of the highest of k scores over all choices of k of a prompt's n: [P, n] to [P].

    In ascending order, the i-th of n is the highest of C(i - 1, k - 1) of the C(n, k) choices.

    >>> expected_best(np.array([[3.0, 1.0, 2.0]]), 2).tolist()
    [2.6666666666666665]
    """
    n = scores.shape[1]
    if not 1 <= k <= n:
        raise ValueError(f"k must lie in 1..{n}, the answers to a prompt, got {k}")
    weights = np.array([math.comb(i, k - 1) / math.comb(n, k) for i in range(n)])
    best: Scores = np.sort(scores, axis=1) @ weights
    return best


def sample_scored(
    model: GPT,
    prompts: Sequence[Prompt],
    n: int,
    reward: Reward,
    sampling: SamplingConfig,
    ends: Sequence[int],
) -> tuple[Episodes, Scores]:
    """n answers to each prompt, prompt by prompt, and their scores [P, n]."""
    episodes = roll_out(model, [prompt.ids for prompt in prompts for _ in range(n)], sampling, ends)
    return episodes, reward(episodes).double().cpu().numpy().reshape(len(prompts), n)


def draw_prompts(prompts: Sequence[Prompt], limit: int, seed: int) -> list[Prompt]:
    """At most `limit` of the prompts, drawn by the seed."""
    order = RowOrder([len(prompts)], seed, len(prompts))
    return [prompts[row] for row in order.rows(0, min(limit, len(prompts)))]


def run(config: BestOfNConfig, out: Path) -> dict[str, Any]:
    """Answer and score all prompts into the folder `out`; the figures of summary.json.

    A ValueError names the config key, or the folder at fault.
    """
    model, tokenizer = open_model(config.model, config.device, config.dtype)
    judge = load_hf_scalar(config.reward_model).to(model.wte.weight.device, model.wte.weight.dtype)
    ends = end_ids(tokenizer)
    reward = ModelReward(judge, ends[-1], config.micro_rows)
    room = min(model.config.context, judge.config.context) - config.answer_tokens - 1
    known, left_out = load_prompts(config.prompts, tokenizer, room)
    prompts = draw_prompts(known, config.limit, config.seed)
    inputs = [config.model, config.reward_model]
    parts = Parts(out, asdict(config), inputs, free=("generate_rows", "micro_rows"))
    sampling = SamplingConfig(
        max_new_tokens=config.answer_tokens,
        on_long_prompt="refuse",
        seed=config.seed,
        max_rows=config.generate_rows,
    )
    tables = []
    for start in range(0, len(prompts), config.prompts_per_part):
        file, finished = parts.part(f"parts/{start:09d}.parquet")
        if not finished:
            chosen = prompts[start : start + config.prompts_per_part]
            with memory.advice("generate_rows", config.generate_rows):
                made = sample_scored(model, chosen, config.n, reward, sampling, ends)
            write_parquet(file, _table(chosen, *made, tokenizer))
        tables.append(pq.read_table(file))
    table = pa.concat_tables(tables)
    write_parquet(out / "answers.parquet", table)
    summary = {"prompts": len(prompts), "prompts_left_out": left_out, **_summary(table, config.n)}
    write_json(out / "summary.json", summary)
    return summary


def _table(
    prompts: Sequence[Prompt], episodes: Episodes, scores: Scores, tokenizer: PreTrainedTokenizerFast
) -> pa.Table:
    n, best = scores.shape[1], scores.argmax(axis=1)
    decode = partial(decode_text, tokenizer)
    rows = [
        {
            "prompt_id": prompts[at // n].prompt_id,
            "sample": at % n,
            "prompt": decode(prompts[at // n].ids, special=True),
            "answer": decode(answer),
            "n_tokens": len(answer),
            "ended": ended,
            "score": float(scores[at // n, at % n]),
            "best": bool(at % n == best[at // n]),
        }
        for at, (answer, ended) in enumerate(zip(episodes.answers(), episodes.ended.tolist(), strict=True))
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def _summary(table: pa.Table, n: int) -> dict[str, Any]:
    """Mean score of the best of k with its standard error over prompts, and KL, for powers of two and n."""
    scores = table["score"].to_numpy().reshape(-1, n)
    figures: dict[str, Any] = {}
    for k in sorted({n, *(2**power for power in range(n.bit_length()) if 2**power <= n)}):
        best = expected_best(scores, k)
        error = float(best.std(ddof=1)) / math.sqrt(len(best)) if len(best) > 1 else None
        figures[f"best_of_{k}/score"] = float(best.mean())
        figures[f"best_of_{k}/standard_error"] = error
        figures[f"best_of_{k}/kl"] = kl_of_best(k)
    lengths = table["n_tokens"].to_numpy()
    chosen = table["best"].to_numpy(zero_copy_only=False)
    return figures | {
        "answer_tokens": float(lengths.mean()),
        "best_answer_tokens": float(lengths[chosen].mean()),
        "ended_share": float(table["ended"].to_numpy(zero_copy_only=False).mean()),
    }


if __name__ == "__main__":
    run_command(BestOfNConfig, run, __doc__)
