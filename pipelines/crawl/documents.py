"""The crawl stage: parts of WARC and WET files in, rows of the documents dataset out."""

import struct
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.crawl.commoncrawl import snapshot_of
from pipelines.crawl.config import CrawlConfig
from pipelines.crawl.http import HttpConfig
from pipelines.crawl.pages import HTML_TYPES, Bad, Page, Skipped, page_of
from pipelines.crawl.split import Part, parts_of
from pipelines.crawl.streams import open_stream
from pipelines.crawl.warc import Fault, Record, read_records
from pipelines.engine.runner import RECORDS, ShardOutput, Stage, Task
from pipelines.extract import Extraction, extract, extract_text, read_plain_text
from pipelines.html.guarded import Death, guarded_map
from pipelines.ids import document_id
from pipelines.schemas import DOCUMENTS, DatasetSchema
from text.words import count_words

_GROUP_ROWS = 2000
_GROUP_BYTES = 16 * 2**20
# A stored block may be larger than its payload: headers, chunk sizes.
_HEADER_ROOM = 2**16
_REQUEST = struct.Struct("<?H")  # HTML or plain text, bytes of the charset label that follows
_ANSWER = struct.Struct("<???H")  # cut, too deep, no main content; bytes of the codec name that follows


@dataclass(frozen=True)
class CrawlDocumentsStage(Stage):
    """Reads the parts that a task names and writes one document for each page that has text.

    A page that was captured twice gives two documents with one id; `pipelines.deduplication.repeated` finds
    them over all shards, so that the result does not depend on which shard they fell into. Damage and pages
    that could not be extracted become dead letters named file@offset; of a page that its file cuts short, the
    text before the cut is kept as well.
    """

    name: ClassVar[str] = "crawl_documents"
    version: ClassVar[int] = 3
    libraries: ClassVar[tuple[str, ...]] = ("fastwarc", "resiliparse")

    source: str
    config: CrawlConfig
    http: HttpConfig

    @property
    def outputs(self) -> tuple[DatasetSchema, ...]:
        """The documents dataset."""
        return (DOCUMENTS,)

    def process(self, task: Task, out: ShardOutput) -> None:
        """Documents of one shard."""
        extract_text(b"<p>warm")  # loads the kernels here, once, and not in every child
        rows = _Rows(out)
        limit = self.config.max_payload_bytes + _REQUEST.size + 2**16
        seconds = self.config.max_cpu_seconds_per_record
        with closing(guarded_map(self._extract, self._wanted(task, out), seconds, limit)) as work:
            for (place, row), answer in work:
                if isinstance(answer, Death):
                    out.dead(place, answer.reason, f"{row['url']}: {answer.detail}")
                    continue
                done = _unpack(answer)
                out.count("markup_cut", done.cut)
                out.count("too_deep", done.too_deep)
                out.count("no_main_content", done.no_main_content)
                if done.text:
                    rows.add({**row, "charset": done.charset, "text": done.text})
                else:
                    out.count("no_text")
        rows.flush()

    def _extract(self, request: bytes) -> bytes:
        """What the guarded child does with one page."""
        is_html, size = _REQUEST.unpack_from(request)
        charset = request[_REQUEST.size : _REQUEST.size + size].decode() or None
        payload = request[_REQUEST.size + size :]
        done = (
            extract(payload, charset, self.config.extract) if is_html else read_plain_text(payload, charset)
        )
        codec = done.charset.encode()
        return (
            _ANSWER.pack(done.cut, done.too_deep, done.no_main_content, len(codec))
            + codec
            + done.text.encode()
        )

    def _wanted(self, task: Task, out: ShardOutput) -> Iterator[tuple[tuple[str, dict[str, Any]], bytes]]:
        """((place, columns known before extraction), request) for each page of the task."""
        for part in parts_of(task.payload):
            for page in self._pages(part, out):
                row = self._row(page, part.url)
                charset = (page.charset or "").encode("ascii", "ignore")[:64]
                request = _REQUEST.pack(page.media_type in HTML_TYPES, len(charset)) + charset + page.payload
                yield (f"{part.url}@{page.offset}", row), request

    def _pages(self, part: Part, out: ShardOutput) -> Iterator[Page]:
        stream = open_stream(part.url, self.http)
        try:
            for item in read_records(
                stream, part.start, part.end, self.config.max_payload_bytes + _HEADER_ROOM
            ):
                place = f"{part.url}@{item.offset}"
                if isinstance(item, Fault):
                    out.dead(place, item.reason, item.detail)
                    continue
                page = self._page(item, place, out)
                if page is not None:
                    yield page
        finally:
            stream.close()

    def _page(self, record: Record, place: str, out: ShardOutput) -> Page | None:
        out.count(RECORDS)
        out.count("responses", record.kind == "response")
        if record.missing:
            out.dead(
                place,
                "cut_short",
                f"{record.uri}: {record.missing} of {record.length} bytes are missing; what is there is used",
            )
        page = page_of(record, self.config.max_payload_bytes, self.config.plain_text)
        if isinstance(page, Skipped):
            out.count(page.reason)
            return None
        if isinstance(page, Bad):
            out.dead(place, page.reason, f"{record.uri}: {page.detail}")
            return None
        out.count("pages")
        for note in page.notes:
            out.count(note)
        return page

    def _row(self, page: Page, url: str) -> dict[str, Any]:
        snapshot = self.config.snapshot or snapshot_of(url)
        if snapshot is None:
            snapshot = page.fetched_at.date().isoformat() if page.fetched_at else ""
        return {
            "doc_id": document_id(self.source, snapshot, page.url, page.digest),
            "source": self.source,
            "url": page.url,
            "snapshot": snapshot,
            "fetched_at": page.fetched_at,
            "payload_digest": page.digest,
            "media_type": page.media_type,
        }


@dataclass
class _Rows:
    """Rows on their way to the shard, written a row group at a time."""

    out: ShardOutput
    rows: list[dict[str, Any]] = field(default_factory=list)
    bytes: int = 0

    def add(self, row: dict[str, Any]) -> None:
        """Keep a row; write when there are enough."""
        self.rows.append(row)
        self.bytes += len(row["text"])
        if len(self.rows) >= _GROUP_ROWS or self.bytes >= _GROUP_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write the rows kept so far as one row group."""
        if not self.rows:
            return
        columns: dict[str, Any] = {name: [row[name] for row in self.rows] for name in self.rows[0]}
        text = pa.array(columns["text"], pa.string())
        columns |= {"n_bytes": pc.binary_length(text), "n_words": count_words(text)}
        self.out.write(
            DOCUMENTS.name, pa.table({f.name: pa.array(columns[f.name], f.type) for f in DOCUMENTS.schema})
        )
        self.out.count("documents", len(self.rows))
        self.rows, self.bytes = [], 0


def _unpack(answer: bytes) -> Extraction:
    cut, too_deep, no_main_content, size = _ANSWER.unpack_from(answer)
    charset = answer[_ANSWER.size : _ANSWER.size + size].decode()
    return Extraction(answer[_ANSWER.size + size :].decode(), charset, cut, too_deep, no_main_content)
