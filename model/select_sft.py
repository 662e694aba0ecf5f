"""Choose an epoch of supervised fine-tuning by reward: `python -m model.select_sft CONFIG.json --out FOLDER`.

Every epoch's model answers the same held-back prompts with the same noise, and the reward model scores the answers;
the highest mean is chosen (InstructGPT, section 3.5: validation loss rises after one epoch, yet more epochs help both
reward and human preference). Writes epoch-XX.parquet (a row an answer), results.json, summary.json and final/, a
copy of the chosen model. What is finished is not done again.
"""

import math
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from transformers import PreTrainedTokenizerFast

from model import memory
from model.command import run_command
from model.decoding import Generated, generate
from model.dialogue_rows import ANSWER, PROMPT, DialogueEncoder, fit, token_rows
from model.export import load_hf_scalar
from model.folders import whole_folder
from model.gpt import ScalarGPT
from model.inference import decode_text, open_model
from model.metrics import read_metrics, write_json
from model.parts import Parts
from model.row_files import write_parquet
from model.row_order import RowOrder
from model.sampling import row_keys
from model.scoring import score_rows
from model.select_sft_config import SelectSFTConfig
from model.sft import EPOCHS
from model.split_tables import read_split
from model.tokenizer import end_ids

SCHEMA = pa.schema(
    {
        "prompt": pa.int64(),  # number of the prompt among those drawn
        "sample": pa.int32(),
        "answer": pa.string(),
        "n_tokens": pa.int32(),
        "finished": pa.bool_(),  # whether the model ended the answer itself
        "score": pa.float32(),
    }
)


class Candidate(NamedTuple):
    """The model of an epoch, and its loss on held-back demonstrations."""

    epoch: int
    folder: Path
    validation_loss: float


def select(config: SelectSFTConfig, out: Path) -> dict[str, Any]:
    """Score every epoch, copy the best to `out`/final; the figures of summary.json.

    ValueError (DataError) where the candidates, the reward model or the prompts are missing or do not fit together.
    """
    found = candidates(Path(config.candidates))
    prompts = _drawn(config)
    inputs = [*(str(candidate.folder) for candidate in found), config.reward_model]
    parts = Parts(out, asdict(config), inputs, free=("sampling.max_rows", "micro_tokens"))
    scores = {}
    for candidate in found:
        file, finished = parts.part(f"{candidate.folder.name}.parquet")
        if not finished:
            with memory.advice("sampling.max_rows", config.sampling.max_rows):
                write_parquet(file, _answers(config, candidate, prompts))
        scores[candidate.epoch] = pq.read_table(file)
    results = [_result(candidate, scores[candidate.epoch]) for candidate in found]
    best = max(results, key=lambda row: row["score"])
    lowest = min(results, key=lambda row: row["validation_loss"])
    difference, error = paired(scores[best["epoch"]], scores[lowest["epoch"]])
    summary = {
        "chosen_epoch": best["epoch"],
        "chosen_score": best["score"],
        "chosen_validation_loss": best["validation_loss"],
        "lowest_loss_epoch": lowest["epoch"],
        "lowest_loss_score": lowest["score"],
        "lowest_loss": lowest["validation_loss"],
        "difference": difference,
        "difference_standard_error": error,
        "prompts": len(prompts),
        "epochs": results,
    }
    with whole_folder(out / "final") as made:
        shutil.copytree(found[0].folder.parent / f"epoch-{best['epoch']:02d}", made, dirs_exist_ok=True)
    write_json(out / "results.json", {"epochs": results})
    write_json(out / "summary.json", summary)
    return summary


def candidates(run: Path) -> list[Candidate]:
    """The epochs of a run that are exported and validated; a ValueError where there is none."""
    lines = read_metrics(run / EPOCHS)
    found = [
        Candidate(line["epoch"], run / f"epoch-{line['epoch']:02d}", line["validation/loss"])
        for line in lines
    ]
    found = [candidate for candidate in found if (candidate.folder / "config.json").is_file()]
    if not found:
        raise ValueError(
            f"{run}: no {EPOCHS} with models epoch-01, ... beside it; give the folder of a run of model.sft with "
            "keep_epochs"
        )
    return found


def paired(one: pa.Table, other: pa.Table) -> tuple[float, float | None]:
    """Mean difference of two epochs' scores on the same prompts, and its standard error over prompts."""
    differences = _by_prompt(one) - _by_prompt(other)
    return float(differences.mean()), _standard_error(differences)


