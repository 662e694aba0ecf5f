"""Part-of-speech tagged text as in the Brown corpus: word/tag, one sentence a line."""

import re
from collections.abc import Iterator

from pipelines.sources.config import SourceConfig
from pipelines.sources.decode import TextLines
from pipelines.sources.members import Member
from pipelines.sources.records import Entry, Record

_SENTENCE_MARKS = (".", ";", "?", "!", ":")
_BEFORE_CLOSING = re.compile(r" +([,.;:?!)\]}%”])")
_AFTER_OPENING = re.compile(r"([(\[{“]) +")


def read_tagged(member: Member, config: SourceConfig) -> Iterator[Entry]:
    """The whole file as one record of plain sentences, one a line."""
    lines = TextLines(member, config.encoding)
    sentences = [untagged(line) for line in lines if not line.isspace()]
    yield Record("1", "\n".join(sentences), lines.charset)


def untagged(line: str) -> str:
    """The words of a tagged sentence, its quotes and punctuation set as print sets them.

    Tagged corpora write the mark at a sentence's end twice and an abbreviation's full stop besides the
    sentence's; one is kept.

    >>> untagged("``/`` Yes/rb ''/'' ,/, said/vbd Jr./np (/( 1/2/cd )/) ?/. ?/.")
    '“Yes”, said Jr. (1/2)?'
    """
    words: list[str] = []
    for token in line.split():
        word = token.rpartition("/")[0] or token
        if not (words and word in _SENTENCE_MARKS and words[-1].endswith(word)):
            words.append(word)
    text = " ".join(words).replace("``", "“").replace("''", "”")
    return _AFTER_OPENING.sub(r"\1", _BEFORE_CLOSING.sub(r"\1", text))
