"""What counts as a duplicate and which document of a cluster stays."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

Criterion = Literal["source_rank", "quality", "length"]


class DedupConfig(BaseModel):
    """Threshold, candidate limits and survivor policy of the near-duplicate search."""

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
    chain_break: bool = Field(
        default=True,
        description="remove a document only in favour of one that it is itself similar to; "
        "off: one survivor for a whole connected component",
    )
    survivor_order: list[Criterion] = Field(
        default=["source_rank", "quality", "length"],
        description="criteria for the survivor, the first weighs most: low source rank, high quality score, "
        "many words; the smaller document id decides last",
    )

    @field_validator("survivor_order")
    @classmethod
    def _each_once(cls, order: list[Criterion]) -> list[Criterion]:
        if len(set(order)) != len(order):
            raise ValueError(f"survivor_order names a criterion twice: {order}; name each at most once")
        return order
