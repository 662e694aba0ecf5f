"""Answers of different worth to the prompts of code pairs, for an automatic judge where there is no policy yet.

Each is made from the sources alone: the function itself, another function of its file, the function cut off, the
function with its last lines over and over. Nobody prefers one of them until it is judged.
"""

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from pipelines.rlhf.candidates import CANDIDATES, candidates
from pipelines.rlhf.records import prompt_id, record_id
from pipelines.rlhf.schemas import RAW_PROMPTS
from text.hashing import uniform

SOURCE = "code_candidates"


class CodeCandidatesConfig(BaseModel):
    """How the worse answers are made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kept_share: float = Field(
        default=0.6, description="share of the characters that an answer is cut off at, 0..1", gt=0, lt=1
    )
    repeats: int = Field(default=8, description="times that the last two lines are repeated", ge=1)
    seed: int = Field(default=0, description="seed of which other function is taken, and of the order")


def code_candidates(pairs: pa.Table, config: CodeCandidatesConfig) -> tuple[pa.Table, pa.Table]:
    """CANDIDATES of RAW_DEMONSTRATIONS of code, and their references (record_id, reference: the function itself).

    The other function is of the same file, so that no text passes between splits; a file's only function has
    none. The order of answers is a draw.
    """
    by_file: dict[str | None, list[str]] = {}
    ordered = pairs.sort_by("record_id").to_pylist()
    for row in ordered:
        by_file.setdefault(row["root_id"], []).append(row["messages"][-1]["content"])
    draws = uniform(
        pa.array([row["record_id"] for row in ordered], pa.string()), config.seed, "other function"
    )
    rows, references = [], []
    for row, draw in zip(ordered, draws.tolist(), strict=True):
        own = row["messages"][-1]["content"]
        others = [text for text in by_file[row["root_id"]] if text != own]
        answers = [(own, "human"), (_cut(own, config), None), (_repeated(own, config), None)]
        answers += [(others[int(draw * len(others))], "human")] if others else []
        turn = int(draw * 1024) % len(answers)
        answers = answers[turn:] + answers[:turn]
        made = {name: row.get(name) for name in RAW_PROMPTS.schema.names} | {
            "origin": f"{row['source']}/{row['origin']}",
            "messages": row["messages"][:-1],
            "prompt_id": prompt_id(row["messages"][:-1]),
            "completions": [text for text, _ in answers],
            "completion_authors": [author for _, author in answers],
            "finish_reasons": [None] * len(answers),
        }
        made["record_id"] = record_id(SOURCE, made["origin"])
        rows.append(made)
        references.append({"record_id": made["record_id"], "reference": own})
    names = [name for name in CANDIDATES.schema.names if name != "completion_ids"]
    fields = pa.schema([CANDIDATES.schema.field(name) for name in names])
    table, _ = candidates(pa.Table.from_pylist(rows, fields))
    known = pa.schema([("record_id", pa.string()), ("reference", pa.string())])
    return table, pa.Table.from_pylist(references, known)


def _cut(code: str, config: CodeCandidatesConfig) -> str:
    return code[: int(len(code) * config.kept_share)]


def _repeated(code: str, config: CodeCandidatesConfig) -> str:
    return "\n".join([code, *code.splitlines()[-2:] * config.repeats])
