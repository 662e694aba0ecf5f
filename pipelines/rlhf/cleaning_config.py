"""Settings of cleaning: which rules run, and the limits of each."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

CleaningRule = Literal[
    "too_long", "template_placeholder", "wrong_language", "refusing", "truncated", "repetitive"
]


class CleaningConfig(BaseModel):
    """Limits of the rules on single records; empty replies, duplicates and lone completions always go."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rules: list[CleaningRule] = Field(
        default=["too_long", "template_placeholder", "wrong_language", "refusing", "truncated", "repetitive"],
        description="rules that run; the last four look at demonstrations alone, since a bad answer is what a "
        "comparison is for",
    )
    max_message_chars: int = Field(
        default=20_000, description="a record with a longer message is dropped, characters", ge=1
    )
    max_refusal_chars: int = Field(
        default=500,
        description="a longer reply is no refusal, whatever it begins with, characters (a Chinese one counts twice)",
        ge=1,
    )
    min_truncated_chars: int = Field(
        default=40, description="a shorter reply is never called truncated, characters", ge=1
    )
    repetition_ngram: int = Field(
        default=5,
        description="words of the n-grams that a repetitive reply repeats; a Chinese character is a word",
        ge=1,
    )
    min_repetition_words: int = Field(
        default=40, description="a shorter reply is never called repetitive, words", ge=1
    )
    max_repeated_share: float = Field(
        default=0.6,
        description="share of a reply's n-grams that may have stood in it before, or that one run of 100 equal "
        "characters may take, 0..1",
        ge=0,
        le=1,
    )
    min_language_score: float = Field(
        default=0.8, description="probability from which a language counts as known, 0..1", ge=0, le=1
    )
    min_language_chars: int = Field(
        default=40,
        description="a shorter text's language is not looked at, letters (a Chinese one counts three times)",
        ge=1,
    )
