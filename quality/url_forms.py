"""One form for all spellings of an address, so that a block list's entry and a page's URL can be compared.

Of http and https alike: no scheme, user, port, `www.` or final point; the host in lower-case ASCII (punycode); the
path with its percent signs decoded, in lower case, without empty and dot segments and final slash; the query as
it stands, in lower case; no fragment.
"""

import re
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from quality.domains import SuffixRules, ascii_host, built_in_rules, is_address

_WWW = re.compile(r"^www\d{0,2}\.(?=[^.]+\.)")
_SCHEME = re.compile(r"^[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+")
_MAX_SEGMENTS = 32
_MAX_URL = 4096


class Address(NamedTuple):
    """A host and what follows it: path and query, empty or beginning with `/` or `?`."""

    host: str
    rest: str


def address(url: str) -> Address | None:
    """The one form of a URL, with or without scheme; None where it has no host. 4,096 characters are read."""
    text = url.strip()[:_MAX_URL]
    if not _SCHEME.match(text):
        text = "http://" + text.removeprefix("//")
    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError:
        return None
    name = ascii_host(unquote(host)) if host else None
    if name is None:
        return None
    path = "/".join(["", *_segments(unquote(parts.path).lower())])
    query = f"?{unquote(parts.query).lower()}" if parts.query else ""
    return Address(_WWW.sub("", name), path + query)


def _segments(path: str) -> list[str]:
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(segment)
    return kept


def host_chain(host: str, rules: SuffixRules | None = None) -> list[str]:
    """The host and its parents, longest first, public suffixes left out; an address of numbers is alone."""
    if is_address(host):
        return [host]
    labels = host.split(".")
    suffix_labels = (rules or built_in_rules()).suffix(host).count(".") + 1
    return [".".join(labels[place:]) for place in range(len(labels) - suffix_labels)]


def path_chain(found: Address) -> list[str]:
    """host/path?query, then host/path and its parents down to the first segment: what a URL entry may name."""
    path, _, query = found.rest.partition("?")
    segments = path.split("/")[1 : _MAX_SEGMENTS + 1] if path else []
    chain = [f"{found.host}/{'/'.join(segments[:size])}" for size in range(len(segments), 0, -1)]
    return [found.host + found.rest, *chain] if query else chain


def url_words(found: Address) -> list[str]:
    """Runs of letters and digits of host and rest, in order."""
    return _WORD.findall(found.host + found.rest)
