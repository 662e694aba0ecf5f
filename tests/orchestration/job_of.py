"""Which job a run config is for: the first that has all of its assets."""

from typing import Any

import dagster as dg

from orchestration.definitions import defs

JOBS = ("build_corpus", "build_rlhf", "pretrain_gpt", "train_gpt")


def job_of(config: dict[str, Any]) -> dg.JobDefinition:
    """The job whose assets hold all ops of `config`."""
    for name in JOBS:
        job = defs.resolve_job_def(name)
        if set(config.get("ops", {})) <= {node.name for node in job.nodes}:
            return job
    raise AssertionError(f"no job has all of {sorted(config['ops'])}")
