"""The documentation server: what it serves, and that no page tells of this machine or this run."""

import sys
from pathlib import Path

import pytest

from pipelines.demo.crawler import Page, fetch_all
from pipelines.demo.pydoc_server import Pages, is_allowed, module_of
from pipelines.demo.site import PACKAGES, docs_site

# Pages whose default values and constants show objects by address.
ADDRESSED = ["/difflib.html", "/ctypes.html", "/smtplib.html", "/os.html", "/posix.html", "/index.html"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("/json.html", True, id="standard-library"),
        pytest.param("/json.decoder.html", True, id="submodule"),
        pytest.param("/get?key=json", True, id="search-form"),
        pytest.param("/topic?key=TRUTHVALUE", True, id="topic"),
        pytest.param("/index.html", True, id="listing"),
        pytest.param("/requests.sessions.html", True, id="listed-package"),
        pytest.param("/dagster.html", False, id="package-not-listed"),
        pytest.param("/antigravity.html", False, id="opens-a-browser"),
        pytest.param("/get?key=antigravity", False, id="opens-a-browser-by-form"),
        pytest.param("/search?key=json", False, id="search-imports-everything"),
        pytest.param("/turtledemo.clock.html", False, id="opens-a-window"),
        pytest.param("/unittest.__main__.html", False, id="runs-as-a-program"),
        pytest.param("/test.support.html", False, id="tests"),
        pytest.param("/sys.html", False, id="shows-this-process"),
        pytest.param("/_json.html", False, id="private"),
        pytest.param("/etc/passwd", False, id="file"),
    ],
)
def test_is_allowed(path: str, expected: bool) -> None:
    assert is_allowed(path, PACKAGES) is expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/json.html", "json"), ("/get?key=json.tool", "json.tool"), ("/topic?key=IF", None), ("/", None)],
)
def test_module_of(path: str, expected: str | None) -> None:
    assert module_of(path) == expected


def test_refused_page_is_not_imported() -> None:
    page = Pages(PACKAGES)("/this.html", "text/html")
    assert "problem in" in page
    assert "this" not in sys.modules


@pytest.fixture(scope="module")
def two_runs() -> list[list[Page]]:
    """The same pages from two processes, one after the other, as two runs of the demo fetch them."""
    runs = []
    with pytest.MonkeyPatch.context() as patch:
        for secret in ("tell-nobody-1", "tell-nobody-2"):
            patch.setenv("LD_LIBRARY_PATH", f"/{secret}")  # the server gets it, its pages must not show it
            with docs_site(1) as site:
                runs.append(fetch_all(site, ADDRESSED))
    return runs


def test_pages_are_the_same_on_every_run(two_runs: list[list[Page]]) -> None:
    first, second = two_runs
    assert [page.body for page in first] == [page.body for page in second]
    assert all(page.status == "200 OK" and len(page.body) > 10_000 for page in first)


def test_pages_do_not_tell_of_this_machine(two_runs: list[list[Page]]) -> None:
    text = b"".join(page.body for page in two_runs[0]).decode()
    assert "tell-nobody" not in text
    assert str(Path.home()) + "/" not in text
    assert sys.prefix not in text
    assert sys.base_prefix not in text or len(sys.base_prefix) < 6  # /usr is in every path
    assert "at 0x7f0000000000" in text.replace("&nbsp;", " ")


def test_server_ends_with_its_parent() -> None:
    with docs_site(1) as site:
        (address,) = site.addresses
        assert fetch_all(site, ["/bisect.html"])[0].status == "200 OK"
    with pytest.raises(OSError, match=r"refused|reset"):
        fetch_all(site, ["/bisect.html"])
    assert address.startswith("http://127.0.0.1:")
