"""MediaWiki markup to plain text: each row shows one rule."""

import pytest

from pipelines.sources.wikitext import plain_text

HIDDEN = frozenset({"file", "category", "файл"})


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        pytest.param("'''Bold''' and ''it'' isn't", "Bold and it isn't", id="quotes"),
        pytest.param("[[Target|label]]s of [[Target]]", "labels of Target", id="links"),
        pytest.param(
            "[[:Category:Fish|fish]] [[Category:Fish]]", "fish", id="category-is-hidden-its-mention-not"
        ),
        pytest.param(
            "a [[File:x.jpg|thumb|A [[cat]] and [[dog]]]] b", "a b", id="picture-with-links-in-caption"
        ),
        pytest.param("[[Файл:x.jpg|мини]]текст", "текст", id="namespace-of-the-dump"),
        pytest.param("x\n[[fr:Chat]]\n[[zh-min-nan:Niau]]", "x", id="other-languages"),
        pytest.param("see [[wikt:cat|cat]]", "see cat", id="other-wiki-with-label"),
        pytest.param("[http://a.b/c A page] [http://a.b]", "A page", id="external-links"),
        pytest.param("a{{cite|x={{nested|[[y]]}}}} b", "a b", id="nested-templates"),
        pytest.param("about {{convert|60|km|mi}} off", "about 60 km off", id="conversion-is-spoken"),
        pytest.param("Greek {{lang|grc|ἄσφαλτος}}.", "Greek ἄσφαλτος.", id="foreign-word-is-spoken"),
        pytest.param("a\n{| class=x\n| {{t|\n}}\n{|\n|y\n|}\n|}\nb", "a\n\nb", id="nested-tables"),
        pytest.param("{{t|}} x {{u|a|}}", "x", id="template-end-is-no-table-end"),
        pytest.param("a<ref name=x>[[b]] {{c}}</ref> d<ref name=x />.", "a d.", id="references"),
        pytest.param("a<ref name=x /> b<ref>c</ref> d", "a b d", id="named-reference-without-content"),
        pytest.param("a<!-- b\n\nc -->d", "ad", id="comment"),
        pytest.param("a<!-- b", "a", id="comment-without-end"),
        pytest.param("x<math>E<1</math>y <nowiki>z</nowiki>", "xy z", id="formula-goes-nowiki-stays"),
        pytest.param("a<br />b <span style='x'>c</span>", "a\nb c", id="tags"),
        pytest.param("5&nbsp;km &amp; &lt;b&gt;", "5 km & <b>", id="entities"),
        pytest.param("* one\n** two\n# three\n: four", "one\ntwo\nthree\nfour", id="list-marks"),
        pytest.param("a\n== H ==\nb", "a\n\nH\n\nb", id="heading"),
        pytest.param("a\n== Empty ==\n{{x}}\n== Full ==\nb", "a\n\nFull\n\nb", id="heading-without-body"),
        pytest.param("== A ==\n=== B ===\nb", "A\n\nB\n\nb", id="heading-of-a-heading"),
        pytest.param(
            "== A ==\na\n=== B ===\n== C ==\nc", "A\n\na\n\nC\n\nc", id="lower-heading-without-body"
        ),
        pytest.param("X ({{IPA|x}}; {{lang|grc|ξ}}) is ({{t}}) y", "X (ξ) is y", id="hollow-brackets"),
        pytest.param("__NOTOC__\na\n----\nb", "a\nb", id="switches-and-rules"),
        pytest.param("a {{ b [[ c }} d ]]", "a  d".replace("  ", " "), id="overlapping-pairs"),
        pytest.param("a {{ b\n\nc [[d]]", "a b\n\nc d", id="opened-never-closed"),
        pytest.param("a<ref>b", "ab", id="reference-never-closed-loses-its-tag"),
    ],
)
def test_rule(markup: str, expected: str) -> None:
    assert plain_text(markup, HIDDEN) == expected


@pytest.mark.parametrize(
    "unit",
    [
        "{{",
        "}}",
        "[[",
        "[[a|",
        "<ref>",
        "<!--",
        "{|\n",
        "''",
        "[http://",
        "<a",
        "( ;",
        "== ",
        "{{convert|",
        " ",
    ],
)
def test_hostile_repetition_ends(unit: str) -> None:
    # Quadratic time on 300,000 characters would take minutes.
    assert isinstance(plain_text(unit * (300_000 // len(unit)), HIDDEN), str)
