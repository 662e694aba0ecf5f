"""How records of a crawl become documents."""

from pydantic import BaseModel, ConfigDict, Field

from pipelines.extract import ExtractConfig


class CrawlConfig(BaseModel):
    """Extraction and limits of crawled records."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    snapshot: str | None = Field(
        default=None,
        description="snapshot name that documents carry; unset: the Common Crawl snapshot in the file's "
        "address, else the date of the fetch",
    )
    plain_text: bool = Field(default=False, description="whether text/plain responses become documents too")
    max_payload_bytes: int = Field(
        default=8 * 2**20, description="decoded bytes read of one page; the rest is cut", ge=2**12, le=2**30
    )
    max_cpu_seconds_per_record: float = Field(
        default=20.0,
        description="CPU seconds to extract one page, after which it is given up as a dead letter",
        gt=0,
    )
    extract: ExtractConfig = Field(default=ExtractConfig(), description="extraction of text from HTML")
