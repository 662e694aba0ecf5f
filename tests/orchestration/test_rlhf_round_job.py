"""Rounds as a user runs them: both jobs by command line over a real policy, then build_rlhf takes them in."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.definitions import defs
from pipelines.build.built import Built
from pipelines.engine.artifact import build_artifact
from pipelines.engine.dataset import DatasetVersion, current, publish
from tests.orchestration import small_instructions
from tests.orchestration.commands import REPOSITORY, command
from tests.orchestration.small_world import write_config

pytestmark = pytest.mark.slow

PROMPTS, ANSWERS = 4, 3


def publish_policy(root: Path) -> DatasetVersion:
    """A GPT of some thousand random weights where a trained policy stands, in the layout of its asset."""
    import torch

    from model.export import save_hf
    from model.gpt import GPT
    from model.gpt_config import GPTConfig
    from model.tokenizer import load_tokenizer

    tokenizer = current(str(root), "chat_tokenizer").folder

    def make(folder: Path) -> dict[str, Any]:
        torch.manual_seed(0)
        size = len(load_tokenizer(tokenizer))
        model = GPT(GPTConfig(vocab_size=size, context=256, n_layer=2, n_head=2, d_model=32))
        save_hf(model, folder / "final", tokenizer)
        return {}

    version = build_artifact(str(root), "policy", {"test": 1}, make)
    publish(str(root), version)
    return version


def run(folder: Path, job: str, config: dict[str, Any], partition: str | None = None) -> None:
    """`dagster job execute`, with the round as its partition where there is one."""
    file = write_config(folder / f"{job}.yaml", config)
    arguments, environment = command(folder / "home", folder / "data", file, job)
    if partition is not None:
        arguments += ["--tags", json.dumps({"dagster/partition": partition})]
    done = subprocess.run(
        arguments, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]


def labelled(root: Path, number: int, export: Path) -> int:
    """Write what Label Studio exports when the first labeler likes the answer shown last; tasks labelled."""
    projects = Path(current(str(root), f"label_projects-{number:03d}").folder)
    tasks = [task for file in sorted(projects.glob("k*/tasks.json")) for task in json.loads(file.read_text())]
    for place, task in enumerate(tasks):
        shown = [item["id"] for item in task["data"]["completions"]]
        buckets = {str(bucket): [answer] for bucket, answer in enumerate(reversed(shown), 1)}
        result = {
            "from_name": "rank",
            "to_name": "completions",
            "type": "ranker",
            "value": {"ranker": buckets},
        }
        task |= {"id": place, "annotations": [{"id": place, "completed_by": 7, "result": [result]}]}
    export.write_text(json.dumps(tasks))
    return len(tasks)


def in_process(root: Path, job: str, partition: str, ops: dict[str, Any]) -> None:
    config = {"ops": ops, "resources": {"mill": {"config": {"root": str(root)}}}}
    assert defs.resolve_job_def(job).execute_in_process(run_config=config, partition_key=partition).success


def test_two_rounds_of_a_real_policy_are_comparisons_of_the_next_build(
    instructed: tuple[Path, dict[str, Built]], tmp_path: Path
) -> None:
    root = tmp_path / "data"
    shutil.copytree(instructed[0], root)
    policy = publish_policy(root)
    sampling = {
        "round_prompts": {"config": {"prompts": PROMPTS}},
        "round_samples": {
            "config": {"policy": "policy", "samples": ANSWERS, "max_new_tokens": 12, "device": "cpu"}
        },
    }
    run(tmp_path, "sample_round", {"ops": sampling}, "0")
    n = labelled(root, 0, tmp_path / "export.json")
    labels = [{"name": "crowd", "files": [str(tmp_path / "export.json")]}]
    run(tmp_path, "judge_round", {"ops": {"round_judgements": {"config": {"labels": labels}}}}, "0")
    in_process(root, "sample_round", "1", sampling)
    in_process(root, "judge_round", "1", {"round_judgements": {"config": {"judge": "features"}}})

    build = small_instructions.build(instructed[0].parent / "inputs")
    build["ops"]["cleaned_instructions"] = {"config": {"rounds": [0, 1]}}
    before = {name: current(str(root), name) for name in ("prompts", "comparisons")}
    run(tmp_path, "build_rlhf", build)

    def table(name: str, version: DatasetVersion | None = None) -> str:
        return f"read_parquet('{(version or current(str(root), name)).folder}/*.parquet')"

    judged = f"""
        select c.*, r.policy, r.policy_digest, r.judge, r.prompts_version, d.round
        from {table("comparisons")} c
        join (select * from {table("candidates-000")} union all select * from {table("candidates-001")}) d
          on c.origin like d.origin || '%' or c.origin like d.record_id || '#%'
        join (select * from {table("rounds-000")} union all select * from {table("rounds-001")}) r using (round)
    """
    rows = duckdb.sql(
        f"select source, labeler_id, judge_kind, judge, policy, policy_digest, prompts_version from ({judged})"
    ).fetchall()
    assert {row[:4] for row in rows} == {
        ("crowd", "crowd:7", "human", "label_studio"),
        ("round-001", "judge:features-v2", "model", "features-v2"),
    }
    assert [row[0] for row in rows].count("crowd") == n == PROMPTS
    assert {row[4] for row in rows} == {f"{policy.folder}/final"}
    assert len({row[5] for row in rows}) == 1
    assert {row[6] for row in rows} == {before["prompts"].version}
    authors = duckdb.sql(f"select distinct unnest(completion_authors) from ({judged})").fetchall()
    assert authors == [("model",)]
    # A judged prompt stays in the split that it was drawn from, and is asked of no policy again.
    assert duckdb.sql(f"select distinct split from ({judged})").fetchall() == [("train",)]
    again = f"select prompt_id from {table('prompts')} where prompt_id in (select prompt_id from ({judged}))"
    assert duckdb.sql(again).fetchall() == []
    was = (
        f"select prompt_id from ({judged}) except select prompt_id from {table('prompts', before['prompts'])}"
    )
    assert duckdb.sql(was).fetchall() == []
    # Nobody else's judgement has moved.
    moved = f"""
        select judgement_id, split from {table("comparisons", before["comparisons"])}
        except select judgement_id, split from {table("comparisons")}
    """
    assert duckdb.sql(moved).fetchall() == []
