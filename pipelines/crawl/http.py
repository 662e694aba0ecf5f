"""Files behind http(s) addresses as seekable streams that survive what public crawl servers do.

Common Crawl answers 403, 429 and 503 to busy clients, and connections drop in the middle of a gigabyte:
each is waited out with growing pauses (Retry-After is honoured) and the download goes on at the byte where
it stopped.
"""

import io
import time
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any

import requests
import urllib3
from pydantic import BaseModel, ConfigDict, Field

RETRIED_STATUS = frozenset({403, 408, 425, 429, 500, 502, 503, 504})
_TRANSPORT_ERRORS = (requests.RequestException, urllib3.exceptions.HTTPError, ConnectionError, TimeoutError)
_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "gristmill (corpus builder)"}
_SKIP_BYTES = 1 << 16
_REFUSES_METHOD = frozenset({403, 405, 501})


class HttpConfig(BaseModel):
    """Patience with servers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    retries: int = Field(
        default=8,
        description="further attempts after a refused or broken one, since the last byte came",
        ge=0,
    )
    first_wait_seconds: float = Field(
        default=1.0, description="pause before the first retry, in seconds; doubles each time", ge=0
    )
    longest_wait_seconds: float = Field(
        default=120.0, description="longest pause in seconds, Retry-After included", ge=0
    )
    timeout_seconds: float = Field(
        default=60.0, description="silence in seconds after which a connection is given up", gt=0
    )


class HttpInputError(OSError):
    """An address could not be read; the message names it, the last answer and the number of attempts.

    `status` is the last answer's, None where there was none.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class HttpClient:
    """Requests with retries; `sleep` is called for each pause."""

    def __init__(self, config: HttpConfig, sleep: Callable[[float], None] = time.sleep) -> None:
        self.config = config
        self._sleep = sleep
        self._session = requests.Session()
        self._session.headers.update(_HEADERS)

    def size(self, url: str) -> int | None:
        """Bytes of the file, or None where the server does not say.

        A server that refuses HEAD is asked for the first byte, whose answer tells the size of the whole.
        """
        with self.request("HEAD", url, passed=_REFUSES_METHOD) as response:
            if response.status_code < 400:
                return _number(response.headers.get("Content-Length", ""))
        try:
            with self.request("GET", url, {"Range": "bytes=0-0"}) as response:
                if response.status_code == 200:  # ranges are unknown to the server: this is the whole file
                    return _number(response.headers.get("Content-Length", ""))
                return _number(response.headers.get("Content-Range", "").rpartition("/")[2])
        except HttpInputError as error:
            if error.status in _REFUSES_METHOD:
                return None
            raise

    def read(self, url: str) -> bytes:
        """The whole file."""
        with HttpFile(url, self) as stream:
            return stream.read()

    def request(
        self,
        method: str,
        url: str,
        headers: dict[str, str] | None = None,
        passed: frozenset[int] = frozenset(),
    ) -> requests.Response:
        """An answer that is no error, its body unread. HttpInputError after the last attempt.

        416 and the status codes in `passed` are answers like any other.
        """
        status: int | None = None
        for attempt in range(self.config.retries + 1):
            told: requests.Response | None = None
            try:
                told = self._session.request(
                    method,
                    url,
                    headers=headers,
                    stream=True,
                    allow_redirects=True,
                    timeout=self.config.timeout_seconds,
                )
            except _TRANSPORT_ERRORS as error:
                problem, status = f"{type(error).__name__}: {error}", None
            else:
                status = told.status_code
                if status < 400 or status == 416 or status in passed:
                    return told
                problem = f"HTTP {status}"
                told.close()
                if status not in RETRIED_STATUS:
                    raise HttpInputError(f"{url}: {problem}; check the address", status)
            if attempt < self.config.retries:
                self.pause(url, attempt, told)
        attempts = self.config.retries + 1
        raise HttpInputError(f"{url}: {problem} after {attempts} attempts; try again later", status)

    def pause(self, url: str, attempt: int, told: requests.Response | None = None) -> None:
        """Wait before retry number `attempt` (from 0): as the server asks, else doubling with some spread."""
        wait = _retry_after(told) if told is not None else None
        if wait is None:
            spread = 0.75 + 0.5 * zlib.crc32(f"{url} {attempt}".encode()) / 2**32
            wait = self.config.first_wait_seconds * 2.0**attempt * spread
        self._sleep(min(wait, self.config.longest_wait_seconds))


class HttpFile(io.RawIOBase):
    """A file behind an address; reads on through broken connections, seeks by a new Range request."""

    def __init__(self, url: str, client: HttpClient) -> None:
        self._url = url
        self._client = client
        self._response: requests.Response | None = None
        self._position = 0
        self._identity: str | None = None

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """Position of the next byte read."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move; the end of the file is known only where the server tells a size."""
        if whence == io.SEEK_CUR:
            offset += self._position
        elif whence == io.SEEK_END:
            size = self._client.size(self._url)
            if size is None:
                raise HttpInputError(f"{self._url}: the server does not tell the file's size")
            offset += size
        if offset != self._position:
            self._drop()
            self._position = offset
        return offset

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` as far as the next piece of the answer goes; 0 at the end of the file."""
        view = memoryview(buffer).cast("B")
        for attempt in range(self._client.config.retries + 1):
            try:
                if self._response is None and not self._connect():
                    return 0
                assert self._response is not None  # noqa: S101 - for the type checker
                piece = self._response.raw.read(len(view), decode_content=False)
            except _TRANSPORT_ERRORS as error:
                problem = f"{type(error).__name__}: {error}"
                self._drop()
                if attempt < self._client.config.retries:
                    self._client.pause(self._url, attempt)
                continue
            view[: len(piece)] = piece
            self._position += len(piece)
            return len(piece)
        raise HttpInputError(
            f"{self._url}: broke off at byte {self._position} in {self._client.config.retries + 1} attempts "
            f"({problem})"
        )

    def close(self) -> None:
        """End the connection."""
        self._drop()
        super().close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _connect(self) -> bool:
        """Ask for the file from the position on; False if it ends before."""
        headers = {"Range": f"bytes={self._position}-"} if self._position else None
        response = self._client.request("GET", self._url, headers)
        if response.status_code == 416:
            response.close()
            return False
        self._check_identity(response)
        self._response = response
        return response.status_code == 206 or self._skip(response)

    def _skip(self, response: requests.Response) -> bool:
        """Read over the bytes before the position, for a server that knows no ranges."""
        left = self._position
        while left:
            piece = response.raw.read(min(left, _SKIP_BYTES), decode_content=False)
            if not piece:
                return False
            left -= len(piece)
        return True

    def _check_identity(self, response: requests.Response) -> None:
        """The file must be the same one as at the first connection."""
        identity = response.headers.get("ETag") or response.headers.get("Last-Modified")
        if self._identity is not None and identity is not None and identity != self._identity:
            response.close()
            raise HttpInputError(
                f"{self._url}: the file changed on the server while it was read; start again"
            )
        self._identity = identity or self._identity

    def _drop(self) -> None:
        if self._response is not None:
            self._response.close()
            self._response = None


def _number(value: str) -> int | None:
    return int(value) if value.isdigit() else None


def _retry_after(response: requests.Response) -> float | None:
    """Seconds that the server asks to wait, given as a number or a date."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isdigit():
        return float(value)
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())
