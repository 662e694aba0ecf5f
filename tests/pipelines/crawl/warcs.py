"""WARC files made for a test: records as bytes, and the containers that they come in."""

import gzip
import struct
from collections.abc import Callable, Sequence

import zstandard

OK = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"


def record(content: bytes, kind: str = "response", uri: str = "http://a.example/", **headers: str) -> bytes:
    """One record; keyword `content_type` sets Content-Type and so on."""
    length = headers.pop("content_length", str(len(content)))
    default = "application/http; msgtype=response" if kind == "response" else "text/plain"
    fields = {
        "WARC-Type": kind,
        "WARC-Record-ID": "<urn:uuid:00000000-0000-4000-8000-000000000000>",
        "WARC-Date": headers.pop("date", "2024-02-29T12:30:00Z"),
        "WARC-Target-URI": uri,
        "Content-Type": headers.pop("content_type", default),
        "Content-Length": length,
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"WARC/1.0\r\n{head}\r\n".encode() + content + b"\r\n\r\n"


def html_page(text: str, uri: str = "http://a.example/", head: str = OK) -> bytes:
    """A response record with a page whose main content is `text`."""
    return record(f"{head}<html><body><p>{text}</p></body></html>".encode(), uri=uri)


def plain(records: Sequence[bytes]) -> bytes:
    """Uncompressed."""
    return b"".join(records)


def gzip_members(records: Sequence[bytes]) -> bytes:
    """One gzip member a record, as the format asks for."""
    return b"".join(gzip.compress(one, mtime=0) for one in records)


def gzip_whole(records: Sequence[bytes]) -> bytes:
    """One gzip member for all records, as found in the wild."""
    return gzip.compress(b"".join(records), mtime=0)


def gzip_mixed(records: Sequence[bytes]) -> bytes:
    """Members of one record, then one of many, then members of one again."""
    third = len(records) // 3
    return (
        gzip_members(records[:third])
        + gzip_whole(records[third : 2 * third])
        + gzip_members(records[2 * third :])
    )


def gzip_blocks(records: Sequence[bytes]) -> bytes:
    """Members of a fixed size that pay no heed to records (as bgzip writes them)."""
    data = b"".join(records)
    return b"".join(gzip.compress(data[at : at + 5000], mtime=0) for at in range(0, len(data), 5000))


def zstd_frames(records: Sequence[bytes]) -> bytes:
    """One zstd frame a record."""
    compressor = zstandard.ZstdCompressor(write_checksum=True)
    return b"".join(compressor.compress(one) for one in records)


def zstd_whole(records: Sequence[bytes]) -> bytes:
    """One zstd frame for all records."""
    return zstandard.ZstdCompressor().compress(b"".join(records))


def zstd_dictionary(records: Sequence[bytes]) -> bytes:
    """WARC-zstd: a skippable frame with the dictionary, then one frame a record."""
    dictionary = zstandard.ZstdCompressionDict(
        b"".join(records)[:4096], dict_type=zstandard.DICT_TYPE_RAWCONTENT
    )
    if len(records) > 10:
        dictionary = zstandard.train_dictionary(4096, list(records))
    content = zstandard.ZstdCompressor().compress(dictionary.as_bytes())
    compressor = zstandard.ZstdCompressor(dict_data=dictionary)
    return (
        struct.pack("<II", 0x184D2A5D, len(content)) + content + b"".join(map(compressor.compress, records))
    )


CONTAINERS: dict[str, Callable[[Sequence[bytes]], bytes]] = {
    "plain": plain,
    "gzip-members": gzip_members,
    "gzip-whole": gzip_whole,
    "gzip-mixed": gzip_mixed,
    "gzip-blocks": gzip_blocks,
    "zstd-frames": zstd_frames,
    "zstd-whole": zstd_whole,
    "zstd-dictionary": zstd_dictionary,
}
