"""Each format: what becomes a record, and what a bad row says."""

import io
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.sources.config import SourceError
from pipelines.sources.members import DamagedFileError
from pipelines.sources.records import BadRecord, Entry, Record, Skipped

Read = Callable[..., list[Entry]]

PAGE = "<page><title>{}</title><ns>{}</ns><id>{}</id>{}<revision><id>99</id><text>{}</text></revision></page>"


def dump(*pages: str) -> str:
    names = '<namespace key="6">Файл</namespace>'
    return (
        f'<mediawiki xmlns="http://m/export-0.10/"><siteinfo>{names}</siteinfo>{"".join(pages)}</mediawiki>'
    )


def parquet(**columns: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "options", "expected"),
    [
        pytest.param("a.txt", b"x\ny\n", {}, [("1", "x\ny\n")], id="text-is-one-document"),
        pytest.param("a.txt", b"", {}, [("1", "")], id="empty-file-is-a-record-for-the-dead-letters"),
        pytest.param(
            "a.txt", b"x\n%\n\n%\ny\n%\n", {"separator": "%"}, [("1", "x\n"), ("3", "y\n")], id="separator"
        ),
        pytest.param(
            "a.txt", b"x\n\ny", {"format": "lines"}, [("1", "x\n"), ("3", "y")], id="lines-by-number"
        ),
        pytest.param("a.jsonl", b'{"text":"x"}\n\n{"text":"y"}', {}, [("1", "x"), ("3", "y")], id="jsonl"),
        pytest.param(
            "a.jsonl", b'{"a":{"b":"x"}}', {"text_field": "a.b"}, [("1", "x")], id="field-of-a-field"
        ),
        pytest.param("a.jsonl", b'{"a.b":"x"}', {"text_field": "a.b"}, [("1", "x")], id="field-with-a-dot"),
        pytest.param(
            "a.json", b'[{"text":"x"},\n{"text":"y"}]', {}, [("1", "x"), ("2", "y")], id="json-array"
        ),
        pytest.param("a.json", b'{"text":"x"}', {}, [("1", "x")], id="json-object"),
        pytest.param(
            "a.json", b'{"text":"x"}\n{"text":"y"}\n', {}, [("1", "x"), ("2", "y")], id="json-is-jsonl"
        ),
        pytest.param(
            "a.csv", b'id,text\n1,"x, ""q""\ny"\n2,z\n', {}, [("1", 'x, "q"\ny'), ("2", "z")], id="csv"
        ),
        pytest.param("a.tsv", b"id\ttext\n1\tx,y\n", {}, [("1", "x,y")], id="tsv"),
        pytest.param("a.csv", b"id;text\n1;x\n", {"delimiter": ";"}, [("1", "x")], id="delimiter"),
        pytest.param(
            "a.csv", b"text\n" + b"x" * 200_000, {}, [("1", "x" * 200_000)], id="csv-field-as-long-as-a-book"
        ),
        pytest.param("a.parquet", parquet(text=["x", "y"]), {}, [("1", "x"), ("2", "y")], id="parquet"),
        pytest.param(
            "a.parquet",
            parquet(d=[{"t": "x"}]),
            {"text_field": "d.t"},
            [("1", "x")],
            id="parquet-struct-field",
        ),
        pytest.param(
            "a",
            b"\n\tThe/at Jury/nn ,/, said/vbd ./.\n\n",
            {"format": "tagged"},
            [("1", "The Jury, said.")],
            id="tagged",
        ),
        pytest.param(
            "a",
            b"``/`` Why/wrb Jr./np ?/. ?/. ''/''",
            {"format": "tagged"},
            [("1", "“Why Jr.?”")],
            id="doubled-sentence-mark",
        ),
        pytest.param(
            "a.xml",
            b"<p><t>Play</t><!-- note --><s><w>A</w><l>To <b>be</b> or\n not</l></s><e/></p>",
            {},
            [("1", "Play\nA\nTo be or not\n\n")],
            id="xml-lines-and-blocks",
        ),
        pytest.param(
            "a.xml",
            dump(PAGE.format("T", 0, 7, "", "''x''")).encode("utf-16"),
            {},
            [("7", "T\n\nx")],
            id="mediawiki-by-root-element-in-utf-16",
        ),
    ],
)
def test_records(read: Read, name: str, content: bytes, options: dict[str, Any], expected: Any) -> None:
    records = [entry for entry in read(name, content, **options) if isinstance(entry, Record)]
    assert [(record.place, record.text) for record in records] == expected


