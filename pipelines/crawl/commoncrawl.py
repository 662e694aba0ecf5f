"""Common Crawl by name: the files of a snapshot from the listing that its archive publishes."""

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from pipelines.crawl.http import HttpClient, HttpConfig, HttpInputError
from pipelines.crawl.inputs import InputError, read_list

_SNAPSHOT = re.compile(r"CC-MAIN-(\d{4})-(0[1-9]|[1-4]\d|5[0-3])$")

_IN_ADDRESS = re.compile(r"/crawl-data/(CC-MAIN-\d{4}-\d{2})/")


class CommonCrawlConfig(BaseModel):
    """A range of files of one Common Crawl snapshot."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    snapshot: str = Field(description="name of the snapshot, CC-MAIN-YYYY-WW")
    kind: Literal["warc", "wet"] = Field(
        default="warc", description="warc: pages as fetched; wet: text that the archive extracted"
    )
    first: int = Field(
        default=0, description="number of the first file in the snapshot's listing, from 0", ge=0
    )
    count: int = Field(default=1, description="files to take", ge=1)
    base: str = Field(default="https://data.commoncrawl.org", description="address of the archive")

    @field_validator("snapshot")
    @classmethod
    def _is_a_snapshot(cls, value: str) -> str:
        if not _SNAPSHOT.match(value):
            raise ValueError(
                f"'{value}' is no snapshot name; expected CC-MAIN-YYYY-WW, such as CC-MAIN-2024-10"
            )
        return value


def snapshot_of(url: str) -> str | None:
    """Name of the snapshot that the address of a Common Crawl file holds; None for other files."""
    found = _IN_ADDRESS.search(url)
    return found.group(1) if found else None


def snapshot_files(config: CommonCrawlConfig, http: HttpConfig | None = None) -> list[str]:
    """Addresses of the files; InputError where the snapshot or the range is not there."""
    base = config.base.rstrip("/")
    listing = f"{base}/crawl-data/{config.snapshot}/{config.kind}.paths.gz"
    try:
        addresses = read_list(listing, HttpClient(http or HttpConfig()))
    except HttpInputError as error:
        raise InputError(f"snapshot {config.snapshot}: its listing cannot be read ({error})") from error
    chosen = addresses[config.first : config.first + config.count]
    if len(chosen) < config.count:
        raise InputError(
            f"snapshot {config.snapshot}: files {config.first} to {config.first + config.count - 1} were "
            f"asked for, but {listing} lists {len(addresses)}; lower 'first' or 'count'"
        )
    return chosen
