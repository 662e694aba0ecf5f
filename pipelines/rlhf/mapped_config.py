"""The config of the mapped reader: which column is what, and what each verdict means."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Verdict = Literal["first", "second", "tie", "skip"]


class VerdictRule(BaseModel):
    """What one value of a verdict column says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: str = Field(
        description="the value as text: '1' also stands for 1 and 1.0, 'true', 'false', 'null'"
    )
    verdict: Verdict = Field(description="which completion is better; skip: the row says nothing")


class MappedConfig(BaseModel):
    """A layout of one's own. Columns are names, or paths such as info.post and summaries.0.text."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt_column: str | None = Field(default=None, description="column of the prompt's text")
    prompt_template: str | None = Field(
        default=None,
        description="prompt made of columns, such as '{instruction}\\n{input}'; lines of empty columns are left out",
    )
    messages_column: str | None = Field(
        default=None, description="column with the turns (role and content, or from and value)"
    )
    system_column: str | None = Field(default=None, description="column of the system message")
    completion_columns: list[str] = Field(
        default=[],
        description="columns of the answers, the first and the second of the verdicts in this order",
    )
    completions_column: str | None = Field(
        default=None, description="column with the list of answers, texts or objects"
    )
    completion_text: str | None = Field(
        default=None, description="field of the text where the answers are objects"
    )
    author_columns: list[str] = Field(
        default=[], description="columns that name who wrote each answer, in the order of completion_columns"
    )
    verdict_columns: list[str] = Field(
        default=[], description="columns of verdicts on two answers; several columns are several labelers"
    )
    verdicts: list[VerdictRule] = Field(default=[], description="what the values of verdict_columns mean")
    rank_columns: list[str] = Field(default=[], description="columns of each answer's rank or score")
    ranks_column: str | None = Field(
        default=None, description="column with the list of ranks or scores; null: that answer was not judged"
    )
    best: Literal["lowest", "highest"] = Field(
        default="lowest",
        description="whether the lowest rank or the highest score is the best; equal is a tie",
    )
    labeler_column: str | None = Field(default=None, description="column that names the labeler")
    user_column: str | None = Field(default=None, description="column that names who wrote the prompt")
    root_column: str | None = Field(default=None, description="column that names the conversation")
    licence_column: str | None = Field(default=None, description="column of the row's licence")
    use_case_column: str | None = Field(default=None, description="column of the prompt's use case")
    language_column: str | None = Field(default=None, description="column of the row's language code")

    @model_validator(mode="after")
    def _consistent(self) -> "MappedConfig":
        prompts = [self.prompt_column, self.prompt_template, self.messages_column]
        if sum(value is not None for value in prompts) != 1:
            raise ValueError("mapped: set exactly one of prompt_column, prompt_template and messages_column")
        if self.completion_columns and self.completions_column:
            raise ValueError("mapped: set completion_columns or completions_column, not both")
        judged = [bool(self.verdict_columns), bool(self.rank_columns), self.ranks_column is not None]
        if sum(judged) > 1:
            raise ValueError("mapped: set one of verdict_columns, rank_columns and ranks_column")
        self._check_judgement(any(judged))
        return self

    def _check_judgement(self, judged: bool) -> None:
        several = len(self.completion_columns) > 1 or self.completions_column is not None
        if judged != several:
            raise ValueError(
                "mapped: several completions need verdict_columns, rank_columns or ranks_column, and one needs none"
            )
        if bool(self.verdict_columns) != bool(self.verdicts):
            raise ValueError("mapped: verdict_columns and verdicts (what each value means) go together")
        repeated = {
            rule.value for rule in self.verdicts if [r.value for r in self.verdicts].count(rule.value) > 1
        }
        if repeated:
            raise ValueError(f"mapped: verdicts gives {sorted(repeated)} two meanings")
        if self.verdict_columns and self.completion_columns and len(self.completion_columns) != 2:
            raise ValueError("mapped: verdicts compare two completions; use rank_columns for more")
        for name in ("rank_columns", "author_columns"):
            columns = getattr(self, name)
            if columns and len(columns) != len(self.completion_columns):
                raise ValueError(f"mapped: {name} needs one column for each of completion_columns")
