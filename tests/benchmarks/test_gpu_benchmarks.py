"""The GPU benchmarks on a CPU in their smallest sizes: what they count, and that every part runs."""

import importlib.util
import json

import pytest
import torch

from benchmarks.gpu_tools import Cell, decode_bytes, kv_bytes, rate, run_parts, table
from model.gpt_config import PRESETS

CPU = ["--device", "cpu", "--tiny", "--repeats", "2"]
SMALL = PRESETS["gpt3-small"]
WEIGHTS = 2 * (12 * 12 * 768**2 + 50_304 * 768)


def failing(_):
    yield Cell({"size": 1}, lambda: {"tokens_per_second": 1.0})
    yield Cell({"size": 2}, lambda: 1 // 0)
    yield Cell({"size": 3}, lambda: (_ for _ in ()).throw(torch.OutOfMemoryError("full")))
    raise ValueError("no more sizes")


def working(_):
    yield Cell({"size": 4}, lambda: {"tokens_per_second": 2.0})


def test_a_failing_cell_and_a_failing_part_are_told_and_the_others_go_on(tmp_path, capsys):
    out = tmp_path / "figures.json"
    status = run_parts("", {"first": failing, "second": working}, [*CPU, "--out", str(out)], tmp_path)
    found = json.loads(out.read_text())
    assert status == 1
    assert found["parts"] == {
        "first": [
            {"size": 1, "tokens_per_second": 1.0},
            {"size": 2, "note": "failed: ZeroDivisionError"},
            {"size": 3, "note": "out of memory"},
        ],
        "second": [{"size": 4, "tokens_per_second": 2.0}],
    }
    assert list(found["failed"]) == ["first size 2", "first"]
    assert "no more sizes" in capsys.readouterr().out


def test_only_the_parts_that_were_chosen_run(tmp_path, capsys):
    parts = {"first": failing, "second": working}
    assert run_parts("", parts, [*CPU, "--parts", "second"], tmp_path) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["parts"].keys() == {"second"}


@pytest.mark.parametrize(
    ("held", "seen"),
    [
        pytest.param(100, 12 * 100, id="within the band every layer sees all"),
        pytest.param(256, 12 * 256, id="at the band too"),
        pytest.param(500, 6 * 500 + 6 * 256, id="beyond it six layers see the band"),
    ],
)
def test_a_step_of_decoding_reads_the_weights_and_what_each_layer_sees(held, seen):
    assert decode_bytes(SMALL, rows=512, held=held, item=2) == WEIGHTS + 512 * seen * 2 * 768 * 2


def test_keys_and_values_of_a_token_at_125m():
    assert kv_bytes(SMALL, 2) == 36_864


def test_a_rate_is_of_the_median_and_the_spread_relative_to_it():
    assert rate(10, [1.0, 2.0, 4.0]) == {"tokens_per_second": 5.0, "spread": 1.5, "repeats": 3}


def test_a_table_has_a_column_for_any_key():
    rows = [{"a": 1, "b": 409_000.4}, {"b": None, "c": 0.123456}]
    assert table(rows).splitlines() == [
        "| a | b | c |",
        "| --- | --- | --- |",
        "| 1 | 409,000 |  |",
        "|  |  | 0.1235 |",
    ]


def run_all(module, tmp_path, leave_out=()):
    parts = {name: part for name, part in module.PARTS.items() if name not in leave_out}
    out = tmp_path / "figures.json"
    assert module.main([*CPU, "--out", str(out)], parts) == 0
    return json.loads(out.read_text())["parts"]


@pytest.mark.slow
def test_every_part_of_training_gives_figures(tmp_path):
    from benchmarks import train_gpu

    # Trainer needs accelerate, which the project does not.
    found = run_all(train_gpu, tmp_path, () if importlib.util.find_spec("accelerate") else ("hf",))
    for name in ("routes", "micro", "dense", "pretrain", "nano", "generate", "loader"):
        assert all(row["tokens_per_second"] > 0 for row in found[name]), name
    assert {row["window"] for row in found["parity"]} == {"dense", 16}
    assert all(0 < row["d_q"] < row["limit"] for row in found["parity"])
    assert all(row["milliseconds"] > 0 for row in found["kernels"])


@pytest.mark.slow
def test_every_part_of_alignment_gives_figures(tmp_path):
    from benchmarks import align_gpu

    found = run_all(align_gpu, tmp_path)
    assert [row["ptx"] for row in found["ppo"]] == ["none", "8 x 32", "8 x 64"]
    for row in found["ppo"]:
        spent = sum(row[f"{part}_seconds"] or 0 for part in align_gpu.PARTS_OF_A_STEP)
        assert (row["ptx_seconds"] is None) == (row["ptx"] == "none")
        assert 8 / row["episodes_per_second"] == pytest.approx(spent, rel=0.5)
    assert all(row["tokens_per_second"] > 0 for name in ("sft", "reward") for row in found[name])


@pytest.mark.slow
def test_a_wrong_kernel_is_an_error_of_parity(tmp_path, monkeypatch):
    from benchmarks import train_gpu
    from model import attention

    def too_far(q, k, v, window):
        return attention.attend_reference(q, k, v, None if window is None else window + 1)

    monkeypatch.setitem(attention.ROUTES, "sdpa", too_far)
    out = tmp_path / "figures.json"
    assert train_gpu.main([*CPU, "--parts", "parity", "--out", str(out)]) == 1
    failed = json.loads(out.read_text())["failed"]
    assert len(failed) == 2
    assert all("window 16" in name for name in failed)
