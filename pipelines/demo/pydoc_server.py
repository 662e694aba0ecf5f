"""Python's own documentation server on loopback, restricted to modules whose import is harmless.

Run as a script in a process of its own (`python -P pydoc_server.py numpy …`), so it imports the standard
library alone. It prints its port, serves until its standard input ends, and so never outlives its parent.
"""

import html
import os
import platform
import pydoc
import re
import sys
import sysconfig
import warnings
from collections.abc import Collection
from urllib.parse import unquote

LISTINGS = ("index", "topics", "keywords")

# Modules that open browsers or windows, print, run tests, show this machine or a set in the order of
# addresses (jinja2.debug), or hold no prose.
_REFUSED = re.compile(
    r"(^|\.)(antigravity|this|idlelib|tests?|testing|conftest|turtle\w*|tkinter|site|sys|_\w*)(\.|$)"
    r"|^jinja2\.debug$|^(encodings|distutils|lib2to3|msilib|pydoc_data)(\.|$)"
)
_ADDRESS = re.compile(r"\b(at(?: |&nbsp;)0x|handle )[0-9A-Fa-f]+")


def module_of(path: str) -> str | None:
    """The module that a path shows: json for /json.html and /get?key=json, None for other paths."""
    name = unquote(path.lstrip("/"))
    if name.startswith("get?key="):
        return name.removeprefix("get?key=")
    return name.removesuffix(".html") if name.endswith(".html") else None


def is_allowed(path: str, packages: Collection[str]) -> bool:
    """Whether `path` is served: listings, topics, modules of the standard library and of `packages`."""
    if path.lstrip("/").startswith("topic?key="):
        return True
    module = module_of(path)
    if module is None:
        return path in ("", "/")
    top = module.partition(".")[0]
    return module in LISTINGS or (
        (top in sys.stdlib_module_names or top in packages) and not _REFUSED.search(module)
    )


class Pages:
    """pydoc's pages, made the same on every run: no memory addresses, no path or kernel of this machine."""

    def __init__(self, packages: Collection[str]) -> None:
        self._packages = frozenset(packages)
        self._platform = platform.platform(terse=True)  # names the kernel
        paths = sysconfig.get_paths()
        folders = {
            paths["purelib"],
            paths["platlib"],
            paths["stdlib"],
            paths["platstdlib"],
            sys.base_prefix,
            sys.prefix,
        }
        # Longest first: one folder lies in the other.
        self._folders = sorted((f for f in folders if len(f) > 1), key=lambda f: (-len(f), f))

    def __call__(self, path: str, content_type: str) -> str:
        """The page of `path`, or one that says that there is none."""
        if content_type == "text/css":
            return ""
        if not is_allowed(path, self._packages):
            return (
                f"<!doctype html><title>Pydoc: error</title>problem in {html.escape(path)} - not served here"
            )
        page: str = pydoc._url_handler(path, content_type)  # type: ignore[attr-defined]
        page = _ADDRESS.sub(r"\g<1>7f0000000000", page)
        page = page.replace(self._platform, platform.system())
        for folder in self._folders:
            page = page.replace(folder, "/usr/lib/python3")
        return page


def main(packages: list[str]) -> None:
    """Serve until standard input ends."""
    warnings.simplefilter("ignore")  # importing old modules warns
    os.environ.clear()  # the pages of os and posix show it
    server = pydoc._start_server(Pages(packages), "127.0.0.1", 0)  # type: ignore[attr-defined]
    if server.error:
        raise SystemExit(f"the documentation server did not start: {server.error}")
    print(server.port, flush=True)
    sys.stdin.buffer.read()
    # Documented modules may have started threads that would keep the process alive.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
