"""Text of pages: clean on any bytes, quick on hostile ones, readable on real ones."""

import importlib.util
import re
import sys
import time

import pytest
from fastwarc.warc import ArchiveIterator, WarcRecordType
from hypothesis import given
from hypothesis import strategies as st

from pipelines.extract import ExtractConfig, clean, extract, extract_text, read_plain_text

FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufeff]")
# On an idle core each takes below 4 s; the same pages take minutes without the gate.
SECONDS = 20.0

ARTICLE = "<p>The quick brown fox jumps over the lazy dog, and the dog does not mind it at all.</p>"


RESILIPARSE = ExtractConfig(extractor="resiliparse")


@pytest.mark.parametrize("extractor", ["learned", "resiliparse"])
def test_main_content_without_menu_and_footer(extractor: str) -> None:
    page = f"<body><nav><a href=/>Home</a></nav><main>{ARTICLE * 3}</main><footer>Legal</footer></body>"
    text = extract_text(page.encode(), extractor=extractor)
    assert "quick brown fox" in text
    assert "Home" not in text
    assert "Legal" not in text


def test_plain_takes_all_visible_text() -> None:
    page = f"<nav>Home</nav><main>{ARTICLE}</main><footer>Legal</footer>".encode()
    text = extract(page, None, ExtractConfig(extractor="plain")).text
    assert "Home" in text
    assert "Legal" in text


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("a\r\nb\rc\u2028d", "a\nb\nc\nd"),
        ("a\x00b\x0bc\x85d\ufeff", "abcd"),
        ("a\ud800b", "ab"),
        ("  a\tb \n", "a\tb"),
        ("中文 é 😀", "中文 é 😀"),
    ],
    ids=["line ends", "controls", "lone surrogate", "blanks at the ends", "nothing to do"],
)
def test_clean(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


def test_the_learned_extractor_is_the_default() -> None:
    page = f"<nav><a href=/>Home</a></nav><p>{ARTICLE * 3}".encode()
    assert ExtractConfig().extractor == "learned"
    assert extract_text(page) == extract_text(page, extractor="learned") == extract(page).text


def test_trafilatura_is_asked_for_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its absence is told when the config is made, before any work, and again where it would be used."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="extractor: trafilatura is not installed here: pip install -e"):
        ExtractConfig(extractor="trafilatura")
    monkeypatch.setitem(sys.modules, "trafilatura", None)
    unchecked = ExtractConfig.model_construct(**{**ExtractConfig().model_dump(), "extractor": "trafilatura"})
    with pytest.raises(ModuleNotFoundError, match=r"pip install -e .*trafilatura"):
        extract(ARTICLE.encode(), None, unchecked)


@pytest.mark.external
def test_trafilatura() -> None:
    pytest.importorskip("trafilatura", reason="trafilatura is an optional peer")
    page = f"<body><nav><a href=/>Home</a></nav><main>{ARTICLE * 3}</main><footer>Legal</footer></body>"
    text = extract_text(page.encode(), extractor="trafilatura")
    assert "quick brown fox" in text
    assert "Home" not in text


@given(
    st.binary(max_size=600),
    st.sampled_from([None, "utf-8", "gbk", "shift_jis", "utf-16", "nonsense", "\x00"]),
)
def test_any_bytes_give_clean_text(payload: bytes, charset: str | None) -> None:
    for found in (extract(payload, charset), read_plain_text(payload, charset)):
        found.text.encode("utf-8")
        assert not FORBIDDEN.search(found.text)
        assert found.text == found.text.strip()


@given(
    st.lists(
        st.sampled_from(["<p>", "</div>", "<table>", "&#0;", "&#xD800;", "x\r\ny", "<!--", "\x00", "<svg>"])
    )
)
def test_any_markup_gives_clean_text(pieces: list[str]) -> None:
    assert not FORBIDDEN.search(extract_text("".join(pieces).encode()))


HOSTILE = {
    "40,000 nested div": b"<div>" * 40_000 + b"needle",
    "200,000 nested article": b"<article>" * 200_000 + b"needle",
    "1,000,000 nested span": b"<span>" * 1_000_000 + b"needle",
    "deep behind end tags that close nothing": b"<div></b>" * 40_000 + b"needle",
    "deep behind scopes": b"<div><table><tr><td></div>" * 20_000 + b"needle",
    "one tag of 200,000 attributes": b"<p " + b" ".join(b"a%d" % i for i in range(200_000)) + b">needle",
    "a tag that never ends": b"<p>needle<p " + b" ".join(b"a%d" % i for i in range(200_000)),
    "300 tags of 2,000 attributes": (b"<i " + b" ".join(b"a%d" % i for i in range(2_000)) + b"></i>") * 300
    + b"needle",
    "300,000 options in a select": b"<p>needle<select>" + b"<option>a" * 300_000,
    "options in many selects": b"<p>needle" + (b"<select>" + b"<option>a" * 2_000 + b"</select>") * 300,
    "50 MB of text": b"<p>needle " + b"lorem ipsum " * 4_200_000,
    "5 MB in one attribute": b"<p title='" + b"x" * 5_000_000 + b"'>needle",
    "a million end tags": b"</p>" * 1_000_000 + b"needle",
    "a million comments": b"<!---->" * 1_000_000 + b"needle",
    "table cells without end": b"<p>needle<table>" + b"<tr><td>x" * 300_000,
    "a million titles without end": b"<title>a" * 1_000_000 + b"<p>needle",
    "end tags under deep formatting": b"<b>" * 500 + b"</x>" * 1_000_000 + b"needle",
}  # fmt: skip


@pytest.mark.parametrize(
    "config",
    [ExtractConfig(), pytest.param(RESILIPARSE, marks=pytest.mark.slow)],
    ids=["learned", "resiliparse"],
)
@pytest.mark.parametrize("page", HOSTILE.values(), ids=HOSTILE)
def test_hostile_pages_are_done_soon(page: bytes, config: ExtractConfig) -> None:
    started = time.process_time()
    found = extract(page, None, config)
    assert time.process_time() - started < SECONDS
    assert "needle" in found.text or not found.too_deep


def test_a_page_without_main_content_gives_what_is_visible() -> None:
    menu = "<li><a href=/>entry</a></li>" * 30
    page = f"<body><ul class=sidebar>{menu}<li>words</ul><footer>Legal</footer></body>".encode()
    found = extract(page, None, RESILIPARSE)
    assert found.no_main_content
    assert "words" in found.text
    assert "Legal" not in found.text
    for config in (RESILIPARSE, ExtractConfig()):
        bare = extract(b"<body><footer>Legal notice</footer></body>", None, config)
        assert (bare.text, bare.no_main_content) == ("Legal notice", True)
        assert not extract(f"<main>{ARTICLE * 4}</main>".encode(), None, config).no_main_content


def test_what_the_gate_did_is_told() -> None:
    deep, crowded = b"<div>" * 600 + b"x", b"<p " + b"a " * 1001 + b">x"
    assert extract(deep, None, RESILIPARSE).too_deep
    assert not extract(deep, None, RESILIPARSE).no_main_content
    assert extract(crowded, None, RESILIPARSE).cut
    assert not extract(b"<p>x", None, RESILIPARSE).cut
    assert extract(deep).too_deep
    assert not extract(crowded).cut


def test_a_long_page_is_cut_at_a_tag() -> None:
    found = extract(b"<p>abcdefgh</p>" * 1000, None, ExtractConfig(max_html_bytes=1024, extractor="plain"))
    assert found.cut
    assert set(found.text.split()) == {"abcdefgh"}
    assert found.text.count("abcdefgh") == 68


def test_a_cut_never_splits_a_character() -> None:
    found = extract(("中" * 5000).encode(), None, ExtractConfig(max_html_bytes=1024))
    assert set(found.text) == {"中"}


def pages(path, step: int):
    with path.open("rb") as stream:
        for number, record in enumerate(ArchiveIterator(stream)):
            if record.record_type == WarcRecordType.response and number % step == 0:
                yield record.reader.read()


def test_no_mojibake_in_chinese_news(real_data) -> None:
    """GBK pages read as text: Chinese characters dominate, and nearly all are of GB2312's common level."""
    for payload in pages(real_data / "crawl" / "zh_163news.warc.gz", 3):
        found = extract(payload)
        chinese = re.findall(r"[\u3400-\u9fff]", found.text)
        assert found.charset == "gb18030"
        assert "\ufffd" not in found.text
        assert len(chinese) > 0.4 * len(re.sub(r"\s", "", found.text))
        common = sum(0xB0 <= character.encode("gb18030")[0] <= 0xD7 for character in chinese)
        assert common > 0.95 * len(chinese)
