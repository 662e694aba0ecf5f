"""What does not fit together is told before the first step of a training, not after the days of those before."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from orchestration.config import ConfigError
from orchestration.definitions import defs
from pipelines.build.chat_tokenizer import ChatTokenizerConfig, build_chat_tokenizer
from pipelines.engine.dataset import current
from pipelines.engine.lineage import StaleInputError
from pipelines.engine.mill import Mill
from tests.model.checkpoints import byte_tokenizer
from tests.orchestration.trainable_world import build_corpus, build_instructions

OPS: dict[str, Any] = {
    "base_model": {"config": {"tokens": 1000, "rate": {"warmup_tokens": 0}}},
    "policy": {"config": {}},
    "alignment_evaluation": {"config": {}},
}


def refused(root: Path, job: str, **ops: Any) -> BaseException | None:
    """What the job is refused with before any step; the data root is left as it was."""
    before = sorted(root.rglob("*"))
    named = {name: OPS[name] for name in OPS if name in {n.name for n in defs.resolve_job_def(job).nodes}}
    config = {"ops": named | ops, "resources": {"mill": {"config": {"root": str(root)}}}}
    with pytest.raises(dg.DagsterResourceFunctionError) as raised:
        defs.resolve_job_def(job).execute_in_process(run_config=config)
    assert sorted(root.rglob("*")) == before
    return raised.value.__cause__


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data root with a corpus."""
    build_corpus(tmp_path / "root")
    return tmp_path / "root"


@pytest.fixture
def grown(tmp_path: Path) -> str:
    """A tokenizer of another vocabulary than the corpus's."""
    byte_tokenizer(tmp_path / "grown", chat=False, texts=["abab cdcd"] * 9)
    return str(tmp_path / "grown")


def test_a_chat_tokenizer_of_another_vocabulary_is_refused(root: Path, grown: str) -> None:
    build_instructions(root, tokenizer_path=grown)
    cause = refused(root, "train_gpt")
    assert isinstance(cause, ConfigError)
    told = str(cause)
    assert told.startswith(
        f"base_model: the sequences were packed with {current(str(root), 'tokenizer').folder}"
    )
    assert "leave tokenizer_path and train_vocab_size out of ops.chat_tokenizer.config" in told


def test_datasets_of_an_older_chat_tokenizer_are_refused(root: Path, grown: str) -> None:
    build_instructions(root, tokenizer_path=grown)
    mill = Mill(str(root), lambda: None)
    build_chat_tokenizer(mill, ChatTokenizerConfig()).publish(mill.root)
    cause = refused(root, "train_gpt")
    assert isinstance(cause, StaleInputError)
    assert "go back to different versions of 'chat_tokenizer'; materialise again, in this order: " in str(
        cause
    )


def test_other_settings_than_the_datasets_were_made_with_are_refused(root: Path, grown: str) -> None:
    build_instructions(root)
    cause = refused(root, "pretrain_gpt", chat_tokenizer={"config": {"tokenizer_path": grown}})
    assert isinstance(cause, ConfigError)
    assert str(cause).startswith(
        "ops.chat_tokenizer.config: 'sft' was made with a chat tokenizer of the settings"
    )
    assert "run build_rlhf with the new ones first" in str(cause)


def test_the_whole_job_has_no_chat_tokenizer_of_its_own(root: Path) -> None:
    config = {"ops": {**OPS, "chat_tokenizer": {"config": {}}}}
    with pytest.raises(dg.DagsterInvalidConfigError, match="chat_tokenizer"):
        defs.resolve_job_def("train_gpt").execute_in_process(run_config=config)
    cause = refused(root, "train_gpt")
    assert "base_model reads the dataset 'chat_tokenizer', which has not been made" in str(cause)
