"""Starts the process of a training through Dagster Pipes, passes on what it says, and waits for its end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import dagster as dg

from orchestration.training_resource import TrainingConfig
from orchestration.training_spec import Training
from pipelines.build.training import CONFIG_FILE, LOG_FILE, TrainingRun

# All files are local, and a bar that moves is no line of a log.
VARIABLES = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
TAIL_LINES = 20
_TAIL_BYTES = 1 << 16
_POLL_SECONDS = 0.25
_REFUSED, _STOPPED = 2, 143
_AGAIN = "run the asset again to go on from its last checkpoint"


def attend(
    context: dg.AssetExecutionContext, training: Training, run: TrainingRun, settings: TrainingConfig
) -> None:
    """Run the process of a training to its end; dg.Failure with its last lines where that is not a good one."""
    log = run.work / LOG_FILE
    begin = log.stat().st_size if log.exists() else 0
    keys = [key for keys in training.curves.values() for key in keys]
    with dg.open_pipes_session(
        context=context,
        context_injector=dg.PipesTempFileContextInjector(),
        message_reader=dg.PipesTempFileMessageReader(),
        extras={"progress_keys": keys, "progress_seconds": settings.progress_seconds},
    ) as session:
        command = [sys.executable, "-m", "orchestration.training_process", training.module]
        command += [str(run.work / CONFIG_FILE), "--out", str(run.work), "--parent", str(os.getpid())]
        context.log.info(f"{training.name} runs in {run.work}; its output goes to {log.name} there")
        variables = {**VARIABLES, **session.get_bootstrap_env_vars()}
        status = run_process(command, variables, log, settings.stop_seconds)
    if status != 0:
        raise dg.Failure(
            f"{training.name}: the training process {ended(status)}. Its last lines ({log}):\n"
            + "\n".join(last_lines(log, begin)),
            metadata={
                "exit_status": status,
                "log": dg.MetadataValue.path(str(log)),
                "work_folder": dg.MetadataValue.path(str(run.work)),
            },
        )


def run_process(command: Sequence[str], variables: Mapping[str, str], log: Path, stop_seconds: float) -> int:
    """Start a process whose output is added to `log`, pass it on to stderr, and wait; its exit status.

    The output is a file's, not a pipe's: a process that outlives its run must not die of its own last words. An
    interrupt of the waiting run stops the process first, with SIGTERM, and after `stop_seconds` by force.
    """
    with log.open("ab") as output, log.open("rb") as said:
        said.seek(0, os.SEEK_END)
        process = subprocess.Popen(
            command,
            env=os.environ | dict(variables),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # an interrupt at the terminal reaches it once, from here
        )
        try:
            while process.poll() is None:
                time.sleep(_POLL_SECONDS)
                sys.stderr.write(said.read().decode("utf-8", "replace"))
        except BaseException:
            process.terminate()
            try:
                process.wait(stop_seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            raise
        sys.stderr.write(said.read().decode("utf-8", "replace"))
    return process.returncode


def last_lines(log: Path, begin: int) -> list[str]:
    """The last lines that were added to `log` from byte `begin` on."""
    with log.open("rb") as stream:
        stream.seek(max(begin, log.stat().st_size - _TAIL_BYTES))
        return stream.read().decode("utf-8", "replace").splitlines()[-TAIL_LINES:]


def ended(status: int) -> str:
    """How a process ended, by its exit status, and what to do."""
    if status in (_STOPPED, -signal.SIGTERM):
        return f"was stopped; {_AGAIN}"
    if status == -signal.SIGKILL:
        return f"was killed by signal 9 (by hand, or because memory ran out); {_AGAIN}"
    if status < 0:
        return f"died of signal {-status}; {_AGAIN}"
    if status == _REFUSED:
        return "refused its config, its data or its folder (status 2)"
    return f"failed with status {status}; {_AGAIN}"
