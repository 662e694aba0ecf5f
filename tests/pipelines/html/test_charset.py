"""Which character set a payload is in: what the bytes prove, what is declared, what is guessed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.html.charset import codec_of, decode

CHINESE = "中国人民网络新闻报道今天上午在北京举行了新闻发布会，介绍有关情况。"
RUSSIAN = "Сегодня в Москве прошла пресс-конференция, на которой рассказали о погоде."
JAPANESE = "日本語のニュースです。今日は東京で記者会見が行われました。"
KOREAN = "오늘 서울에서 기자회견이 열렸습니다. 날씨는 맑았습니다."


def page(text: str, encoding: str, meta: str | None = None) -> bytes:
    tag = f'<meta charset="{meta}">' if meta else ""
    return f"<html><head>{tag}</head><p>{text}</p></html>".encode(encoding)


@pytest.mark.parametrize(
    ("label", "codec"),
    [
        ("gb2312", "gb18030"),
        (" GBK ", "gb18030"),
        ('"utf-8";', "utf-8"),
        ("Shift_JIS", "cp932"),
        ("iso-8859-1", "cp1252"),
        ("us-ascii", "cp1252"),
        ("ISO-8859-9", "cp1254"),
        ("euc-kr", "cp949"),
        ("tis-620", "cp874"),
        ("windows-1251", "cp1251"),
        ("rot13", None),
        ("utf-7", None),
        ("unicode_escape", None),
        ("中文", None),
        ("", None),
        (None, None),
    ],
    ids=str,
)
def test_a_label_means_what_browsers_take_it_for(label: str | None, codec: str | None) -> None:
    assert codec_of(label) == codec


@pytest.mark.parametrize(
    ("payload", "header", "text"),
    [
        (page(CHINESE, "gbk", "gb2312"), None, CHINESE),
        (page(CHINESE + "镕喆", "gb18030", "gb2312"), None, CHINESE + "镕喆"),
        (page(CHINESE, "utf-8", "gb2312"), "gbk", CHINESE),
        (page(CHINESE, "gbk", "gbk"), "iso-8859-1", CHINESE),
        (page(CHINESE, "gbk", "utf-8"), "utf-8", CHINESE),
        (page(CHINESE, "gbk"), None, CHINESE),
        (page(CHINESE, "utf-8"), "no-such-charset", CHINESE),
        (page(RUSSIAN, "cp1251"), "windows-1251", RUSSIAN),
        (page(RUSSIAN, "koi8-r"), None, RUSSIAN),
        (page(JAPANESE, "cp932"), "Shift_JIS", JAPANESE),
        (page(JAPANESE, "iso2022_jp"), "iso-2022-jp", JAPANESE),
        (page(JAPANESE, "euc_jp"), None, JAPANESE),
        (page(KOREAN, "cp949", "euc-kr"), None, KOREAN),
        (page("“naïve” – café", "cp1252", "iso-8859-1"), None, "“naïve” – café"),
        (page("“quoted” it’s", "cp1252"), None, "“quoted” it’s"),
        (page("café", "latin-1", "utf-8"), None, "café"),
        (b"\xff\xfe" + page(CHINESE, "utf-16-le"), "utf-8", CHINESE),
        (b"\xef\xbb\xbf" + page(CHINESE, "utf-8"), "gbk", CHINESE),
        (b'<?xml version="1.0" encoding="windows-1251"?>' + page(RUSSIAN, "cp1251"), None, RUSSIAN),
        (page(CHINESE * 9, "utf-8")[:-20], "utf-8", CHINESE),
        (page("联通", "gbk"), "gbk", "联通"),
    ],
    ids=[
        "GBK declared as GB2312 in meta",
        "characters of GBK alone under a GB2312 label",
        "UTF-8 that claims to be GBK",
        "meta before a Latin-1 server default",
        "GBK that claims to be UTF-8",
        "GBK undeclared",
        "unknown label",
        "header alone",
        "KOI8-R undeclared",
        "Shift_JIS with its Microsoft name",
        "seven-bit Japanese",
        "EUC-JP undeclared",
        "Korean",
        "Latin-1 is windows-1252",
        "few odd quotes are windows-1252",
        "Latin-1 that claims to be UTF-8",
        "byte order mark before header, UTF-16",
        "byte order mark before header, UTF-8",
        "XML declaration",
        "cut in the middle of a character",
        "two GBK characters that happen to be UTF-8",
    ],
)
def test_no_mojibake(payload: bytes, header: str | None, text: str) -> None:
    assert text in decode(payload, header).text


def test_markup_counts_only_in_markup() -> None:
    payload = b"<meta charset=windows-1251> \xcf\xf0\xe8\xe2\xe5\xf2"
    assert "Привет" in decode(payload).text
    assert "Привет" in decode(payload, "windows-1251", markup=False).text
    assert decode(payload, "iso-8859-1", markup=False).charset == "cp1252"


@given(
    st.binary(max_size=300), st.sampled_from([None, "utf-8", "gbk", "big5", "utf-16", "hz", "euc-jp", "x"])
)
def test_any_bytes_decode(payload: bytes, header: str | None) -> None:
    found = decode(payload, header)
    found.text.encode("utf-8")


@given(st.text(alphabet=st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5), min_size=6), st.booleans())
def test_declared_gbk_and_undeclared_utf8_are_read_back(text: str, declared: bool) -> None:
    payload = text.encode("gb18030" if declared else "utf-8")
    assert decode(payload, "gb2312" if declared else None).text == text
