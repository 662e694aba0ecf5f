"""Character sets: marked, declared, detected, mixed."""

from pathlib import Path

import pytest

from pipelines.sources.decode import TextLines
from pipelines.sources.members import Member

CHINESE = "自然语言处理是人工智能的一个重要方向。今天天气很好，我们去公园散步。\n" * 20


@pytest.mark.parametrize(
    ("content", "encoding", "expected", "charset"),
    [
        pytest.param("é\nx\n".encode(), "auto", "é\nx\n", "utf-8", id="utf-8"),
        pytest.param("é\n".encode("utf-8-sig"), "auto", "é\n", "utf-8", id="utf-8-mark"),
        pytest.param("é\n中\n".encode("utf-16"), "auto", "é\n中\n", "utf-16", id="utf-16-mark"),
        pytest.param("é\n".encode("utf-32"), "auto", "é\n", "utf-32", id="utf-32-mark-begins-as-utf-16"),
        pytest.param("caf\xe9\n".encode("cp1252") + "né\n".encode(), "auto", "café\nné\n", "windows-1252",
                     id="both-in-one-file"),
        pytest.param(CHINESE.encode("gb18030"), "auto", CHINESE, "gb18030", id="detected"),
        pytest.param("ж\n".encode("koi8-r"), "koi8-r", "ж\n", "koi8-r", id="declared"),
        pytest.param(b"a\xffb\n", "utf-8", "a\ufffdb\n", "utf-8", id="declared-wrongly"),
        pytest.param(b"x\r\ny", "auto", "x\r\ny", "utf-8", id="line-ends-as-they-are"),
    ],
)  # fmt: skip
def test_text(tmp_path: Path, content: bytes, encoding: str, expected: str, charset: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    lines = TextLines(Member(str(path), "a.txt"), encoding)
    assert "".join(lines) == expected
    assert lines.charset.lower() in {charset, "gbk" if charset == "gb18030" else charset}
