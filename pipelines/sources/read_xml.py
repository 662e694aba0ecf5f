"""The text content of any XML file, such as marked-up plays."""

import re
from collections.abc import Iterator
from contextlib import closing
from xml.etree import ElementTree

from pipelines.sources.config import SourceConfig
from pipelines.sources.members import Member
from pipelines.sources.records import BadRecord, Entry, Record

_HEAD_BYTES = 4096
_MEDIAWIKI_ROOT = re.compile(rb"<mediawiki[\s>]")


def is_mediawiki(member: Member) -> bool:
    """Whether the file's root element is MediaWiki's; false where the file cannot be read."""
    with closing(member.open()) as stream:
        head = stream.read(_HEAD_BYTES)
    return _MEDIAWIKI_ROOT.search(head.replace(b"\0", b"")) is not None  # NULs: UTF-16


def read_xml(member: Member, config: SourceConfig) -> Iterator[Entry]:
    """The file as one record: an element with text of its own is a line, one without is a block.

    External entities are not fetched, and expat stops at entities that grow without measure.
    """
    parser = ElementTree.XMLParser()  # noqa: S314 -- see the docstring
    with closing(member.open()) as stream:
        try:
            root = ElementTree.parse(stream, parser).getroot()  # noqa: S314
        except ElementTree.ParseError as error:
            yield BadRecord("1", "broken_xml", str(error))
            return
    yield Record("1", "\n".join(_lines(root)), "utf-8")


def _lines(root: ElementTree.Element) -> Iterator[str]:
    # A stack instead of recursion: depth is the file's choice. None ends a block with an empty line.
    stack: list[ElementTree.Element | None] = [root]
    while stack:
        element = stack.pop()
        if element is None:
            yield ""
        elif _has_own_text(element) or not len(element):
            line = " ".join("".join(element.itertext()).split())
            if line:
                yield line
        else:
            stack.append(None)
            stack.extend(reversed(element))


def _has_own_text(element: ElementTree.Element) -> bool:
    pieces = [element.text, *(child.tail for child in element)]
    return any(piece and not piece.isspace() for piece in pieces)
