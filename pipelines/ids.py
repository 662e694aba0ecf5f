"""Document ids come from content, so that they survive resharding, reordering and re-runs."""

import xxhash

_SEPARATOR = "\x1f"


def document_id(source: str, snapshot: str, url: str, payload_digest: str) -> str:
    """128-bit xxh3 of (source, snapshot or date, url or path, payload digest) as 32 hex digits."""
    key = _SEPARATOR.join((source, snapshot, url, payload_digest))
    return xxhash.xxh3_128_hexdigest(key.encode("utf-8", "surrogatepass"))


def payload_digest(payload: bytes) -> str:
    """128-bit xxh3 of the payload's bytes as 32 hex digits."""
    return xxhash.xxh3_128_hexdigest(payload)


def piece_id(parent_id: str, number: int) -> str:
    """Id of the `number`-th piece (from 0) that decontamination left of the document `parent_id`."""
    return xxhash.xxh3_128_hexdigest(f"{parent_id}{_SEPARATOR}piece{_SEPARATOR}{number}".encode())
