"""A site as the crawler sees it: a public host name, the loopback servers behind it, and where to begin."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipelines.demo import pydoc_server

DOCS_HOST = "docs.localhost"
_SCRIPT = Path(pydoc_server.__file__)
_PASSED_ON = ("LD_LIBRARY_PATH", "SYSTEMROOT")  # what a Python may need to start

# Pure Python, declared by this project or by what it declares, and harmless to import.
PACKAGES = ("click", "dateutil", "idna", "jinja2", "packaging", "requests", "urllib3", "warcio", "yaml")


@dataclass(frozen=True)
class Site:
    """Where to fetch a host's pages from.

    `host` stands in the recorded URLs: ports change from run to run, and the names below .localhost are
    loopback by RFC 6761. All `addresses` (http://127.0.0.1:port) serve the same pages; `lane` says which part
    of a path decides the server, so that each sees the same requests in the same order on every run.
    """

    host: str
    addresses: tuple[str, ...]
    start: tuple[str, ...]
    follow: Callable[[str], bool]
    lane: Callable[[str], str]


@contextmanager
def docs_site(servers: int) -> Iterator[Site]:
    """The documentation server in `servers` processes, each started from an empty folder."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="gristmill-demo-"))
        ports = [stack.enter_context(_server(folder)) for _ in range(servers)]
        yield Site(
            DOCS_HOST,
            tuple(f"http://127.0.0.1:{port}" for port in ports),
            ("/index.html", "/topics.html", "/keywords.html"),
            lambda path: pydoc_server.is_allowed(path, PACKAGES),
            lambda path: pydoc_server.module_of(path) or path,
        )


@contextmanager
def _server(folder: str) -> Iterator[int]:
    # -P keeps the script's folder off the module path; the hash seed fixes the order of sets that pages show.
    command = [sys.executable, "-P", "-W", "ignore", str(_SCRIPT), *PACKAGES]
    environment = {name: value for name, value in os.environ.items() if name in _PASSED_ON}
    environment |= {"HOME": folder, "PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        # communicate() is not for a process that goes on; the end of its standard input stops it.
        answer = process.stdout.readline().strip() if process.stdout else ""
        if not answer.isdigit():
            process.kill()
            errors.seek(0)
            raise RuntimeError(f"the documentation server did not start: {errors.read().decode()[-2000:]}")
        try:
            yield int(answer)
        finally:
            process.communicate()
