"""Pages as WARC records: gzip by record, with HTTP headers, the same bytes for the same pages and day."""

import io
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from pipelines.demo.crawler import Page
from pipelines.engine import storage

_FIRST_FETCH = timedelta(hours=8)
_NOT_RECORDED = {"date", "connection", "transfer-encoding"}


def write_warc(path: str, pages: Sequence[Page], day: str) -> None:
    """Write a warcinfo record and one response record a page, one second apart from 8:00 UTC of `day`.

    The HTTP header Date says the same time as WARC-Date; record ids are derived from URL and time.
    """
    start = datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC) + _FIRST_FETCH
    name = path.rpartition("/")[2]
    with storage.AtomicOutput(path) as output:
        writer = WARCWriter(output.stream, gzip=True)
        info = b"software: gristmill demo crawler\r\nformat: WARC File Format 1.0\r\n"
        writer.write_record(
            writer.create_warc_record(
                "",
                "warcinfo",
                payload=io.BytesIO(info),
                warc_content_type="application/warc-fields",
                warc_headers_dict={**_identity(name, start), "WARC-Filename": name},
            )
        )
        for number, page in enumerate(pages):
            time = start + timedelta(seconds=number)
            headers = [entry for entry in page.headers if entry[0].lower() not in _NOT_RECORDED]
            headers.append(("Date", format_datetime(time, usegmt=True)))
            writer.write_record(
                writer.create_warc_record(
                    page.url,
                    "response",
                    payload=io.BytesIO(page.body),
                    http_headers=StatusAndHeaders(page.status, headers, protocol="HTTP/1.1"),
                    warc_headers_dict=_identity(page.url, time),
                )
            )


def _identity(url: str, time: datetime) -> dict[str, str]:
    date = time.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "WARC-Date": date,
        "WARC-Record-ID": f"<urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'{url} {date}')}>",
    }
