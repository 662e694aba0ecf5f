"""Reading WARC files whole, in parts and damaged; fastwarc over the whole file tells what is in it."""

import io
import itertools
import random
from collections import Counter
from pathlib import Path

import pytest
from fastwarc.warc import ArchiveIterator
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.crawl.members import find_member, sniff
from pipelines.crawl.warc import Fault, Record, read_records
from tests.pipelines.crawl.warcs import (
    CONTAINERS,
    gzip_members,
    gzip_whole,
    plain,
    record,
    zstd_frames,
)

LIMIT = 1 << 20
# Bodies of very different sizes, one of them with bytes that look like a member or a record.
BODIES = [b"x" * size for size in (0, 1, 10, 3000, 70_000, 200)] + [
    b"\x1f\x8b\x08 is no member",
    b"WARC/1.0\r\nWARC-Type: response\r\n\r\n",
    bytes(range(256)) * 300,
]
RECORDS = [record(body, uri=f"http://a.example/{n}") for n, body in enumerate(BODIES * 3)]


def read(data: bytes, start: int = 0, end: int | None = None, limit: int = LIMIT) -> list[Record | Fault]:
    return list(read_records(io.BytesIO(data), start, end, limit))


def records(items: list[Record | Fault]) -> list[Record]:
    return [item for item in items if isinstance(item, Record)]


def faults(items: list[Record | Fault]) -> list[tuple[int, str]]:
    return [(item.offset, item.reason) for item in items if isinstance(item, Fault)]


def contents(items: list[Record | Fault]) -> list[tuple[str, bytes]]:
    return [(item.uri, item.block) for item in records(items)]


EXPECTED = [(f"http://a.example/{n}", body) for n, body in enumerate(BODIES * 3)]


@pytest.mark.parametrize("container", CONTAINERS)
def test_every_container_is_read(container: str) -> None:
    items = read(CONTAINERS[container](RECORDS))
    assert contents(items) == EXPECTED
    assert faults(items) == []


@pytest.mark.parametrize("container", CONTAINERS)
@given(cuts=st.lists(st.floats(0, 1), max_size=6))
@settings(max_examples=25)
def test_any_split_yields_each_record_once(container: str, cuts: list[float]) -> None:
    data = CONTAINERS[container](RECORDS)
    edges = [0, *sorted(int(cut * len(data)) for cut in cuts), None]
    parts = [read(data, start, end) for start, end in itertools.pairwise(edges)]
    assert [one for part in parts for one in contents(part)] == EXPECTED
    assert [fault for part in parts for fault in faults(part)] == []


@pytest.mark.parametrize("container", ["gzip-members", "zstd-frames", "plain"])
def test_a_split_at_any_byte_near_a_boundary(container: str) -> None:
    data = CONTAINERS[container](RECORDS[:4])
    for at in records(read(data))[1:]:
        for edge in range(at.offset - 3, at.offset + 4):
            assert contents(read(data, 0, edge) + read(data, edge, None)) == EXPECTED[:4]


def test_parts_of_a_file_in_members_share_its_records() -> None:
    data = gzip_members([record(bytes([n]) * 100) for n in range(40)])
    quarter = len(data) // 4
    shares = [len(records(read(data, at, at + quarter))) for at in range(0, 4 * quarter, quarter)]
    assert min(shares) >= 9


