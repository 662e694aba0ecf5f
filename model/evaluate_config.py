"""The settings of evaluation."""

from dataclasses import dataclass, field
from typing import Literal

from model.run_config import DEVICE_HELP, DTYPE_HELP, Device, Dtype
from model.tasks import LAYOUTS


@dataclass(frozen=True)
class LossConfig:
    """Documents whose loss is measured."""

    file: str = field(
        metadata={
            "description": "JSONL or Parquet file, or folder of Parquet files, with a field `text`, or `input_ids` "
            "of the model's tokenizer, and perhaps `source`"
        }
    )
    distribution: Literal["in", "out"] = field(
        metadata={"description": "whether the model was trained on texts of this kind"}
    )
    source: str | None = field(
        default=None, metadata={"description": "name of the source; null: the rows' field `source` names it"}
    )
    split: str | None = field(
        default=None, metadata={"description": "rows to take by their field `split`; null: all rows"}
    )
    documents: int = field(
        default=1000, metadata={"description": "documents taken of each source, the first of the file"}
    )

    def __post_init__(self) -> None:
        if self.documents < 1:
            raise ValueError(f"documents: expected 1 or more, got {self.documents}")


@dataclass(frozen=True)
class TaskConfig:
    """One benchmark at one number of demonstrations."""

    name: str = field(metadata={"description": "name in the results; flags of contamination go by it"})
    file: str = field(metadata={"description": "JSONL (gzip or not) or Parquet file of the examples"})
    layout: str = field(metadata={"description": "how rows are read: " + ", ".join(LAYOUTS)})
    shots: int = field(default=0, metadata={"description": "demonstrations before each example"})
    shots_file: str | None = field(
        default=None,
        metadata={
            "description": "file that demonstrations are drawn from; null: the task's own, not the example"
        },
    )
    limit: int | None = field(
        default=None, metadata={"description": "examples to score, drawn by the seed; null: all"}
    )

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise ValueError(f"layout: unknown '{self.layout}', expected one of {', '.join(LAYOUTS)}")
        if self.shots < 0:
            raise ValueError(f"shots: expected 0 or more, got {self.shots}")
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"limit: expected 1 or more, or null, got {self.limit}")
        if not self.name or "/" in self.name:
            raise ValueError(f"name: expected a name without '/', got '{self.name}'")

    @property
    def key(self) -> str:
        """Name of the task in results and files."""
        return f"{self.name}-{self.shots}-shot"


@dataclass(frozen=True)
class EvaluateConfig:
    """What is measured of which checkpoint."""

    model: str = field(metadata={"description": "folder of the checkpoint"})
    tasks: tuple[TaskConfig, ...] = field(default=(), metadata={"description": "benchmarks"})
    losses: tuple[LossConfig, ...] = field(
        default=(), metadata={"description": "documents whose loss is measured"}
    )
    contamination: str | None = field(
        default=None,
        metadata={
            "description": "JSONL or Parquet file of flags: `task` (its name), `example_id` (row in the task's file, "
            "from 0), `dirty` (whether the training texts overlap with it)"
        },
    )
    seed: int = field(default=0, metadata={"description": "seed of demonstrations and limits"})
    batch_tokens: int = field(default=16384, metadata={"description": "tokens of one forward pass"})
    device: Device = field(default="auto", metadata={"description": DEVICE_HELP})
    dtype: Dtype = field(default="auto", metadata={"description": DTYPE_HELP})

    def __post_init__(self) -> None:
        keys = [task.key for task in self.tasks]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise ValueError(f"tasks: {twice} stands there twice; give each its own name")
        if self.batch_tokens < 1:
            raise ValueError(f"batch_tokens: expected 1 or more, got {self.batch_tokens}")
        if not self.tasks and not self.losses:
            raise ValueError("tasks, losses: nothing to measure; name one task or one file of documents")
