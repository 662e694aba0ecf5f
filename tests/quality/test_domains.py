import pytest

from quality.domains import SuffixFileError, SuffixRules, is_public_suffix, registered_domain, site_of


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        pytest.param("www.example.com", "example.com", id="generic"),
        pytest.param("a.b.bbc.co.uk", "bbc.co.uk", id="third level"),
        pytest.param("WWW.XinHua.com.cn.", "xinhua.com.cn", id="case and final point"),
        pytest.param("unam.edu.mx", "unam.edu.mx", id="second-level name"),
        pytest.param("news.spiegel.de", "spiegel.de", id="country with second-level registration"),
        pytest.param("co.uk", None, id="a suffix"),
        pytest.param("com", None, id="a top level"),
        pytest.param("a.unknowntld", "a.unknowntld", id="unknown top level is a suffix"),
        pytest.param("intranet", "intranet", id="one label that is no top level"),
        pytest.param("192.168.0.1", "192.168.0.1", id="IPv4"),
        pytest.param("[2a00::1]", "2a00::1", id="IPv6"),
        pytest.param("www.bücher.de", "xn--bcher-kva.de", id="punycode"),
        pytest.param("新闻。中国", "xn--efvy88h.xn--fiqs8s", id="ideographic point"),
        pytest.param("a..b", None, id="empty label"),
        pytest.param("a b.com", None, id="no host"),
        pytest.param("", None, id="empty"),
        pytest.param("tokyo.lg.jp", "tokyo.lg.jp", id="Japan"),
    ],
)
def test_registered_domain(host, domain):
    assert registered_domain(host) == domain


@pytest.mark.parametrize(
    ("url", "site"),
    [
        pytest.param("https://user@www.bbc.co.uk:8080/a?b#c", "bbc.co.uk", id="all parts"),
        pytest.param("http://co.uk/", "co.uk", id="a suffix is its own site"),
        pytest.param("ftp://example.com/", None, id="other scheme"),
        pytest.param("/path", None, id="no host"),
        pytest.param("http://[broken", None, id="malformed"),
    ],
)
def test_site_of(url, site):
    assert site_of(url) == site


def test_rules_of_a_file(tmp_path):
    path = tmp_path / "list.dat"
    path.write_text("// comment\ncom\n*.ck\n!www.ck\ngithub.io\n\n中国\n")
    rules = SuffixRules.read(path)
    assert registered_domain("joe.github.io", rules) == "joe.github.io"
    assert registered_domain("a.b.c.ck", rules) == "b.c.ck"
    assert registered_domain("www.ck", rules) == "www.ck"
    assert is_public_suffix("b.ck", rules)
    assert is_public_suffix("xn--fiqs8s", rules)
    assert not is_public_suffix("github.com", rules)
    path.write_text("// nothing\n")
    with pytest.raises(SuffixFileError, match=r"list\.dat: no rules"):
        SuffixRules.read(path)