def _drawn(config: SelectSFTConfig) -> list[Any]:
    table = read_split(config.prompts, config.split, ["prompt"])
    order = RowOrder([table.num_rows], config.sampling.seed, table.num_rows)
    rows = order.rows(0, min(config.rows, table.num_rows))
    return table["prompt"].take(pa.array(np.sort(rows))).to_pylist()


def _answers(config: SelectSFTConfig, candidate: Candidate, prompts: list[Any]) -> pa.Table:
    """A row an answer, by prompt and sample."""
    model, tokenizer = open_model(candidate.folder, config.device, config.dtype)
    asked = [ids for ids in DialogueEncoder(tokenizer).prompts(prompts) for _ in range(config.samples)]
    keys = row_keys(asked, config.sampling.seed)
    made = generate(
        model,
        asked,
        config.sampling,
        end_ids(tokenizer),
        keys=keys,
        decode=lambda ids: decode_text(tokenizer, ids),
    )
    scorer = load_hf_scalar(config.reward_model).to(model.wte.weight.device)
    if len(tokenizer) > scorer.config.vocab_size:
        raise ValueError(
            f"{config.reward_model}: {scorer.config.vocab_size} tokens, but the tokenizer of {candidate.folder} has "
            f"{len(tokenizer)}: give a reward model of the same tokenizer"
        )
    numbers = np.repeat(np.arange(len(prompts)), config.samples)
    return pa.table(
        {
            "prompt": numbers,
            "sample": np.tile(np.arange(config.samples, dtype=np.int32), len(prompts)),
            "answer": [decode_text(tokenizer, ids.tolist()) for ids in made.ids],
            "n_tokens": [len(ids) for ids in made.ids],
            "finished": made.finished,
            "score": score_answers(scorer, tokenizer, asked, made, config.micro_tokens),
        },
        schema=SCHEMA,
    )


def score_answers(
    scorer: ScalarGPT,
    tokenizer: PreTrainedTokenizerFast,
    prompts: list[list[int]],
    made: Generated,
    budget: int,
) -> npt.NDArray[np.float32]:
    """Scores of generated answers, each ended by `<|end|>` as the answers that the reward model has learnt from."""
    ends, end = set(end_ids(tokenizer)), DialogueEncoder(tokenizer).end
    answers = []
    for ids in made.ids:
        answer = ids.tolist()
        answers.append([*(answer[:-1] if answer and answer[-1] in ends else answer), end])
    # What the model read of its prompt, where that was too long for it.
    read = [prompt[-n:] for prompt, n in zip(prompts, made.n_prompt, strict=True)]
    pairs = list(zip(read, answers, strict=True))
    rows = token_rows(
        ([*prompt, *answer] for prompt, answer in pairs),
        (np.repeat([PROMPT, ANSWER], [len(prompt), len(answer)]) for prompt, answer in pairs),
    )
    lengths = np.array([len(answer) for answer in answers], np.int64)
    fitted = fit(rows, scorer.config.context, "trim", lengths)
    if len(fitted.kept) < len(answers):
        raise ValueError(
            f"the reward model's context of {scorer.config.context} tokens is too short for an answer of "
            f"{int(lengths.max())}; lower config key sampling.max_new_tokens"
        )
    return score_rows(scorer, fitted.rows, budget, int(tokenizer.pad_token_id))


def _result(candidate: Candidate, answers: pa.Table) -> dict[str, Any]:
    scores = _by_prompt(answers)
    return {
        "epoch": candidate.epoch,
        "score": float(scores.mean()),
        "standard_error": _standard_error(scores),
        "validation_loss": candidate.validation_loss,
        "mean_tokens": float(np.mean(answers["n_tokens"].to_numpy())),
        "unfinished_share": 1 - float(np.mean(answers["finished"].to_numpy())),
    }


def _by_prompt(answers: pa.Table) -> npt.NDArray[np.float64]:
    """Mean score of each prompt's answers."""
    prompt, score = answers["prompt"].to_numpy(), answers["score"].to_numpy().astype(np.float64)
    return np.bincount(prompt, weights=score) / np.bincount(prompt)


def _standard_error(values: npt.NDArray[np.float64]) -> float | None:
    return float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else None


if __name__ == "__main__":
    run_command(SelectSFTConfig, select, __doc__)
