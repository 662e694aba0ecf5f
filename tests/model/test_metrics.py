import json
from pathlib import Path

from model.metrics import MetricsFile, read_metrics, summarise, write_json


def test_lines_past_the_resumed_step_are_cut(tmp_path: Path) -> None:
    path = tmp_path / "run" / "metrics.jsonl"
    first = MetricsFile(path, 0)
    for step in range(1, 6):
        first.write({"step": step, "loss": float(step)})
    first.close()
    again = MetricsFile(path, 3)
    again.write({"step": 4, "loss": 40.0})
    again.close()
    assert [(line["step"], line["loss"]) for line in read_metrics(path)] == [(1, 1), (2, 2), (3, 3), (4, 40)]


def test_a_line_cut_by_a_crash_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2, "lo')
    assert read_metrics(path) == [{"step": 1}]
    MetricsFile(path, 1).close()
    assert path.read_text() == '{"step": 1}\n'


def test_what_is_no_number_is_null(tmp_path: Path) -> None:
    lines = MetricsFile(tmp_path / "m.jsonl", 0)
    lines.write({"step": 1, "loss": float("nan")})
    lines.close()
    assert json.loads((tmp_path / "m.jsonl").read_text()) == {"step": 1, "loss": None}


def test_a_summary_of_the_steps() -> None:
    steps = [(9.0, 1.0, 1.0), (1.0, 0.25, 9.0), (1.0, 0.25, 11.0)]
    lines = [{"seconds": s, "data_wait_seconds": w, "tokens_per_second": r} for s, w, r in steps]
    expected = {"tokens_per_second": 9.0, "training_seconds": 11.0, "data_wait_share": 1.5 / 11}
    assert summarise(lines) == expected
    assert summarise([]) == {}


def test_json_appears_whole(tmp_path: Path) -> None:
    write_json(tmp_path / "out" / "summary.json", {"a": "ä"})
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["summary.json"]
    assert json.loads((tmp_path / "out" / "summary.json").read_text()) == {"a": "ä"}
