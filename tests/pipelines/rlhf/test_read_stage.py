"""Reading files: forms, bad rows and their dead letters, ids, limits, what a source may give."""

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.rlhf.layouts import LayoutError
from pipelines.rlhf.read_stage import read_tasks
from pipelines.rlhf.rows import UnknownFormatError
from pipelines.rlhf.source_config import RlhfSourceConfig
from pipelines.sources.config import SourceError
from tests.pipelines.rlhf.instruction_files import Raw, read_files, read_rows_of, said

ROWS = [
    {"instruction": "说", "input": "", "output": "好"},
    {"instruction": "b", "input": "c", "output": "d\ne"},
]


def as_csv(rows: list[dict[str, str]]) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def lines(rows: list[Any]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


FORMS = {
    "rows.jsonl": lines(ROWS),
    "lines.json": lines(ROWS),
    "array.json": json.dumps(ROWS),
    "printed.json": json.dumps(ROWS, indent=2, ensure_ascii=False),
    "mark.jsonl": "\ufeff" + lines(ROWS),
    "rows.csv": as_csv(ROWS),
}


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
@pytest.mark.parametrize(("name", "text"), FORMS.items(), ids=FORMS.keys())
def test_the_same_rows_in_every_form(tmp_path: Path, name: str, text: str, packed: bool) -> None:
    path = tmp_path / (f"{name}.gz" if packed else name)
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    raw = read_files(tmp_path / "out", RlhfSourceConfig(name="s", files=[str(path)]))
    assert [said(d["messages"]) for d in raw.demonstrations] == [
        [("u", "说"), ("a", "好")],
        [("u", "b\nc"), ("a", "d\ne")],
    ]
    assert raw.counts["records"] == 2


def test_parquet_in_trl_columns(tmp_path: Path) -> None:
    def dialogue(role: str, text: str) -> list[dict[str, str]]:
        return [{"role": role, "content": text}]

    rows = [
        {
            "prompt": dialogue("user", f"q{n}"),
            "chosen": dialogue("assistant", "c"),
            "rejected": dialogue("assistant", "r"),
        }
        for n in range(600)
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "t.parquet")
    raw = read_files(tmp_path / "out", RlhfSourceConfig(name="s", files=[f"{tmp_path}/*.parquet"]))
    assert [j["messages"][0]["content"] for j in raw.judgements] == [f"q{n}" for n in range(600)]
    assert {j["judge_kind"] for j in raw.judgements} == {"model"}


@pytest.mark.parametrize(
    ("unit", "expected"),
    [("line", ["one", "two", "三"]), ("paragraph", ["one\ntwo", "三"])],
    ids=["line", "paragraph"],
)
def test_plain_text(tmp_path: Path, unit: Any, expected: list[str]) -> None:
    (tmp_path / "p.txt").write_text("one\ntwo\n\n三\n", encoding="utf-8")
    raw = read_files(
        tmp_path / "out", RlhfSourceConfig(name="s", files=[f"{tmp_path}/p.txt"], text_unit=unit)
    )
    assert [prompt["messages"][0]["content"] for prompt in raw.prompts] == expected


ALPACA = {"instruction": "i", "input": "", "output": "o"}


@pytest.mark.parametrize(
    ("row", "reason", "told"),
    [
        ({"instruction": "i"}, "missing_field", "no field 'output'; fields: instruction"),
        (ALPACA | {"output": None}, "null_field", "field 'output' is null"),
        (ALPACA | {"output": 7}, "wrong_type", "field 'output': expected a text, found a whole number"),
        (
            ALPACA | {"history": [["a"]]},
            "wrong_value",
            "field 'history[0]': expected a question and its answer, found 1 items",
        ),
        (ALPACA | {"history": [None]}, "wrong_type", "field 'history[0]': expected a list, found null"),
        (ALPACA | {"output": "x" * 5_000_000}, "field_too_long", "field 'output' has 5,000,000 characters"),
        ([1], "wrong_type", "the row: expected an object, found a list"),
    ],
    ids=["missing", "null", "type", "nested", "nested-null", "five-million", "no-object"],
)
def test_a_wrong_row_names_file_row_and_field(tmp_path: Path, row: Any, reason: str, told: str) -> None:
    raw = read_rows_of(tmp_path, [ALPACA, ALPACA, ALPACA, row])
    (dead,) = raw.dead
    assert dead["record"] == f"{tmp_path}/rows.jsonl#4"
    assert dead["reason"] == reason
    assert f"row 4: {told}" in dead["detail"]
    assert len(raw.demonstrations) == 3


@pytest.mark.parametrize(
    ("row", "reason", "told"),
    [
        (
            {"conversations": [{"from": "narrator", "value": "x"}]},
            "unknown_role",
            "conversations[0].from' is 'narrator'",
        ),
        ({"conversations": [{"from": "human"}]}, "missing_field", "no field 'conversations[0].value'"),
        ({"conversations": []}, "wrong_value", "field 'conversations': expected at least one message"),
        ({"conversations": [{"from": "gpt", "value": "a"}]}, "no_prompt", "no human's turn"),
    ],
    ids=["role", "value", "empty", "unasked"],
)
def test_wrong_dialogues(tmp_path: Path, row: dict, reason: str, told: str) -> None:
    (dead,) = read_rows_of(tmp_path, [row], layout="sharegpt").dead
    assert dead["reason"] == reason
    assert told in dead["detail"]


@pytest.mark.parametrize(
    ("name", "text", "reason", "good"),
    [
        ("a.jsonl", lines([ALPACA]) + '{"instruction": \n' + lines([ALPACA]), "broken_json", 2),
        ("a.json", json.dumps([ALPACA])[:-1] + ', {"instruction": x}, 7]', "broken_json", 1),
        ("a.json", json.dumps([ALPACA, ALPACA])[:-20], "broken_json", 1),
        ("a.json", json.dumps([ALPACA])[:-1], "broken_json", 1),
        ("a.csv", 'instruction,output\ni,o\n"i, "q", j",o\ni,o\n', "broken_csv", 2),
    ],
    ids=["line", "element", "cut-off", "no-bracket", "csv-quote"],
)
def test_broken_files_keep_what_can_be_read(
    tmp_path: Path, name: str, text: str, reason: str, good: int
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    raw = read_files(tmp_path / "out", RlhfSourceConfig(name="s", files=[f"{tmp_path}/{name}"]))
    assert (len(raw.demonstrations), [dead["reason"] for dead in raw.dead]) == (good, [reason])


def test_a_damaged_archive_is_a_dead_letter(tmp_path: Path) -> None:
    packed = gzip.compress(lines([ALPACA] * 12_000).encode())
    (tmp_path / "a.jsonl.gz").write_bytes(packed[: len(packed) * 3 // 4])
    raw = read_files(tmp_path / "out", RlhfSourceConfig(name="s", files=[f"{tmp_path}/a.jsonl.gz"]))
    assert [dead["reason"] for dead in raw.dead] == ["unreadable_file"]
    assert len(raw.demonstrations) > 5_000


def test_ids_come_from_source_file_and_row(tmp_path: Path) -> None:
    for place in ("one", "two"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "a.jsonl").write_text(lines([ALPACA, ALPACA]), encoding="utf-8")
    ids = {}
    for place, name in (("one", "s"), ("two", "s"), ("one", "other")):
        source = RlhfSourceConfig(name=name, files=[f"{tmp_path}/{place}/a.jsonl"])
        raw = read_files(tmp_path / f"out-{place}-{name}", source)
        ids[place, name] = [row["record_id"] for row in raw.demonstrations]
    assert ids["one", "s"] == ids["two", "s"]
    assert len({*ids["one", "s"], *ids["one", "other"]}) == 4


def test_a_source_gives_only_what_is_asked_of_it(tmp_path: Path) -> None:
    row = {"question": "q", "std_answer": "a", "class": "c"}
    raw = read_rows_of(tmp_path, [row], gives=["prompts"], licence="Apache-2.0")
    assert raw.counts == {"records": 1, "raw_prompts": 1}
    assert (len(raw.demonstrations), [prompt["licence"] for prompt in raw.prompts]) == (0, ["Apache-2.0"])


def test_placeholders_take_the_values_of_the_config(tmp_path: Path) -> None:
    row = {"instruction": "hi", "output": "I am {{name}} of {{ author }}, {{other}}."}
    values = [{"name": "name", "value": "Millie"}, {"name": "author", "value": "the {{name}} mill"}]
    (found,) = read_rows_of(tmp_path, [row], template_values=values).demonstrations
    assert found["messages"][-1]["content"] == "I am Millie of the {{name}} mill, {{other}}."


def test_lone_surrogates_and_line_ends(tmp_path: Path) -> None:
    raw = read_rows_of(tmp_path, [{"instruction": "a\r\nb \x00", "output": "\n\n\ud800 x\n"}])
    assert said(raw.demonstrations[0]["messages"]) == [("u", "a\nb"), ("a", "\ufffd x")]


def test_an_empty_file_gives_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("\n\n", encoding="utf-8")
    raw = read_files(tmp_path / "out", RlhfSourceConfig(name="s", files=[f"{tmp_path}/a.jsonl"]))
    assert raw == Raw([], [], [], [], [], {})


@pytest.mark.parametrize(
    ("name", "text", "error", "told"),
    [
        ("a.xml", "<x/>", UnknownFormatError, "ends in none of"),
        ("a.jsonl", lines([{"foo": 1}]), LayoutError, "no known layout"),
        ("missing", None, SourceError, "no file matches"),
    ],
    ids=["format", "layout", "no-file"],
)
def test_errors_before_the_run(tmp_path: Path, name: str, text: str | None, error: type, told: str) -> None:
    if text is not None:
        (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(error, match=told):
        read_tasks([RlhfSourceConfig(name="s", files=[f"{tmp_path}/{name}"])])


def test_layout_and_mapped_go_together() -> None:
    with pytest.raises(ValueError, match="set layout to mapped and fill in mapped"):
        RlhfSourceConfig(name="s", files=["x"], layout="mapped")
