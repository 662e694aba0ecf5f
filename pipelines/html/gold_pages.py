"""Pages with gold main texts: WARC files beside JSON lines, as ../shared/data/extraction holds them.

SET.warc.gz has one response a page, named by the header WARC-Source-Id; SET.gold.jsonl.gz one object a page
with `source_id`, and `main_content` (text), or `with` and `without` (snippets that the text must and must not
hold), and sometimes `page_type`.
"""

import gzip
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from fastwarc.warc import ArchiveIterator, WarcRecordType

from pipelines.html.charset import decode
from quality import domains

_LINK = re.compile(rb"""(?:href|src)\s*=\s*["']?https?://([a-zA-Z0-9.-]+)""")
# Hosts that pages of many sites link to.
_COMMON = re.compile(
    r"(google[a-z-]*|atdmt|2o7|revsci|facebook|twitter|doubleclick|amazon|adobe|youtube|yahoo|akamai|cloudfront|w3|digg|reddit|"
    r"stumbleupon|del\.icio|quantserve|scorecardresearch|apache|macromedia|2mdn|imrworldwide|addthis)\."
)


class GoldPage(NamedTuple):
    """A page in UTF-8 and what is known of its main text; `site` is a registered domain, or stands for one.

    `text` is None where only snippets are known: `wanted` belong to the main text, `unwanted` do not.
    """

    name: str
    collection: str
    kind: str
    language: str
    site: str
    html: bytes
    text: str | None
    wanted: tuple[str, ...]
    unwanted: tuple[str, ...]


def gold_pages(folder: Path) -> Iterator[GoldPage]:
    """All pages of the sets in a folder, in the order of the files' names.

    Raises ValueError for a set whose pages and gold rows do not fit together.
    """
    files = sorted(folder.glob("*.gold.jsonl.gz"))
    if not files:
        raise ValueError(f"{folder}: no *.gold.jsonl.gz here; expected gold sets with a .warc.gz beside each")
    for file in files:
        collection = file.name.removesuffix(".gold.jsonl.gz")
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            gold = {row["source_id"]: row for row in map(json.loads, lines)}
        yield from _pages(folder / f"{collection}.warc.gz", collection, gold)


def _pages(path: Path, collection: str, gold: dict[str, dict[str, Any]]) -> Iterator[GoldPage]:
    with path.open("rb") as stream:
        for record in ArchiveIterator(stream, record_types=WarcRecordType.response):
            name = record.headers.get("WARC-Source-Id", "")
            if name not in gold:
                raise ValueError(f"{path}: page '{name}' has no row in {collection}.gold.jsonl.gz")
            row, payload = gold[name], record.reader.read()
            text = row.get("main_content")
            if not text and not row.get("with"):
                continue
            yield GoldPage(
                name,
                collection,
                row.get("page_type", ""),
                row.get("lang_lid176", ""),
                site_of(row["url"], payload),
                decode(payload).text.encode("utf-8", "replace"),
                text,
                tuple(row.get("with") or ()),
                tuple(row.get("without") or ()),
            )


def site_of(url: str, payload: bytes) -> str:
    """Registered domain of an address; where it is unknown (.invalid), of the host that the page links to most."""
    site = domains.site_of(url)
    if site and not site.endswith(".invalid"):
        return site
    linked = Counter(domains.registered_domain(found.decode()) for found in _LINK.findall(payload))
    own = [(count, domain) for domain, count in linked.items() if domain and not _COMMON.match(domain)]
    return max(own)[1] if own else url
