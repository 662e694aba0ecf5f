"""The command line that all stages have: `python -m model.STAGE CONFIG.json --out FOLDER`."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from model.config_files import load_config
from model.memory import OutOfMemoryError
from model.optimizer import NonFiniteError
from model.trainer import Stopped

Config = TypeVar("Config")

FAILED = 1
USAGE = 2  # the config, the data or the folder is wrong: the same command will fail again
STOPPED = 143  # what a shell reports of a process that SIGTERM ended


def run_command(
    config_class: type[Config], train: Callable[[Config, Path], dict[str, Any]], description: str | None
) -> None:
    """Read the config, train, and turn what may go wrong into one clear message and an exit status."""
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("config", type=Path, help="JSON file; docs/ has a table of its keys")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of the run; one with checkpoints is resumed"
    )
    given = parser.parse_args()
    try:
        train(load_config(config_class, given.config), given.out)
    except Stopped as stopped:
        print(stopped, file=sys.stderr)
        sys.exit(STOPPED)
    except (NonFiniteError, OutOfMemoryError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(FAILED)
    except (ValueError, OSError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(USAGE)