@pytest.mark.parametrize(
    ("name", "content", "place", "reason", "told"),
    [
        pytest.param("a.jsonl", b'{"text":"x"', "1", "broken_json", "line 1", id="half-a-line"),
        pytest.param("a.jsonl", b"[" * 100_000, "1", "broken_json", "line 1", id="too-deep"),
        pytest.param(
            "a.jsonl", b'{"body":"x","id":1}', "1", "missing_field", "fields: body, id", id="other-field"
        ),
        pytest.param(
            "a.jsonl", b'{"text":{"x":1}}', "1", "not_a_text", "holds an object", id="object-for-text"
        ),
        pytest.param("a.jsonl", b'{"text":null}', "1", "not_a_text", "holds null", id="null-for-text"),
        pytest.param("a.jsonl", b'{"text":" \\n"}', "1", "empty_text", "field 'text'", id="white-space-only"),
        pytest.param("a.jsonl", b'["x"]', "1", "not_an_object", "found a list", id="list-for-object"),
        pytest.param("a.json", b'[{"text":"x"},', "1", "broken_json", "line 1", id="half-an-array"),
        pytest.param("a.csv", b"id,text\n1\n", "1", "not_a_text", "holds null", id="short-row"),
        pytest.param("a.parquet", b"PAR1 no", "1", "broken_parquet", "Parquet", id="no-parquet"),
        pytest.param("a.xml", b"<p><q></p>", "1", "broken_xml", "mismatched tag", id="broken-xml"),
        pytest.param(
            "a.xml",
            dump(PAGE.format("T", 0, 7, "", "{{x}}")).encode(),
            "7",
            "empty_text",
            "page 7",
            id="article-of-markup-only",
        ),
        pytest.param(
            "a.xml",
            dump("<page><title>T</title><ns>0</ns><id>7</id></page>").encode(),
            "7",
            "missing_field",
            "page 7",
            id="page-without-text",
        ),
    ],
)
def test_bad_record(read: Read, name: str, content: bytes, place: str, reason: str, told: str) -> None:
    (entry,) = read(name, content)
    assert isinstance(entry, BadRecord)
    assert (entry.place, entry.reason) == (place, reason)
    assert told in entry.detail


def test_a_bad_row_does_not_stop_the_next(read: Read) -> None:
    entries = read("a.jsonl", b'{"text":"x"}\n{\n{"text":"y"}\n')
    assert [type(entry) for entry in entries] == [Record, BadRecord, Record]
    nulls = read("a.parquet", parquet(text=["x", None, "y"]))
    assert [type(entry) for entry in nulls] == [Record, BadRecord, Record]


def test_a_dump_keeps_articles_only(read: Read) -> None:
    pages = [
        PAGE.format("Talk:T", 1, 1, "", "x"),
        PAGE.format("R", 0, 2, '<redirect title="T" />', "#REDIRECT [[T]]"),
        PAGE.format("T", 0, 3, "", "x [[Файл:p.jpg|y]]"),
    ]
    entries = read("a.xml", dump(*pages).encode())
    assert entries == [Skipped("other_namespace"), Skipped("redirect"), Record("3", "T\n\nx", "utf-8")]


def test_a_cut_dump_keeps_the_pages_before_the_cut(read: Read) -> None:
    whole = dump(PAGE.format("T", 0, 3, "", "x"), PAGE.format("U", 0, 4, "", "y")).encode()
    first, cut = read("a.xml", whole[: whole.index(b"<id>4")])
    assert first == Record("3", "T\n\nx", "utf-8")
    assert isinstance(cut, BadRecord)
    assert cut.reason == "broken_xml"


def test_deep_xml_needs_no_recursion(read: Read) -> None:
    depth = 20_000
    (entry,) = read("a.xml", b"<a>" * depth + b"<b>x</b>" + b"</a>" * depth)
    assert isinstance(entry, Record)
    assert entry.text.strip() == "x"


@pytest.mark.parametrize(
    ("name", "content", "field", "told"),
    [
        pytest.param("a.csv", b"id,body\n1,x\n", "text", r"no column 'text'.*\(id, body\)", id="csv"),
        pytest.param(
            "a.csv", b"a;text\n1;x\n", "text", r"no column 'text'.*\(a;text\)", id="other-delimiter"
        ),
        pytest.param(
            "a.parquet", parquet(a=["x"], b=[1]), "text", r"no column 'text'.*\(a, b\)", id="parquet"
        ),
        pytest.param(
            "a.parquet", parquet(d=[{"t": "x"}]), "d.u", r"no column 'd.u'.*\(d\)", id="struct-field"
        ),
        pytest.param("a.parquet", parquet(text=[1]), "text", "'text' holds int64, not texts", id="numbers"),
    ],
)
def test_a_file_without_the_text_column_ends_the_run(
    read: Read, name: str, content: bytes, field: str, told: str
) -> None:
    with pytest.raises(SourceError, match=f"source 's', .*{name}: .*{told}"):
        read(name, content, text_field=field)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty-file"),
        pytest.param(b"id,text\n", id="header-alone"),
    ],
)
def test_a_csv_without_rows_is_no_error(read: Read, content: bytes) -> None:
    assert read("a.csv", content) == []


def test_a_parquet_column_of_nulls_is_bad_row_by_row(read: Read) -> None:
    entries = read("a.parquet", parquet(text=pa.nulls(2)))
    assert [(entry.place, entry.reason) for entry in entries] == [("1", "not_a_text"), ("2", "not_a_text")]


def test_damaged_parquet_pages_are_the_files_fault(read: Read) -> None:
    content = bytearray(parquet(text=[f"row {n} of many" for n in range(5000)]))
    content[10:2000] = b"\xff" * 1990
    with pytest.raises(DamagedFileError, match="Parquet: "):
        read("a.parquet", bytes(content))
