"""Benchmark files as items: every format, the choice of fields, and errors that name file, row and field."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from pipelines.decontamination.benchmarks import (
    BenchmarkConfig,
    BenchmarkError,
    benchmark_files,
    from_path,
    read_benchmark,
)

ROWS = [
    {"question": "Why is the sky blue?", "choices": ["Rayleigh", "Mie"], "answer": 0},
    {"question": "二加二等于几？", "choices": ["三", "四"], "answer": 1},
]
TEXTS = [["Why is the sky blue?\nRayleigh\nMie"], ["二加二等于几？\n三\n四"]]


def write_lines(path: Path, rows: list) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_gzip(path: Path, rows: list) -> None:
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))


def write_array(path: Path, rows: list) -> None:
    path.write_text(json.dumps(rows, indent=1), encoding="utf-8-sig")


def write_parquet(path: Path, rows: list) -> None:
    pq.write_table(pa.Table.from_pylist(rows), path)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        pytest.param("b.jsonl", write_lines, id="one JSON object a line"),
        pytest.param("b.jsonl.gz", write_gzip, id="gzip"),
        pytest.param("b.json", write_array, id="a JSON array, with byte order mark"),
        pytest.param("b.json", write_lines, id="JSON lines in a file called .json"),
        pytest.param("b.parquet", write_parquet, id="Parquet with a list column"),
    ],
)
def test_formats_give_the_same_items(tmp_path, name, write):
    write(tmp_path / name, ROWS)
    (file,) = read_benchmark(from_path(str(tmp_path / name)))
    assert file.texts == TEXTS


@pytest.mark.parametrize(
    ("name", "content", "texts"),
    [
        ("b.txt", "first item\n\nsecond item\n", [["first item"], ["second item"]]),
        ("b.csv", 'q,a\n"one, two",three\n', [["one, two\nthree"]]),
        ("b.tsv", "q\ta\none\tthree\n", [["one\nthree"]]),
        ("b.csv", "q,a\none\n", [["one"]]),
        ("b.jsonl", '"a bare string"\n["in", ["a", "list"]]\n', [["a bare string"], ["in\na\nlist"]]),
        ("b.jsonl", '{"q": "line\u2028separator"}\n', [["line\u2028separator"]]),
        ("b.jsonl", '{"q": "lone \\ud800 surrogate"}\n', [["lone ? surrogate"]]),
    ],
    ids=[
        "a line of text is an item",
        "quoted comma",
        "tabs",
        "a short row",
        "rows need not be objects",
        "U+2028 in a string ends no row",
        "a surrogate that UTF-8 cannot hold",
    ],
)
def test_text_formats(tmp_path, name, content, texts):
    (tmp_path / name).write_text(content, encoding="utf-8")
    (file,) = read_benchmark(from_path(str(tmp_path / name)))
    assert file.texts == texts


@pytest.mark.parametrize(
    ("fields", "texts"),
    [
        ([], TEXTS),
        (["question"], [["Why is the sky blue?"], ["二加二等于几？"]]),
        (["choices", "question"], [["Rayleigh\nMie\nWhy is the sky blue?"], ["三\n四\n二加二等于几？"]]),
        (["question", "answer"], [["Why is the sky blue?\n0"], ["二加二等于几？\n1"]]),
    ],
    ids=["none named: all strings", "one", "in the order named", "a named number counts as text"],
)
def test_fields(tmp_path, fields, texts):
    write_lines(tmp_path / "b.jsonl", ROWS)
    (file,) = read_benchmark(BenchmarkConfig(name="b", files=[str(tmp_path / "b.jsonl")], fields=fields))
    assert file.texts == texts


def test_strip_splits_the_item_at_each_literal(tmp_path):
    write_lines(tmp_path / "b.jsonl", [{"q": "Choose: one two A) three B) four"}])
    config = BenchmarkConfig(name="b", files=[str(tmp_path / "b.jsonl")], strip=["Choose:", "A)", "B)"])
    (file,) = read_benchmark(config)
    assert file.texts == [["", " one two ", " three ", " four"]]


def test_globs_give_each_file_once_in_order_of_path(tmp_path):
    for name in ("b2.txt", "b1.txt", "c.txt"):
        (tmp_path / name).write_text(name)
    config = BenchmarkConfig(name="b", files=[f"{tmp_path}/b*.txt", f"{tmp_path}/b2.txt"])
    assert [Path(file.path).name for file in read_benchmark(config)] == ["b1.txt", "b2.txt"]


@pytest.mark.parametrize(
    ("name", "content", "fields", "told"),
    [
        ("b.jsonl", b'{"q": "x"}\n{"q": \n', [], "b.jsonl, line 2: not one JSON object a line"),
        ("b.json", b'[{"q": "x"},\n oops]', [], "b.json, line 2: not JSON"),
        ("b.jsonl", b'{"q": "x"}\n{"p": "y"}\n', ["q"], "b.jsonl, row 2: no field 'q'; the row has ['p']"),
        ("b.jsonl", b'"x"\n', ["q"], "b.jsonl, row 1: `fields` needs rows that are objects, found str"),
        ("b.jsonl", b'{"q": 1}\n', [], "b.jsonl: no row of benchmark 'b' has text in any field"),
        ("b.csv", b"q\nx,y\n", [], "b.csv, row 1: more cells than the header's 1"),
        ("b.txt", b"caf\xe9", [], "b.txt: not UTF-8 at byte 3"),
        ("b.jsonl.gz", b"plain", [], "b.jsonl.gz: not a whole gzip file"),
        ("b.jsonl.gz", gzip.compress(b'{"q": "x"}\n' * 99)[:-9], [], "b.jsonl.gz: not a whole gzip file"),
        ("b.xml", b"<a/>", [], "b.xml: unknown format '.xml'; expected one of jsonl"),
    ],
    ids=[
        "broken line",
        "broken array",
        "field absent in one row",
        "fields of a string",
        "no text",
        "extra cell",
        "Latin-1",
        "not gzip",
        "cut gzip",
        "unknown suffix",
    ],
)
def test_errors_name_file_row_and_field(tmp_path, name, content, fields, told):
    (tmp_path / name).write_bytes(content)
    config = BenchmarkConfig(name="b", files=[str(tmp_path / name)], fields=fields)
    with pytest.raises(BenchmarkError) as error:
        read_benchmark(config)
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.txt", ["top.txt"]),
        ("*/test.txt", ["a/test.txt", "b/test.txt"]),
        ("[b]/*.txt", ["b/test.txt"]),
        ("**/test.txt", ["a/deep/test.txt", "a/test.txt", "b/test.txt"]),
        ("a/**", ["a/deep/test.txt", "a/test.txt"]),
    ],
)
def test_globs_reach_into_folders(tmp_path, pattern, found):
    for name in ("top.txt", "a/test.txt", "b/test.txt", "a/deep/test.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("an item\n")
    files = benchmark_files(BenchmarkConfig(name="b", files=[f"{tmp_path}/{pattern}"]))
    assert [path.removeprefix(f"{tmp_path}/") for path in files] == found


@pytest.mark.parametrize("pattern", ["absent.jsonl", "absent*.jsonl", "**/absent.jsonl"])
def test_a_pattern_without_a_file_is_an_error(tmp_path, pattern):
    with pytest.raises(BenchmarkError, match="no file matches"):
        read_benchmark(from_path(f"{tmp_path}/{pattern}"))


def test_an_empty_literal_cannot_be_stripped():
    with pytest.raises(ValidationError, match="an empty text cannot be stripped"):
        BenchmarkConfig(name="b", files=["b.txt"], strip=[""])
