"""The thresholds of the named rule sets, as data.

Gopher's are those of Rae et al. 2021 (A.1.1 and Table A1), C4's those of the code that made it, FineWeb's those
of its authors. A limit of None switches its rule off. Sets for languages written in characters are this
project's: docs/signals.md says how their limits were found.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Limit = float | None


class GopherLimits(BaseModel):
    """Gopher's quality and repetition rules; fractions of characters unless said otherwise."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reading: Literal["paper", "datatrove"] = Field(
        default="paper",
        description="whose signals: paper (as DCLM reads it: gopher_*) or datatrove (gopher_datatrove_*)",
    )
    min_words: Limit = Field(default=50, description="fewest words", ge=0)
    max_words: Limit = Field(default=100_000, description="most words", ge=0)
    min_mean_word_length: Limit = Field(default=3, description="shortest mean word, characters", ge=0)
    max_mean_word_length: Limit = Field(default=10, description="longest mean word, characters", ge=0)
    max_hashes: Limit = Field(default=0.1, description='most "#" a word', ge=0)
    max_ellipses: Limit = Field(default=0.1, description="most ellipses a word", ge=0)
    max_bullet_lines: Limit = Field(default=0.9, description="largest fraction of list lines", ge=0, le=1)
    max_ellipsis_lines: Limit = Field(
        default=0.3, description="largest fraction of lines that end in an ellipsis", ge=0, le=1
    )
    min_alphabetic_words: Limit = Field(
        default=0.8, description="smallest fraction of words with a letter", ge=0, le=1
    )
    min_stop_words: Limit = Field(default=2, description="fewest different stop words", ge=0)
    max_dup_paragraphs: Limit = Field(default=0.3, description="of paragraphs", ge=0, le=1)
    max_dup_paragraph_chars: Limit = Field(default=0.2, description="in repeated paragraphs", ge=0, le=1)
    max_dup_lines: Limit = Field(default=0.3, description="of lines", ge=0, le=1)
    max_dup_line_chars: Limit = Field(default=0.2, description="in repeated lines", ge=0, le=1)
    max_top_2gram: Limit = Field(default=0.2, description="in the most frequent 2-gram", ge=0)
    max_top_3gram: Limit = Field(default=0.18, description="in the most frequent 3-gram", ge=0)
    max_top_4gram: Limit = Field(default=0.16, description="in the most frequent 4-gram", ge=0)
    max_dup_5gram: Limit = Field(default=0.15, description="in repeated 5-grams", ge=0, le=1)
    max_dup_6gram: Limit = Field(default=0.14, description="in repeated 6-grams", ge=0, le=1)
    max_dup_7gram: Limit = Field(default=0.13, description="in repeated 7-grams", ge=0, le=1)
    max_dup_8gram: Limit = Field(default=0.12, description="in repeated 8-grams", ge=0, le=1)
    max_dup_9gram: Limit = Field(default=0.11, description="in repeated 9-grams", ge=0, le=1)
    max_dup_10gram: Limit = Field(default=0.10, description="in repeated 10-grams", ge=0, le=1)


class C4Limits(BaseModel):
    """C4's page rules, judged on the lines that its line rules would leave."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reading: Literal["code", "paper", "datatrove"] = Field(
        default="code",
        description="code: lorem ipsum and brackets count in lines that pass the line rules, 5 words a line; "
        "paper: anywhere on the page; datatrove: as code, 3 words a line",
    )
    max_lorem_ipsum: Limit = Field(default=0, description="most lines that say lorem ipsum", ge=0)
    max_curly_brackets: Limit = Field(default=0, description="most lines with an opening curly bracket", ge=0)
    min_sentences: Limit = Field(default=3, description="fewest sentences in the lines left", ge=0)


class FineWebLimits(BaseModel):
    """FineWeb's own rules."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_lines: Limit = Field(default=1, description="fewest lines that are not blank", ge=0)
    min_line_punct: Limit = Field(
        default=0.12, description="smallest ratio of lines that end in punctuation", ge=0, le=1
    )
    max_short_lines: Limit = Field(default=0.67, description="largest ratio of short lines", ge=0, le=1)
    max_char_dup: Limit = Field(
        default=0.01, description="largest ratio of characters in lines that came before", ge=0, le=1
    )
    max_list: Limit = Field(default=0.3, description="most line feeds a token", ge=0)


