"""Which job a run config is for: the first that has all of its assets."""

from typing import Any

import dagster as dg

from orchestration.definitions import defs


def job_of(config: dict[str, Any]) -> dg.JobDefinition:
    """The job whose assets hold all ops of `config`; of several the one with the fewest, build_corpus before all."""
    named = [job for job in defs.resolve_all_job_defs() if not job.name.startswith("__")]
    for job in sorted(named, key=lambda job: (job.name != "build_corpus", len(job.nodes))):
        if set(config.get("ops", {})) <= {node.name for node in job.nodes}:
            return job
    raise AssertionError(f"no job has all of {sorted(config['ops'])}")
