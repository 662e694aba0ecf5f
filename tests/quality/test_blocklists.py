import gzip
import tarfile

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quality.blocklists import BlocklistConfig, Blocklists
from quality.list_files import ListFileError
from quality.url_forms import address


@pytest.mark.parametrize(
    ("url", "form"),
    [
        pytest.param(
            "HTTP://WWW.Example.COM:80/A/", "example.com/a", id="scheme, www, port, case, final slash"
        ),
        pytest.param("https://u:p@example.com./x#y", "example.com/x", id="user, final point, fragment"),
        pytest.param("example.com/%7Ejoe/%41", "example.com/~joe/a", id="percent"),
        pytest.param("//example.com//a/./b/../c", "example.com/a/c", id="dot segments"),
        pytest.param("http://bücher.de", "xn--bcher-kva.de", id="punycode"),
        pytest.param("http://www2.example.com", "example.com", id="numbered www"),
        pytest.param("http://www.com", "www.com", id="www as a name"),
        pytest.param("http://example.com?Q=1", "example.com?q=1", id="query"),
        pytest.param("http://1.2.3.4/x", "1.2.3.4/x", id="numeric host"),
        pytest.param("http:///x", None, id="no host"),
        pytest.param("http://[x", None, id="malformed"),
        pytest.param("", None, id="empty"),
    ],
)
def test_one_form(url, form):
    found = address(url)
    assert (found.host + found.rest if found else None) == form


def blocklists(tmp_path, domains=(), urls=(), words=(), **config):
    files = {}
    for kind, lines in (("domains", domains), ("urls", urls), ("words", words)):
        if lines:
            path = tmp_path / f"{kind}.txt"
            path.write_text("\n".join(lines))
            files[kind] = [str(path)]
    return Blocklists(BlocklistConfig(**files, **config))


def blocked(lists, *urls):
    return lists.check(pa.array(urls, pa.string()))["blocklist_entry"].to_pylist()


@pytest.mark.parametrize(
    ("entry", "url", "hit"),
    [
        pytest.param("bad.com", "http://bad.com/", True, id="itself"),
        pytest.param("bad.com", "https://www.a.b.bad.com:443/x?y", True, id="below it"),
        pytest.param("bad.com", "http://notbad.com/", False, id="ends alike"),
        pytest.param("a.bad.com", "http://bad.com/", False, id="above it"),
        pytest.param("www.bad.com", "http://bad.com/", True, id="www in the list"),
        pytest.param("BAD.com.", "http://bad.COM/", True, id="case, final point"),
        pytest.param("0.0.0.0 bad.com # why", "http://bad.com/", True, id="hosts file"),
        pytest.param("||bad.com^", "http://x.bad.com/", True, id="filter list"),
        pytest.param("http://bad.com/", "http://bad.com/x", True, id="written as an address"),
        pytest.param("bücher.de", "http://xn--bcher-kva.de/", True, id="international name"),
        pytest.param("5.6.7.8", "http://5.6.7.8/", True, id="numeric"),
        pytest.param("bad.co.uk", "http://good.co.uk/", False, id="beside it"),
        pytest.param("co.uk", "http://good.co.uk/", False, id="a public suffix blocks nothing"),
        pytest.param("com", "http://good.com/", False, id="nor does a top level"),
    ],
)
def test_domains(tmp_path, entry, url, hit):
    assert (blocked(blocklists(tmp_path, domains=[entry]), url) != [None]) == hit


@pytest.mark.parametrize(
    ("entry", "url", "hit"),
    [
        pytest.param("host.com/~joe", "http://host.com/~joe/pics/1.html", True, id="below it"),
        pytest.param("host.com/~joe", "http://www.host.com/%7EJOE", True, id="other spelling"),
        pytest.param("host.com/~joe", "http://host.com/~joey", False, id="begins alike"),
        pytest.param("host.com/~joe", "http://host.com/", False, id="above it"),
        pytest.param("host.com/a?id=1", "http://host.com/a?id=1", True, id="query"),
        pytest.param("host.com/a?id=1", "http://host.com/a?id=12", False, id="other query"),
        pytest.param("host.com/a", "http://host.com/a?id=12", True, id="any query"),
        pytest.param("host.com/a", "http://x.host.com/a", False, id="another host"),
    ],
)
def test_urls(tmp_path, entry, url, hit):
    assert (blocked(blocklists(tmp_path, urls=[entry]), url) != [None]) == hit