class RuleSet(BaseModel):
    """Rules under one name; they are asked in the order gopher, c4, fineweb, and there as the limits stand."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="name by which a configuration chooses the set", min_length=1)
    gopher: GopherLimits | None = Field(default=None, description="limits of Gopher's rules; none: not asked")
    c4: C4Limits | None = Field(default=None, description="limits of C4's rules; none: not asked")
    fineweb: FineWebLimits | None = Field(
        default=None, description="limits of FineWeb's rules; none: not asked"
    )


# A Chinese word is 1.5 to 1.7 characters long: 50 words are about 80, 100,000 about 160,000, and a line feed in
# 0.3 words is one in 0.19 characters. Grams of n characters repeat in prose as grams of fewer words do: the limits
# are the 95th percentile of 43 main contents cut out by hand, of which Gopher's own would drop a third.
_CHINESE = GopherLimits(
    min_words=80,
    max_words=160_000,
    min_mean_word_length=None,
    max_mean_word_length=None,
    max_dup_5gram=0.36,
    max_dup_6gram=0.27,
    max_dup_7gram=0.23,
    max_dup_8gram=0.21,
    max_dup_9gram=0.20,
    max_dup_10gram=0.18,
)
# A Japanese word of content and particles is about two characters long, a Korean syllable half a word; Korean
# words stand between spaces and are short. Thai, Lao, Khmer, Burmese and Tibetan words: about three characters.
_JAPANESE = _CHINESE.model_copy(update={"min_words": 100.0, "max_words": 200_000.0})
_KOREAN = _CHINESE.model_copy(
    update={
        "min_words": 50.0,
        "max_words": 100_000.0,
        "min_mean_word_length": 2.0,
        "max_mean_word_length": 10.0,
    }
)
_UNSPACED = _CHINESE.model_copy(update={"min_words": 150.0, "max_words": 300_000.0, "min_stop_words": None})
_FINEWEB_CHINESE = FineWebLimits(max_list=0.19)

RULE_SETS: dict[str, RuleSet] = {
    rule_set.name: rule_set
    for rule_set in (
        RuleSet(name="gopher", gopher=GopherLimits()),
        RuleSet(name="gopher_datatrove", gopher=GopherLimits(reading="datatrove")),
        RuleSet(name="gopher_zh", gopher=_CHINESE),
        RuleSet(name="gopher_ja", gopher=_JAPANESE),
        RuleSet(name="gopher_ko", gopher=_KOREAN),
        RuleSet(name="gopher_unspaced", gopher=_UNSPACED),
        RuleSet(name="c4", c4=C4Limits()),
        RuleSet(name="c4_paper", c4=C4Limits(reading="paper")),
        RuleSet(name="c4_datatrove", c4=C4Limits(reading="datatrove", min_sentences=5)),
        RuleSet(name="fineweb", fineweb=FineWebLimits()),
        RuleSet(name="fineweb_zh", fineweb=_FINEWEB_CHINESE),
    )
}
"""The sets that a configuration can name."""


class LanguageRules(BaseModel):
    """Rule sets for some languages."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    languages: list[str] = Field(description="lid.176 codes")
    rule_sets: list[str] = Field(description="names of rule sets, asked in this order; empty: no rules")


class RulesConfig(BaseModel):
    """Which rule sets judge a document, by its language."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule_sets: list[str] = Field(
        default=["gopher"],
        description="names of rule sets for languages not named below, asked in this order",
    )
    by_language: list[LanguageRules] = Field(
        default=[
            LanguageRules(languages=["zh", "yue", "wuu"], rule_sets=["gopher_zh"]),
            LanguageRules(languages=["ja"], rule_sets=["gopher_ja"]),
            LanguageRules(languages=["ko"], rule_sets=["gopher_ko"]),
            LanguageRules(languages=["th", "lo", "km", "my", "bo", "dz"], rule_sets=["gopher_unspaced"]),
        ],
        description="rule sets of languages that need other ones",
    )
    own_sets: list[RuleSet] = Field(
        default=[], description="further rule sets; one with a known name takes its place"
    )

    def sets_of(self, language: str | None) -> list[RuleSet]:
        """The rule sets that judge a language; ValueError for a name that nothing goes by."""
        names = next(
            (rules.rule_sets for rules in self.by_language if language in rules.languages), self.rule_sets
        )
        known = RULE_SETS | {rule_set.name: rule_set for rule_set in self.own_sets}
        unknown = sorted(set(names) - set(known))
        if unknown:
            raise ValueError(f"rule_sets: no rule set is named {unknown}, known are {sorted(known)}")
        return [known[name] for name in names]
