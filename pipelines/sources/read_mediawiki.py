"""MediaWiki XML dumps: the articles, as plain text."""

from collections.abc import Iterator
from contextlib import closing
from xml.etree import ElementTree

from pipelines.sources.config import SourceConfig
from pipelines.sources.members import Member
from pipelines.sources.records import BadRecord, Entry, Record, Skipped
from pipelines.sources.wikitext import plain_text

_ARTICLES = "0"
_HIDDEN_NAMESPACES = {
    "6": "File",
    "14": "Category",
}  # their links are pictures and labels, not words of a sentence


def read_mediawiki(member: Member, config: SourceConfig) -> Iterator[Entry]:
    """One record an article (namespace 0, no redirect), by its page id: title, blank line, plain text.

    The dump is parsed as a stream, one page in memory. A page of several revisions gives the last. The dump's
    own names of the namespaces File and Category are used, so that any language works.
    """
    hidden = {"file", "image", "category", "media"}
    root: ElementTree.Element | None = None
    with closing(member.open()) as stream:
        try:
            for event, element in ElementTree.iterparse(stream, ("start", "end")):  # noqa: S314 -- no entities fetched
                if root is None:
                    root = element
                tag = _local(element.tag)
                if event == "start":
                    continue
                if tag == "namespace" and element.get("key") in _HIDDEN_NAMESPACES and element.text:
                    hidden.add(element.text.lower())
                elif tag == "page":
                    yield _entry(element, frozenset(hidden))
                    root.clear()
        except ElementTree.ParseError as error:
            yield BadRecord("end", "broken_xml", f"the dump ends early or is damaged: {error}")


def _entry(page: ElementTree.Element, hidden: frozenset[str]) -> Entry:
    found = {_local(element.tag): element.text or "" for element in page.iter()}
    if found.get("ns", _ARTICLES) != _ARTICLES:
        return Skipped("other_namespace")
    if "redirect" in found:
        return Skipped("redirect")
    place = _text(page, "id")
    if "text" not in found:
        return BadRecord(place, "missing_field", f"page {place}: no element 'text'")
    body = plain_text(found["text"], hidden)
    if not body:
        return BadRecord(place, "empty_text", f"page {place}: nothing is left of its text without the markup")
    return Record(place, f"{found.get('title', '')}\n\n{body}", "utf-8")


def _text(page: ElementTree.Element, tag: str) -> str:
    """Text of the first child of that name: page.iter() would find the revision's id as well."""
    return next((child.text or "" for child in page if _local(child.tag) == tag), "")


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
