"""The job as a command, the way a user types it."""

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def command(
    home: Path, root: Path, config: Path, job: str = "build_corpus"
) -> tuple[list[str], dict[str, str]]:
    """Arguments and environment of `dagster job execute` with its own DAGSTER_HOME and data root."""
    home.mkdir(exist_ok=True)
    (home / "dagster.yaml").write_text((REPOSITORY / "conf" / "dagster.yaml").read_text())
    dagster = Path(sys.executable).parent / "dagster"
    arguments = [str(dagster), "job", "execute", "-m", "orchestration.definitions", "-j", job]
    environment = os.environ | {"DAGSTER_HOME": str(home), "GRISTMILL_DATA": str(root), "HF_HUB_OFFLINE": "1"}
    return [*arguments, "-c", str(config)], environment


def execute(home: Path, root: Path, config: Path, job: str = "build_corpus") -> None:
    """Run the job to its end; its last words are in the failure."""
    arguments, environment = command(home, root, config, job)
    done = subprocess.run(
        arguments, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