def test_words(tmp_path):
    urls = [
        "http://casino-royal.com/x",
        "http://casinos.com",
        "http://x.com/Casino_poker.html",
        "http://a.com",
    ]
    assert blocked(blocklists(tmp_path, words=["casino", "poker"]), *urls) == [
        "casino",
        None,
        "casino poker",
        None,
    ]
    assert blocked(blocklists(tmp_path, words=["casino", "poker"], min_words=2), *urls) == [
        None,
        None,
        "casino poker",
        None,
    ]


def test_evidence_and_reports(tmp_path):
    lists = blocklists(
        tmp_path,
        domains=["# comment", "bad.com", "", "co.uk", "com", "bad.com", "a b", "sub.bad.com"],
        urls=["host.com/x", "host.com"],
    )
    answer = lists.check(pa.array(["http://sub.bad.com", None, "file:///x", "http://host.com/x"]))
    assert answer["blocklist_entry"].to_pylist() == ["sub.bad.com", None, None, "host.com/x"]
    assert answer["blocklist_kind"].to_pylist() == ["domain", None, None, "url"]
    assert answer["blocklist"].to_pylist()[0].endswith("domains.txt")
    assert [report[1:] for report in lists.reports] == [("domain", 2, 2, 1, 1), ("url", 1, 0, 1, 0)]


def ut1(folder):
    for category, lines in (("adult", "bad.com\n"), ("games", "play.com\n")):
        (folder / category).mkdir(parents=True)
        (folder / category / "domains").write_text(lines)
    with gzip.open(folder / "games" / "urls.gz", "wt") as stream:
        stream.write("host.com/play\n")
    return folder


def test_ut1_folder_and_tar(tmp_path):
    folder = ut1(tmp_path / "blacklists")
    archive = tmp_path / "blacklists.tar.gz"
    with gzip.open(folder / "games" / "urls.gz") as stream:
        (folder / "games" / "urls").write_bytes(stream.read())
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, "blacklists")
    (folder / "games" / "urls").unlink()
    for source in (folder, archive):
        lists = Blocklists(BlocklistConfig(folders=[str(source)]))
        urls = ["http://bad.com", "http://play.com", "http://host.com/play/1", "http://good.com"]
        names = ["adult/domains", "games/domains", "games/urls", None]
        assert lists.check(pa.array(urls))["blocklist"].to_pylist() == names
        some = Blocklists(BlocklistConfig(folders=[str(source)], categories=["games"]))
        assert some.check(pa.array(urls))["blocklist"].to_pylist() == [None, *names[1:]]
    with pytest.raises(ListFileError, match=r"no categories \['porn'\]"):
        Blocklists(BlocklistConfig(folders=[str(folder)], categories=["porn"]))


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ListFileError, match=r"absent\.txt: no such file"):
        Blocklists(BlocklistConfig(domains=[str(tmp_path / "absent.txt")]))
    with pytest.raises(ListFileError, match="expected the layout of the UT1 lists"):
        Blocklists(BlocklistConfig(folders=[str(tmp_path)]))
    broken = tmp_path / "broken.gz"
    broken.write_bytes(gzip.compress(b"bad.com\n" * 1000)[:20])
    with pytest.raises(ListFileError, match=r"broken\.gz: cannot be read"):
        Blocklists(BlocklistConfig(domains=[str(broken)]))


def test_suffix_list_of_the_user(tmp_path):
    suffixes = tmp_path / "psl.dat"
    suffixes.write_text("com\nio\ngithub.io\n*.ck\n!www.ck\n")
    lists = blocklists(tmp_path, domains=["github.io", "b.ck", "www.ck"], suffix_list=str(suffixes))
    assert blocked(lists, "http://joe.github.io", "http://a.b.ck", "http://www.ck") == [None, None, "www.ck"]


HOSTS = st.lists(st.sampled_from(["a", "b", "bad", "www", "co", "uk", "com"]), min_size=1, max_size=5).map(
    ".".join
)


@given(st.lists(HOSTS, max_size=8), st.lists(HOSTS, min_size=1, max_size=8))
def test_a_host_is_blocked_with_what_is_below_a_listed_name(tmp_path_factory, entries, hosts):
    suffixes = {"com", "uk", "co.uk"}
    plain = {address(name).host for name in entries if "." in name} - suffixes
    plain = {name for name in plain if "." in name}
    lists = blocklists(tmp_path_factory.mktemp("lists"), domains=entries)
    for host, entry in zip(hosts, blocked(lists, *(f"http://{host}/" for host in hosts)), strict=True):
        form = address(host).host
        above = {".".join(form.split(".")[place:]) for place in range(form.count(".") + 1)}
        expected = max(above & plain, key=len, default=None)
        assert entry == expected
