import json
from pathlib import Path

import pytest
import torch

from model import checkpoint
from model.checkpoint import CheckpointError

CPU = torch.device("cpu")


def save(folder: Path, step: int, keep: int = 2) -> Path:
    return checkpoint.save(folder, step, {"model": {"w": torch.full((2,), step)}}, {"tokens": step}, keep)


def test_what_was_saved_comes_back(tmp_path: Path) -> None:
    found = save(tmp_path, 7)
    assert checkpoint.read_state(found) == {"step": 7, "tokens": 7}
    assert checkpoint.read_tensors(found, "model")["w"].tolist() == [7, 7]


def test_the_newest_are_kept(tmp_path: Path) -> None:
    for step in (1, 2, 30, 100):
        save(tmp_path, step)
    assert [path.name for path in checkpoint.checkpoints(tmp_path)] == ["step-00000030", "step-00000100"]
    assert checkpoint.latest(tmp_path) == tmp_path / "step-00000100"
    assert len(list(tmp_path.iterdir())) == 2


def test_no_checkpoint_is_none(tmp_path: Path) -> None:
    assert checkpoint.latest(tmp_path / "nothing") is None


@pytest.mark.parametrize("point", ["tensors", "state", "rename"])
def test_a_crash_while_saving_leaves_the_checkpoint_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    save(tmp_path, 1)

    def crash(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if point == "tensors":
            patch.setattr(checkpoint, "save_file", crash)
        elif point == "state":
            patch.setattr(json, "dumps", crash)
        else:
            patch.setattr(Path, "rename", crash)
        with pytest.raises(KeyboardInterrupt):
            save(tmp_path, 2)
    assert checkpoint.latest(tmp_path) == tmp_path / "step-00000001"
    save(tmp_path, 2)
    assert checkpoint.latest(tmp_path) == tmp_path / "step-00000002"
    assert len(list(tmp_path.iterdir())) == 2


def test_the_same_step_is_replaced(tmp_path: Path) -> None:
    save(tmp_path, 3)
    checkpoint.save(tmp_path, 3, {}, {"tokens": 9}, keep=1)
    assert checkpoint.read_state(tmp_path / "step-00000003")["tokens"] == 9


@pytest.mark.parametrize("damage", ["tensors", "state"])
def test_damage_is_told_with_the_file(tmp_path: Path, damage: str) -> None:
    found = save(tmp_path, 1)
    name = "model.safetensors" if damage == "tensors" else "state.json"
    (found / name).write_text("{")
    with pytest.raises(CheckpointError, match=f"{name} cannot be read .* remove its folder"):
        checkpoint.read_tensors(found, "model") if damage == "tensors" else checkpoint.read_state(found)


def test_random_numbers_go_on() -> None:
    torch.manual_seed(3)
    state = checkpoint.random_state(CPU)
    expected = torch.rand(5)
    torch.rand(100)
    checkpoint.set_random_state(state, CPU)
    assert torch.equal(torch.rand(5), expected)
