"""Which documents are good enough, as thresholds: all that the decision step knows besides the signals."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from pipelines.perplexity_rule import PerplexityRule
from quality.blocklists import BlocklistConfig
from quality.pareto import GPT3_ALPHA
from quality.rule_sets import RulesConfig


class SelectionConfig(BaseModel):
    """Which crawled documents are good enough; curated sources need only have words."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    blocklists: BlocklistConfig = Field(
        default=BlocklistConfig(), description="lists that block crawled pages by their address"
    )
    min_words: int = Field(
        default=50,
        description="fewest words of a document (Gopher's 50); a Chinese character is a word",
        ge=1,
    )
    languages: list[str] = Field(
        default=[], description="lid.176 codes of the languages to keep; empty keeps all of them"
    )
    min_language_score: float = Field(
        default=0.0, description="smallest probability of the identified language, 0..1", ge=0, le=1
    )
    rules: RulesConfig = Field(
        default=RulesConfig(), description="rule sets (gopher, c4, fineweb ...) that judge a crawled page"
    )
    max_listed_words: int | None = Field(
        default=None,
        description="most listed words of a crawled document, 0 is C4's rule; null: no rule",
        ge=0,
    )
    max_toxicity: float | None = Field(
        default=None, description="largest toxicity of a crawled document; null: no rule", ge=0
    )
    max_machine_written: float | None = Field(
        default=None,
        description="largest probability that a machine wrote a crawled document, 0..1; null: no rule",
        ge=0,
        le=1,
    )
    max_perplexity: PerplexityRule | None = Field(
        default=None, description="which perplexities of crawled documents stay; null: no rule"
    )
    max_personal_data: int | None = Field(
        default=None,
        description="most finds of personal data in a document of any source; null: no rule",
        ge=0,
    )
    quality: Literal["pareto", "threshold", "off"] = Field(
        default="pareto",
        description="pareto: GPT-3's random keep by score; threshold: a fixed score; off: no quality rule",
    )
    pareto_alpha: float | None = Field(
        default=GPT3_ALPHA,
        description="P(keep) = (2 - score)^-alpha; smaller keeps more; null: the alpha that was fitted with the "
        "quality model, at which the kept scores are nearest to the curated ones",
        gt=0,
    )
    threshold: float = Field(
        default=0.5,
        description="score at which a document is kept where quality is 'threshold', 0..1",
        ge=0,
        le=1,
    )
    seed: int = Field(default=1, description="seed of the Pareto draws", ge=0)

    @property
    def alpha(self) -> float:
        """`pareto_alpha` as a number; ValueError where it is null and the fitted one has not been filled in."""
        if self.pareto_alpha is None:
            raise ValueError(
                "selection.pareto_alpha: null, expected a number here; pipelines.fitted_alpha fills it in"
            )
        return self.pareto_alpha
