"""Telling a failure of the storage from damage where a decoder reports both alike."""

import io
from typing import Any


class Watched(io.RawIOBase):
    """A stored file that keeps the error of a failed read.

    zipfile turns it into BadZipFile, and the Parquet decoder's own errors are OSErrors as well.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._failure: OSError | None = None

    def raise_failure(self) -> None:
        """Raise the storage's error if a read failed."""
        if self._failure is not None:
            raise self._failure

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """Position of the next byte."""
        return int(self._stream.tell())

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move."""
        return int(self._stream.seek(offset, whence))

    def read(self, size: int | None = -1) -> bytes:
        """Up to `size` bytes, all that is left where it is negative or None."""
        try:
            return bytes(self._stream.read() if size is None or size < 0 else self._stream.read(size))
        except OSError as error:
            self._failure = error
            raise

    def close(self) -> None:
        """Release the file."""
        self._stream.close()
        super().close()
