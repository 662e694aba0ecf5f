"""A training command of the form that model/ has, small enough to start in a tenth of a second.

It follows a line by gradient descent: one weight, a checkpoint every step. `fail_at` ends it as a non-finite loss
does, `pause` makes a step last.
"""

import argparse
import json
import signal
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType


@dataclass(frozen=True)
class ToyConfig:
    """One weight's training."""

    data: str = field(metadata={"description": "folder of the input"})
    steps: int = field(default=3, metadata={"description": "steps"})
    rate: float = field(default=0.5, metadata={"description": "learning rate"})
    fail_at: int | None = field(default=None, metadata={"description": "step that fails; null: none"})
    pause: float = field(default=0.0, metadata={"description": "seconds of a step"})

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps must be at least 1, got {self.steps}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("config", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    config = ToyConfig(**json.loads(given.config.read_text()))
    stopping: list[int] = []

    def stop(number: int, _: FrameType | None) -> None:
        stopping.append(number)

    signal.signal(signal.SIGTERM, stop)
    kept = given.out / "checkpoints" / "state.json"
    state = json.loads(kept.read_text()) if kept.exists() else {"step": 0, "weight": 0.0}
    resumed_at = state["step"] or None
    print(f"training on {Path(config.data).name}", file=sys.stderr)
    while state["step"] < config.steps:
        if config.fail_at == state["step"] + 1:
            print("NonFiniteError: 'loss' is nan", file=sys.stderr)
            sys.exit(1)
        time.sleep(config.pause)
        state["step"] += 1
        state["weight"] += config.rate * (3.0 - state["weight"])
        with (given.out / "metrics.jsonl").open("a") as lines:
            lines.write(json.dumps({"step": state["step"], "loss": (3.0 - state["weight"]) ** 2}) + "\n")
        kept.parent.mkdir(exist_ok=True)
        kept.with_suffix(".new").write_text(json.dumps(state))
        kept.with_suffix(".new").replace(kept)
        if stopping:
            print(f"stopped after step {state['step']}", file=sys.stderr)
            sys.exit(143)
    (given.out / "samples.jsonl").write_text(json.dumps({"step": state["step"], "text": "three | 3"}) + "\n")
    summary = {
        "loss": (3.0 - state["weight"]) ** 2,
        "resumed_at": resumed_at,
        "note": "a word",
        **asdict(config),
    }
    (given.out / "summary.json").write_text(json.dumps(summary))


if __name__ == "__main__":
    main()
