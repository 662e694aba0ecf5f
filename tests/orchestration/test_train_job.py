"""The job train_gpt with models of some thousand weights: each asset runs its command on what those before left."""

import json
import threading
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from orchestration.definitions import defs
from pipelines.engine.dataset import current
from pipelines.training_report import training_summary
from tests.orchestration.trainable_world import CONTEXT, build_corpus, build_instructions
from tests.orchestration.training_world import failure, kill_trainer

pytestmark = pytest.mark.slow

QUICK = {"device": "cpu", "checkpoint_every": 2}
OPS: dict[str, dict[str, Any]] = {
    "base_model": {
        "tokens": 12 * 8 * CONTEXT,
        "model": {"n_layer": 2, "n_head": 2, "d_model": 16, "band": 8},
        "batch": {"rows": 8, "micro_rows": 8},
        "rate": {"peak": 0.01, "warmup_tokens": 400},
        "watch": {"validate_every": 4, "sample_every": 6, "prompts": ["ab"], "sample_tokens": 4},
        "run": QUICK,
    },
    "base_evaluation": {"device": "cpu"},
    "sft_candidates": {"epochs": 2, "rate": {"peak": 0.01}, "run": QUICK},
    "rl_init": {"epochs": 1, "rate": {"peak": 0.01}, "run": QUICK},
    "reward_model": {"epochs": 2, "batch": {"prompts": 8}, "rate": {"peak": 0.01}, "run": QUICK},
    "sft_model": {"rows": 4, "sampling": {"max_new_tokens": 4}, "device": "cpu"},
    "policy": {
        "episodes": 24,
        "answer_tokens": 4,
        "batch": {"episodes": 8, "minibatch": 8, "micro_rows": 8},
        "ptx": {"ratio": 1, "sequence_tokens": 16, "micro_rows": 8},
        "sample_every": 1,
        "run": {"device": "cpu", "compile": False, "checkpoint_every": 1},
    },
    "alignment_evaluation": {
        "limit": 4,
        "answer_tokens": 4,
        "device": "cpu",
        "tax": {"before": "base"},
    },
}


def run(job: str, root: Path, **changes: Any) -> dg.ExecuteInProcessResult:
    """Run a job over `root`; `changes` replace what the config says of an asset."""
    definition = defs.resolve_job_def(job)
    names = {node.name for node in definition.nodes}
    ops = {
        name: {"config": {**config, **changes.get(name, {})}} for name, config in OPS.items() if name in names
    }
    config = {"ops": ops, "resources": {"mill": {"config": {"root": str(root)}}}}
    return definition.execute_in_process(run_config=config, raise_on_error=False)


def told(result: dg.ExecuteInProcessResult) -> dict[str, dict[str, Any]]:
    """Metadata by asset."""
    return {
        event.asset_key.to_user_string(): {
            name: value.value for name, value in event.materialization.metadata.items()
        }
        for event in result.get_asset_materialization_events()
    }


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, dict[str, Any]]]:
    """A data root on which the whole job has run, and what it told of each asset."""
    root = tmp_path_factory.mktemp("root")
    build_corpus(root)
    build_instructions(root)
    result = run("train_gpt", root)
    assert result.success, failure(result)
    return root, told(result)


def test_every_asset_has_figures_and_names_its_inputs(
    trained: tuple[Path, dict[str, dict[str, Any]]],
) -> None:
    root, metadata = trained
    assert set(metadata) == set(OPS)
    assert metadata["base_model"]["loss"] < 5.2  # 5.57 is a guess
    assert 0 <= metadata["reward_model"]["validation/low"] <= metadata["reward_model"]["validation/accuracy"]
    assert metadata["policy"]["steps"] == 3
    assert any(name.startswith("loss/in/") for name in metadata["base_evaluation"])
    for name in ("base_model", "sft_candidates", "reward_model", "policy"):
        assert metadata[name]["curves"].startswith("![")
    assert "answer" in metadata["policy"]["samples"]
    upstream = current(str(root), "policy").manifest["inputs"]
    assert upstream == {
        name: current(str(root), name).version
        for name in ("rl_init", "reward_model", "prompts", "pretraining")
    }


def test_configs_were_filled_from_the_versions_before(
    trained: tuple[Path, dict[str, dict[str, Any]]],
) -> None:
    root, _ = trained

    def config(name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            (Path(current(str(root), name).folder) / "config.json").read_text()
        )
        return found

    folder = {name: current(str(root), name).folder for name in (*OPS, "chat_tokenizer", "pretraining")}
    assert config("base_model")["model"]["vocab_size"] == 263
    assert config("base_model")["model"]["context"] == CONTEXT
    assert config("rl_init")["pretraining"] == {"folder": folder["pretraining"], "source": None, "share": 0.1}
    assert config("sft_candidates")["pretraining"] is None
    assert config("reward_model")["model"].startswith(folder["sft_candidates"] + "/epoch-0")
    assert config("policy")["value_init"] == folder["reward_model"] + "/value_init"
    assert config("policy")["ptx"]["sources"][0]["folder"] == folder["pretraining"]
    contenders = {item["name"]: item["folder"] for item in config("alignment_evaluation")["contenders"]}
    assert contenders["policy"] == folder["policy"] + "/final"
    assert config("alignment_evaluation")["tax"]["losses"][0]["distribution"] == "in"


def test_a_second_run_trains_nothing_and_the_report_reads_it(
    trained: tuple[Path, dict[str, dict[str, Any]]],
) -> None:
    root, metadata = trained
    again = told(run("train_gpt", root))
    assert {name: value["path"] for name, value in again.items()} == {
        name: value["path"] for name, value in metadata.items()
    }
    assert not list((root / "_training").glob("*/v-*/"))
    assert all(
        (Path(value["path"]) / "process.log").read_text().count("Error") == 0
        for name, value in again.items()
        if name in OPS
    )
    report = training_summary(str(root))
    for line in ("all tokens equally likely", "highest reward: chosen", "95 % interval", "mean reward"):
        assert line in report


def test_a_killed_pretraining_resumes_to_the_same_weights(
    trained: tuple[Path, dict[str, dict[str, Any]]], tmp_path: Path
) -> None:
    build_corpus(tmp_path)  # without instructions: this job makes the chat tokenizer by itself
    killer = threading.Thread(target=kill_trainer, args=(tmp_path, "base_model", 5))
    killer.start()
    killed = run("pretrain_gpt", tmp_path)
    killer.join()
    assert "base_model: the training process was killed by signal 9" in failure(killed)[0]
    # A smaller micro-batch is no other training: this is what the advice on memory asks for.
    resumed = run("pretrain_gpt", tmp_path)
    assert resumed.success
    assert told(resumed)["base_model"]["resumed_at"] >= 2
    weights = "final/model.safetensors"
    one, other = (Path(current(str(root), "base_model").folder) / weights for root in (trained[0], tmp_path))
    assert one.read_bytes() == other.read_bytes()
