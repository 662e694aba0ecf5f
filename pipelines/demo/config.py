"""What the demo crawls and when it says it did."""

from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, Field, field_validator


class DemoConfig(BaseModel):
    """The demo's two crawls; the days are settings, so that two runs on one machine give the same bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    first_day: str = Field(default="2024-05-06", description="day of the first crawl, YYYY-MM-DD")
    second_day: str = Field(default="2024-06-10", description="day of the second crawl, YYYY-MM-DD")
    revisit_share: float = Field(
        default=0.15,
        description="share of the first crawl's pages that the second fetches again, 0..1",
        ge=0,
        le=1,
    )
    form_share: float = Field(
        default=0.1,
        description="share of the modules that are also fetched through the search form, 0..1",
        ge=0,
        le=1,
    )
    max_page_kib: int = Field(default=128, description="larger pages are left out, KiB of HTML", ge=1)
    servers: int = Field(default=2, description="processes of the documentation server", ge=1, le=8)
    seed: int = Field(default=1, description="seed of the draws above", ge=0)

    @field_validator("first_day", "second_day")
    @classmethod
    def _is_a_day(cls, value: str) -> str:
        try:
            datetime.strptime(value, "%Y-%m-%d").replace(tzinfo=UTC)
        except ValueError:
            raise ValueError(f"'{value}' is no day; write it as YYYY-MM-DD") from None
        return value
