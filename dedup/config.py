"""What counts as a duplicate, who may be removed for whom, and which document of a cluster stays."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

SOURCE_RANK = "source_rank"
Scope = Literal["all", "source", "snapshot", "language"]


class Preference(BaseModel):
    """One criterion of the survivor policy: a figure of the documents and which end of it is better."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    by: str = Field(
        description="source_rank, or a numeric or time column of the datasets documents and signals: "
        "quality_score, n_words, fetched_at ..."
    )
    keep: Literal["highest", "lowest"] = Field(
        default="highest",
        description="end that stays: fetched_at lowest is oldest; a missing figure is the worst",
    )


class Removal(BaseModel):
    """Sources whose documents stay, and sources whose documents are removed where they duplicate those."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keep: list[str] = Field(description="sources (or roles) that are not touched by this rule", min_length=1)
    remove: list[str] = Field(description="sources (or roles) that lose their duplicates", min_length=1)


class DedupConfig(BaseModel):
    """Threshold, candidate limits, scope and survivor policy of the near-duplicate search."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    threshold: float = Field(
        default=0.75,
        description="Jaccard similarity of the shingle sets, 0..1, from which a document is removed",
        gt=0,
        le=1,
    )
    max_pairs_bucket: int = Field(
        default=32,
        description="documents in an LSH bucket up to which all pairs are candidates; larger ones get a star",
        ge=2,
        le=1024,
    )
    scope: Scope = Field(
        default="all",
        description="documents are compared only with those of the same source, snapshot or language; all: "
        "with every other",
    )
    within: list[str] | None = Field(
        default=None,
        description="sources (or roles) whose documents are removed for others of the same source; null: "
        "every source",
    )
    across: list[Removal] | None = Field(
        default=None,
        description="which sources lose documents to which others; null: every source to every other, as "
        "survivor_order says; an empty list: none",
    )
    chain_break: bool = Field(
        default=True,
        description="remove a document only in favour of one that it is itself similar to; "
        "off: one survivor for a whole connected component",
    )
    survivor_order: list[Preference] = Field(
        default=[
            Preference(by=SOURCE_RANK, keep="lowest"),
            Preference(by="quality_score"),
            Preference(by="n_words"),
        ],
        description="criteria for the one that stays, the first weighs most; the smaller id decides last",
    )
    spark_components_above_edges: int = Field(
        default=20_000_000,
        description="pairs of duplicates above which components and survivors are found by the workers; up "
        "to it on the driver, which needs some 2 kB for each document that has a duplicate",
        ge=0,
    )

    @field_validator("survivor_order")
    @classmethod
    def _each_once(cls, order: list[Preference]) -> list[Preference]:
        names = [preference.by for preference in order]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"survivor_order names {repeated[0]} twice; name each criterion at most once")
        return order