@pytest.mark.parametrize(
    "name",
    [
        "whirlwind_cc2024",
        "pywb_iana_revisit",
        "resiliparse_cc2020_sample",
        "CC-MAIN-20150226074105-00336-sample-single-gzip-member",
        "edge_truncated",
    ],
)
@pytest.mark.parametrize("parts", [1, 3, 10])
def test_any_split_of_a_real_file_is_the_whole_file(real_data: Path, name: str, parts: int) -> None:
    data = (real_data / "crawl" / f"{name}.warc.gz").read_bytes()
    edges = [len(data) * n // parts for n in range(parts)]
    items = [item for at, end in zip(edges, [*edges[1:], None], strict=True) for item in read(data, at, end)]
    expected = [
        (str(one.record_type), one.headers.get("WARC-Record-ID"))
        for one in ArchiveIterator(io.BytesIO(data), parse_http=False)
    ]
    assert Counter(item.kind for item in records(items)) == Counter(kind for kind, _ in expected)
    assert len(records(items)) == len(expected)


def test_columns() -> None:
    data = record(b"body", uri="<http://a.example/>", WARC_Truncated="length", date="2008-04-30T20:48:25Z")
    (item,) = records(read(data))
    assert item == Record(
        offset=0,
        kind="response",
        uri="http://a.example/",
        date="2008-04-30T20:48:25Z",
        content_type="application/http; msgtype=response",
        truncated="length",
        block=b"body",
        length=4,
        missing=0,
    )


def test_only_pages_and_conversions_are_read() -> None:
    kinds = ["warcinfo", "request", "metadata", "resource", "revisit", "response", "conversion"]
    items = records(read(plain([record(b"body", kind=kind) for kind in kinds])))
    assert [item.kind for item in items] == kinds
    assert [item.block for item in items] == [b""] * 5 + [b"body"] * 2


def test_a_long_record_is_read_up_to_the_limit() -> None:
    items = records(read(gzip_members(RECORDS), limit=500))
    assert [item.block for item in items] == [body[:500] for _, body in EXPECTED]
    assert all(item.missing == 0 for item in items)


@pytest.mark.parametrize("make", [gzip_members, gzip_whole, plain])
def test_a_last_record_cut_short_keeps_what_is_there(make) -> None:
    noise = random.Random(0).randbytes(5000)
    data = make([record(b"first"), record(noise)])
    first, cut = records(read(data[:-1000]))
    assert first.block == b"first"
    assert noise.startswith(cut.block)
    assert 3500 < len(cut.block) == 5000 - cut.missing < 5000


def test_a_last_zstd_frame_cut_short_is_named() -> None:
    first, second = zstd_frames([record(b"first")]), zstd_frames([record(b"second")])
    items = read(first + second[:-10])
    assert [item.block for item in records(items)] == [b"first"]
    assert faults(items) == [(len(first), "cut_short")]


def test_a_last_record_without_a_whole_header_is_named() -> None:
    first, second = gzip_members(RECORDS[:1]), gzip_members(RECORDS[1:2])
    items = read(first + second[:60])
    assert contents(items) == EXPECTED[:1]
    assert faults(items) == [(len(first), "cut_short")]
    assert faults(read(first + second[:60], len(first) - 5, None)) == []
    assert faults(read(first + second[:60], 0, len(first))) == []


def damaged(make, number: int, change) -> tuple[bytes, list[int]]:
    """A file whose member `number` went through `change`, and the offsets of all members."""
    pieces = [make([one]) for one in RECORDS]
    pieces[number] = change(pieces[number])
    offsets = [sum(map(len, pieces[:n])) for n in range(len(pieces))]
    return b"".join(pieces), offsets


def zeros_inside(member: bytes) -> bytes:
    middle = len(member) // 2
    return member[:middle] + b"\0" * 40 + member[middle + 40 :]


@pytest.mark.parametrize("make", [gzip_members, zstd_frames])
@pytest.mark.parametrize("number", [0, 8, 26], ids=["first", "middle", "last"])
def test_a_corrupt_member_costs_itself_alone(make, number: int) -> None:
    data, offsets = damaged(make, number, zeros_inside)
    items = read(data)
    # Damage in the last gzip member can look like a file that ends too soon: its record tells what is gone.
    sound = [item for item in records(items) if not item.missing]
    assert contents(sound) == EXPECTED[:number] + EXPECTED[number + 1 :]
    if len(sound) == len(records(items)):
        assert faults(items) == [(offsets[number], "corrupt_data")]


def test_a_member_that_is_no_record_costs_itself_alone() -> None:
    data, offsets = damaged(gzip_members, 5, lambda _: gzip_members([b"<html>no record</html>" * 30]))
    items = read(data)
    assert contents(items) == EXPECTED[:5] + EXPECTED[6:]
    assert faults(items) == [(offsets[5], "invalid_record")]


def test_parts_of_a_damaged_file_agree() -> None:
    data, offsets = damaged(gzip_members, 5, zeros_inside)
    expected = contents(read(data))
    for edge in [offsets[4], offsets[5], offsets[5] + 1, offsets[6], offsets[9]]:
        items = read(data, 0, edge) + read(data, edge, None)
        assert contents(items) == expected
        assert faults(items) == [(offsets[5], "corrupt_data")]


@pytest.mark.parametrize("make", [plain, gzip_whole])
def test_junk_between_records_is_read_past(make) -> None:
    items = read(make([*RECORDS[:4], b"\r\njunk that is no record\r\n" * 9, *RECORDS[4:]]))
    assert contents(items) == EXPECTED
    assert [reason for _, reason in faults(items)] == ["invalid_record"]


def test_junk_before_the_first_record_is_named() -> None:
    items = read(b"junk\r\n\r\n" * 30 + plain(RECORDS))
    assert contents(items) == EXPECTED
    assert faults(items) == [(0, "invalid_record")]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty_file"),
        (b"<html><body>a page</body></html>" * 100, "not_warc"),
        (b'{"json": 1}\n' * 100, "not_warc"),
        (gzip_members([b"just text " * 100]), "not_warc"),
        (b"\x1f\x8b\x08" + b"garbage" * 100, "corrupt_data"),
        (zstd_frames([b"just text " * 100]), "not_warc"),
        (b"PK\x03\x04" + bytes(500), "not_warc"),
    ],
    ids=["empty", "HTML", "JSON", "gzip of text", "broken gzip", "zstd of text", "zip"],
)
def test_what_is_no_warc_is_named_once(data: bytes, reason: str) -> None:
    assert [(type(item), item.reason) for item in read(data)] == [(Fault, reason)]
    assert read(data, max(1, len(data) // 2), None) == []


@pytest.mark.parametrize("make", [plain, gzip_members])
def test_bare_line_feeds_are_accepted(make) -> None:
    items = read(
        make([one.replace(b"\r\n", b"\n") for one in (record(b"one"), record(b"two"), record(b"three"))])
    )
    assert [item.block for item in records(items)] == [b"one", b"two", b"three"]
    assert faults(items) == []


def test_wrong_lengths_in_a_tolerated_file_are_named(real_data: Path) -> None:
    """A hand-made sample whose Content-Length swallows the next header: the loss is told."""
    items = read((real_data / "crawl" / "cc_net_sample_wet.txt").read_bytes())
    assert [item.uri for item in records(items)][1:] == [
        "http://sample_chinese.zh",
        "http://sample_russian.ru",
    ]
    assert [reason for _, reason in faults(items)] == ["invalid_record"] * 2


class BrokenStream(io.BytesIO):
    """A transport that fails in the middle."""

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() > 1000:
            raise ConnectionError("reset")
        return super().read(min(size or 500, 500))


def test_an_error_of_the_transport_is_no_damage_of_the_file() -> None:
    with pytest.raises(ConnectionError, match="reset"):
        list(read_records(BrokenStream(gzip_members(RECORDS * 40)), 0, None, LIMIT))


@given(st.binary(max_size=200), st.integers(0, 400))
@settings(max_examples=150)
def test_any_bytes_anywhere_are_survived(junk: bytes, at: int) -> None:
    data = gzip_members(RECORDS[:3])
    at = min(at, len(data))
    items = read(data[:at] + junk + data[at:])
    assert all(isinstance(item, Record | Fault) for item in items)


def test_find_member_needs_a_record_not_only_magic() -> None:
    data = b"\x1f\x8b\x08 no member" + gzip_members([b"text"]) + gzip_members([record(b"x")])
    container = sniff(io.BytesIO(gzip_members([b"x"])))
    found = find_member(io.BytesIO(data), container, 0, None)
    assert found == data.rindex(b"\x1f\x8b\x08")
    assert find_member(io.BytesIO(data), container, 0, found) is None
    assert find_member(io.BytesIO(data), container, found, found + 1) == found
    assert find_member(io.BytesIO(data), container, found + 1, None) is None


def test_find_member_across_chunks() -> None:
    filler = b"\0" * ((1 << 18) - 2)
    member = gzip_members([record(b"x")])
    assert find_member(io.BytesIO(filler + member), sniff(io.BytesIO(member)), 0, None) == len(filler)
