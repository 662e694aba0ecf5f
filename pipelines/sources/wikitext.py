"""MediaWiki markup to plain text, in linear time on any input, balanced or not.

What is said in words stays: paragraphs, headings that have a body, list items, link labels. What is not
goes: comments, references, formulas, galleries, tables, pictures, categories, links to other languages, and
templates, save the few whose argument is part of the sentence (conversions, foreign words).
"""

import html
import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable

_ELEMENTS = "ref|math|gallery|timeline|source|syntaxhighlight|score|imagemap|hiero|references|graph|chem"
_ELEMENT = re.compile(rf"<(/?)({_ELEMENTS})\b[^<>]{{0,1000}}?(/?)>", re.IGNORECASE)
_BRACES = re.compile(r"\{\{|\}\}|^[ \t:]{0,20}\{\||^[ \t]{0,20}\|\}(?!\})", re.MULTILINE)
_BRACKETS = re.compile(r"\[\[|\]\]")
_SPOKEN = re.compile(
    r"\{\{\s*(convert|lang|transl|nowrap|nobr|abbr|as of)\s*\|([^{}]{1,300})\}\}", re.IGNORECASE
)
_LANGUAGE_LINK = re.compile(r"[a-z]{2,3}(-[a-z-]{1,12})?:\S")
_EXTERNAL_LINK = re.compile(
    r"\[(?:https?:|ftp:)?//[^\s\[\]]{1,2000}(?:[ \t]+([^\[\]\n]{0,500}))?\]", re.IGNORECASE
)
_BREAK = re.compile(r"<br\b[^<>]{0,100}>", re.IGNORECASE)
_TAG = re.compile(r"</?[a-zA-Z][^<>]{0,500}>")
_QUOTES = re.compile(r"'{2,5}")
_STRAY = re.compile(r"\{\{+|\}\}+|\{\||\[\[|\]\]|__[A-Z]{3,30}__")
_LIST_MARK = re.compile(r"[*#:;]+[ \t]*")
_HOLLOW = re.compile(r"[ \t]?\([ \t;,]{0,20}\)")
_HOLLOW_START = re.compile(r"\([ \t]{0,5}[;,][ \t;,]{0,20}")  # a pronunciation was cut out
_SPACE_BEFORE = re.compile(r"[ \t]+([,.;:])(?=\s|$)", re.MULTILINE)
_SPACES = re.compile(r"[ \t\xa0]+")


def plain_text(wikitext: str, hidden_namespaces: frozenset[str]) -> str:
    """The words of `wikitext`; links into `hidden_namespaces` (lower case) are left out whole."""
    text = _without_comments(wikitext)
    text = _without_elements(text)
    text = _SPOKEN.sub(_spoken, text)
    text = _replace_nested(text, _BRACES, _is_opening_brace, lambda _: "")
    text = _replace_nested(text, _BRACKETS, lambda t: t == "[[", lambda link: _label(link, hidden_namespaces))
    text = _EXTERNAL_LINK.sub(lambda match: match.group(1) or "", text)
    text = _TAG.sub("", _BREAK.sub("\n", text))
    text = _STRAY.sub("", _QUOTES.sub("", text))
    text = html.unescape(text)
    text = _HOLLOW_START.sub("(", _HOLLOW.sub("", text))
    text = _SPACES.sub(" ", text).replace(" )", ")")
    return _layout(_SPACE_BEFORE.sub(r"\1", text))


def _without_comments(text: str) -> str:
    kept = []
    position = 0
    while (start := text.find("<!--", position)) >= 0:
        kept.append(text[position:start])
        end = text.find("-->", start)
        position = len(text) if end < 0 else end + 3
    kept.append(text[position:])
    return "".join(kept)


def _without_elements(text: str) -> str:
    """Leave out elements with their content; one that is never closed loses only its tag."""
    tags = list(_ELEMENT.finditer(text))
    closings: dict[str, list[int]] = defaultdict(list)
    for number, tag in enumerate(tags):
        if tag.group(1):
            closings[tag.group(2).lower()].append(number)
    kept = []
    position = 0
    for number, tag in enumerate(tags):
        if tag.start() < position:
            continue
        kept.append(text[position : tag.start()])
        position = tag.end()
        same = closings[tag.group(2).lower()]
        closing = bisect_left(same, number)
        if not tag.group(1) and not tag.group(3) and closing < len(same):
            position = tags[same[closing]].end()
    kept.append(text[position:])
    return "".join(kept)


def _spoken(match: re.Match[str]) -> str:
    """What a reader sees of a template whose argument is part of the sentence."""
    name = match.group(1).lower()
    arguments = [part.strip() for part in match.group(2).split("|") if "=" not in part]
    if not arguments:
        return ""
    if name == "convert":
        return " ".join(arguments[:2])
    if name == "as of":
        return "as of " + " ".join(arguments[:1])
    return arguments[0] if name in ("nowrap", "nobr", "abbr") else arguments[-1]


def _is_opening_brace(token: str) -> bool:
    return "{" in token


def _replace_nested(
    text: str, tokens: re.Pattern[str], opens: Callable[[str], bool], replace: Callable[[str], str]
) -> str:
    """Replace each outermost balanced span; openers and closers without a partner are left for later."""
    stack: list[tuple[str, int]] = []
    depth: dict[str, int] = defaultdict(int)
    spans: list[tuple[int, int]] = []
    for token in tokens.finditer(text):
        mark = token.group().strip(" \t:")
        kind = "table" if "|" in mark else "pair"
        if opens(mark):
            stack.append((kind, token.start()))
            depth[kind] += 1
        elif depth[kind]:
            while stack:
                opened, start = stack.pop()
                depth[opened] -= 1
                if opened == kind:
                    spans.append((start, token.end()))
                    break
    kept = []
    position = 0
    for start, end in sorted(spans, key=lambda span: (span[0], -span[1])):
        if start >= position:
            kept += [text[position:start], replace(text[start:end])]
            position = end
    kept.append(text[position:])
    return "".join(kept)


def _label(link: str, hidden: frozenset[str]) -> str:
    """What a reader sees of [[target|label]]."""
    target, bar, label = link[2:-2].partition("|")
    target = target.strip()
    if target.startswith(":"):
        target = target[1:]
    elif target.partition(":")[0].strip().lower() in hidden or (not bar and _LANGUAGE_LINK.match(target)):
        return ""
    return label.rpartition("|")[2] or target


def _layout(text: str) -> str:
    """Paragraphs by blank lines, list items without marks, and only those headings that have a body."""
    lines: list[str] = []
    headings: list[tuple[int, str]] = []
    for line in text.split("\n"):
        stripped = line.strip()
        if not stripped:
            lines.append("")
            continue
        title = stripped.strip("=")
        if title and stripped[0] == stripped[-1] == "=":
            level = len(stripped) - len(stripped.lstrip("="))
            headings = [entry for entry in headings if entry[0] < level] + [(level, title.strip())]
            continue
        body = _LIST_MARK.sub("", stripped, count=1) if stripped[0] in "*#:;" else stripped
        if not body or stripped[0] in "|!" or set(stripped) == {"-"}:
            continue
        for _, heading in headings:
            lines += ["", heading, ""]
        headings = []
        lines.append(body)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
