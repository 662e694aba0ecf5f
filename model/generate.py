"""Answer a file of prompts: `python -m model.generate CONFIG.json --out FOLDER`.

Prompts come as text (.txt: one a line), JSONL or Parquet; results go to FOLDER/generations.jsonl (or .parquet),
figures to FOLDER/summary.json. A run that was cut off goes on behind its last finished part, and ends with the same
tokens as a whole one.
"""

import time
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from transformers import PreTrainedTokenizerFast

from model import memory
from model.command import run_command
from model.decoding import Generated, fit_prompts, generate
from model.generate_config import GenerateConfig
from model.gpt import GPT
from model.inference import decode_text, encode_text, open_model
from model.metrics import write_json
from model.parts import Parts
from model.row_files import read_lines, read_rows, write_jsonl, write_parquet
from model.sampling import SamplingConfig, row_keys
from model.tokenizer import END_OF_TEXT, encode_dialogue, end_ids

__all__ = ["GenerateConfig", "Generated", "SamplingConfig", "answer_file", "answer_text", "generate"]

SCHEMA = pa.schema(
    {
        "row": pa.int64(),  # of the prompt in its file, from 0
        "sample": pa.int32(),
        "prompt": pa.string(),
        "completion": pa.string(),
        "finish_reason": pa.string(),  # stop | length
        "n_prompt_tokens": pa.int32(),
        "trimmed": pa.bool_(),
        "n_tokens": pa.int32(),
        "logprob": pa.float64(),  # sum over the tokens, under the distribution they were drawn from
    }
)


class Prompt(NamedTuple):
    """A prompt as ids, and as text for those who read the results."""

    ids: list[int]
    text: str


def read_prompts(path: str, tokenizer: PreTrainedTokenizerFast) -> Iterator[Prompt]:
    """The prompts of a file in order; an empty text becomes the end-of-text token, where a document begins.

    A ValueError names the file and the row without a prompt, or with a turn that is none.
    """
    if path.endswith((".txt", ".txt.gz")):
        for line in read_lines(path):
            yield _from_text(line, tokenizer)
        return
    for number, row in enumerate(read_rows(path)):
        given = row.get("prompt", row.get("messages"))
        if isinstance(given, str):
            yield _from_text(given, tokenizer)
        elif isinstance(given, list) and given:
            ids = _dialogue(given, tokenizer, f"{path}: row {number}")
            yield Prompt(ids, decode_text(tokenizer, ids, special=True))
        else:
            raise ValueError(
                f"{path}: row {number}: expected `prompt` (text or turns) or `messages` (turns), "
                f"the row has {', '.join(row)}"
            )


def _dialogue(turns: list[Any], tokenizer: PreTrainedTokenizerFast, where: str) -> list[int]:
    for turn in turns:
        if not isinstance(turn, dict) or not all(isinstance(turn.get(k), str) for k in ("role", "content")):
            raise ValueError(f"{where}: expected turns of `role` and `content`, both text, found {turn!r}")
    try:
        return encode_dialogue(tokenizer, turns, add_assistant=True)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _from_text(text: str, tokenizer: PreTrainedTokenizerFast) -> Prompt:
    # Where the text is empty, the end of the document before it.
    return Prompt(encode_text(tokenizer, text) or encode_text(tokenizer, END_OF_TEXT, special=True), text)


def answer_text(ids: list[int], tokenizer: PreTrainedTokenizerFast, stop: tuple[str, ...]) -> str:
    """The text of generated ids, without special tokens and from the first stop string on cut off."""
    text = decode_text(tokenizer, ids)
    return text[: min((place for place in map(text.find, stop) if place >= 0), default=len(text))]


def answer_file(config: GenerateConfig, out: Path) -> dict[str, Any]:
    """Answer all prompts of a file into the folder `out`, and give the summary.

    A ValueError names the setting or the row of the prompts that is at fault, before anything is generated.
    """
    model, tokenizer = open_model(config.model, config.device, config.dtype)
    prompts = list(read_prompts(config.prompts, tokenizer))
    if not prompts:
        raise ValueError(f"prompts: {config.prompts} holds none")
    fitted = fit_prompts(
        [prompt.ids for prompt in prompts], config.sampling, model.config.context, model.config.vocab_size
    )
    parts = Parts(out, asdict(config), [config.model, config.prompts], free=("sampling.max_rows",))
    jobs = [(row, sample) for row in range(len(prompts)) for sample in range(config.samples)]
    keys = row_keys([prompts[row].ids for row, _ in jobs], config.sampling.seed)
    started, made, files = time.monotonic(), 0, []
    for start in range(0, len(jobs), config.rows_per_part):
        file, finished = parts.part(f"parts/{start:09d}.parquet")
        files.append(file)
        if finished:
            continue
        chunk = slice(start, start + config.rows_per_part)
        with memory.advice("sampling.max_rows", config.sampling.max_rows):
            rows = _answer(model, tokenizer, config, prompts, fitted, jobs[chunk], keys[chunk])
        write_parquet(file, pa.Table.from_pylist(rows, schema=SCHEMA))
        made += sum(row["n_tokens"] for row in rows)
    table = pa.concat_tables([pq.read_table(file) for file in files])
    _write(out / f"generations.{config.output}", table)
    summary = _summary(table, len(prompts), made, time.monotonic() - started)
    write_json(out / "summary.json", summary)
    return summary


def _answer(
    model: GPT,
    tokenizer: PreTrainedTokenizerFast,
    config: GenerateConfig,
    prompts: list[Prompt],
    fitted: list[list[int]],
    jobs: list[tuple[int, int]],
    keys: list[int],
) -> list[dict[str, Any]]:
    """The rows of one part."""
    made = generate(
        model,
        [fitted[row] for row, _ in jobs],
        config.sampling,
        end_ids(tokenizer),
        keys=keys,
        decode=partial(decode_text, tokenizer),
    )
    return [
        {
            "row": row,
            "sample": sample,
            "prompt": prompts[row].text,
            "completion": answer_text(ids.tolist(), tokenizer, config.sampling.stop),
            "finish_reason": "stop" if finished else "length",
            "n_prompt_tokens": n_prompt,
            "trimmed": n_prompt < len(prompts[row].ids),
            "n_tokens": len(ids),
            "logprob": logprobs.double().sum().item(),
        }
        for (row, sample), ids, logprobs, finished, n_prompt in zip(jobs, *made, strict=True)
    ]


def _write(path: Path, table: pa.Table) -> None:
    if path.suffix == ".parquet":
        write_parquet(path, table)
    else:
        write_jsonl(path, (row for batch in table.to_batches() for row in batch.to_pylist()))


def _summary(table: pa.Table, prompts: int, made: int, seconds: float) -> dict[str, Any]:
    """Figures of all answers; seconds and speed are of this process alone: of what a resumed run still had to do."""
    reasons, tokens = table["finish_reason"].to_pylist(), table["n_tokens"].to_pylist()
    return {
        "prompts": prompts,
        "answers": len(reasons),
        "tokens": sum(tokens),
        "finished_share": reasons.count("stop") / len(reasons),
        "trimmed_prompts": len(set(table.filter(table["trimmed"])["row"].to_pylist())),
        "seconds": seconds,
        "tokens_per_second": made / seconds,
    }


if __name__ == "__main__":
    run_command(GenerateConfig, answer_file, __doc__)
