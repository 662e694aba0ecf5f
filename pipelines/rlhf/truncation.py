"""Replies that stop in the middle, by how they end: conservative, since lists, titles and code need no full stop."""

import re

_CODE_END = re.compile(r"[.!?。！？…”\"')）:：]$|</\w+>$")
_OPEN_END = re.compile(r"[^\n]{40}[\w\u3400-\u9fff],$|[\w\u3400-\u9fff][、，(（\[【]$|\]\($")
_BARE_MARKER = re.compile(r"\S[ \t]*\n+[ \t]*\d{1,3}[.)、]$")
_ENGLISH_END = re.compile(
    r"[a-z,] (?:the|a|an|and|or|of|than|because|their|its|your|his|my|our|while|but|into|which|whose|between)$"
)
_CHINESE_END = re.compile(
    r"[\u3400-\u9fff，](?:与|或|以及|并且|因为|由于|如果|虽然|但是|例如|比如|包括|通过|为了|其中|把|被|将会|而且)$"
)


def truncated(reply: str, min_chars: int) -> str | None:
    """The last words of a reply of at least `min_chars` characters that breaks off, None where it does not.

    It breaks off inside a code block, behind a comma or an opening bracket, at a list's bare number, or on a word
    that another must follow.

    >>> truncated("There are three reasons for this, and the first of them is the", 40)
    'three reasons for this, and the first of them is the'
    """
    text = reply.rstrip()
    if len(text) < min_chars:
        return None
    if _in_code(text) or any(
        rule.search(text) for rule in (_OPEN_END, _BARE_MARKER, _ENGLISH_END, _CHINESE_END)
    ):
        return text[-52:].lstrip()
    return None


def _in_code(text: str) -> bool:
    """Whether a code block is open at the end; one that ends like prose only lost its closing mark."""
    return text.count("```") % 2 == 1 and not text.endswith("```") and _CODE_END.search(text) is None
