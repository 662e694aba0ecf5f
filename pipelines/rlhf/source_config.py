"""What a run config says about one source of instructions: files, layout, licence, and what labels mean."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipelines.rlhf.mapped_config import MappedConfig
from pipelines.sources.config import AUTO_ENCODING, NOT_DOCUMENTS, SourceConfig

LayoutName = Literal[
    "auto",
    "mapped",
    "alpaca",
    "alpaca_eval",
    "alpaca_preference",
    "auto_j",
    "belle_eval",
    "hh_rlhf",
    "kto",
    "llmbar",
    "messages",
    "oasst_tree",
    "openai_preference",
    "pandalm",
    "prompt_completion",
    "prompt_list",
    "prompt_only",
    "self_instruct",
    "sharegpt",
    "sharegpt_preference",
    "tldr_samples",
    "trl_preference",
]
Gives = Literal["demonstrations", "judgements", "prompts"]


class TemplateValue(BaseModel):
    """What stands for one placeholder of the source's texts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="name between the braces: 'name' for {{name}}", min_length=1)
    value: str = Field(description="text put in its place")


class RlhfSourceConfig(BaseModel):
    """One source of demonstrations, judgements or prompts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(
        description="name of the source: letters, digits, '.', '_' and '-'",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
    )
    files: list[str] = Field(
        description="paths or globs of .json, .jsonl, .csv, .tsv, .parquet and .txt files (also .gz), local, s3:// or gs://",
        min_length=1,
    )
    exclude: list[str] = Field(default=NOT_DOCUMENTS, description="globs of names that are left out")
    layout: LayoutName = Field(
        default="auto",
        description="layout of the rows; auto looks at the first rows, but never guesses what a label means",
    )
    mapped: MappedConfig | None = Field(
        default=None, description="columns and verdicts of a layout of your own (layout mapped)"
    )
    gives: list[Gives] = Field(
        default=["demonstrations", "judgements", "prompts"],
        description="raw datasets that take the source's records; what the layout cannot give stays empty",
    )
    licence: str | None = Field(
        default=None, description="licence of rows that name none, for the dataset cards"
    )
    use_case: str | None = Field(default=None, description="use case of rows that name none")
    language: str | None = Field(default=None, description="ISO 639-1 code of rows that name none")
    judge_kind: Literal["layout", "human", "model"] = Field(
        default="layout",
        description="who judged; layout: what is known of the layout, model where nothing is known",
    )
    criteria: str | None = Field(default=None, description="what was judged, such as helpfulness")
    every_reply: bool = Field(
        default=False,
        description="a demonstration of every assistant turn of a dialogue, not of its last one alone",
    )
    unpaired: Literal["drop", "demonstrations"] = Field(
        default="drop",
        description="answers judged good by themselves (KTO): drop, or take as demonstrations; bad ones are dropped",
    )
    prompt_separator: str | None = Field(
        default=None, description="fixed end of every prompt (prompt_completion), taken off"
    )
    completion_stop: str | None = Field(
        default=None, description="fixed end of every completion (prompt_completion), taken off"
    )
    template_values: list[TemplateValue] = Field(
        default=[], description="values of the placeholders {{name}} in the source's texts"
    )
    text_unit: Literal["line", "paragraph"] = Field(
        default="line", description="what one prompt of a .txt file is; paragraphs stand between blank lines"
    )
    encoding: str = Field(
        default=AUTO_ENCODING,
        description="character set of text files; auto: byte order mark, else UTF-8 by line, else detected",
    )
    delimiter: str | None = Field(
        default=None,
        description="column separator of csv files; unset: tab for .tsv, else comma",
        min_length=1,
        max_length=1,
    )
    max_field_chars: int = Field(
        default=1_000_000, description="a row with a longer text is a dead letter, characters", ge=1000
    )

    @model_validator(mode="after")
    def _mapped_is_set_up(self) -> "RlhfSourceConfig":
        if (self.layout == "mapped") != (self.mapped is not None):
            raise ValueError(f"source '{self.name}': set layout to mapped and fill in mapped, or do neither")
        return self

    def files_config(self) -> SourceConfig:
        """The part that finds files, in the form that the corpus's sources have."""
        return SourceConfig(
            name=self.name,
            files=self.files,
            exclude=self.exclude,
            encoding=self.encoding,
            delimiter=self.delimiter,
        )
